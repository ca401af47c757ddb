"""``python -m benchmarks [NAME ...]``: run all or some, print one JSON object each, update results.json."""

import importlib
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"


def names() -> list[str]:
    """Every benchmark: each module beside this one that does not start with an underscore."""
    return sorted(path.stem for path in HERE.glob("[a-z]*.py"))


def in_process_of_its_own(name: str) -> dict[str, Any]:
    """Run a benchmark where no other has left memory, threads or Channel Access behind."""
    benchmark = importlib.import_module(f"benchmarks.{name}").run
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        result: dict[str, Any] = pool.submit(benchmark).result()
    return result


def main(wanted: list[str]) -> None:
    """Run the benchmarks named (all when none is)."""
    unknown = set(wanted) - set(names())
    if unknown:
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in wanted or names():
        results[name] = in_process_of_its_own(name)
        print(json.dumps(results[name]), flush=True)
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
