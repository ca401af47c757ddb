"""Start-up of the command line: ``--help`` against a bare interpreter that imports argparse."""

import subprocess
import sys
import time
from statistics import median
from typing import Any


def _seconds(command: list[str]) -> float:
    samples = []
    for _ in range(7):
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        samples.append(time.perf_counter() - begin)
    return median(samples)


def run() -> dict[str, Any]:
    ours = _seconds([sys.executable, "-m", "xsn_acq.cli", "--help"])
    bare = _seconds([sys.executable, "-c", "import argparse"])
    return {
        "name": "start_up",
        "value": round(ours, 3),
        "unit": "s",
        "rival": "python -c 'import argparse'",
        "rival_value": round(bare, 3),
        "ratio": round(bare / ours, 3),
        "size": "xsn-acq --help",
        "cores": 2,
        "device": "cpu",
        "note": "median of 7; the bound is 0.5 s",
    }
