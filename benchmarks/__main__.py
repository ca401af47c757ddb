"""``python -m benchmarks [NAME ...]``: run all or some, print one JSON object each, update results.json."""

import importlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"


def names() -> list[str]:
    """Every benchmark: each module beside this one that does not start with an underscore."""
    return sorted(path.stem for path in HERE.glob("[a-z]*.py"))


def main(wanted: list[str]) -> None:
    """Run the benchmarks named (all when none is)."""
    unknown = set(wanted) - set(names())
    if unknown:
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in wanted or names():
        results[name] = importlib.import_module(f"benchmarks.{name}").run()
        print(json.dumps(results[name]), flush=True)
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
