"""The default NxSCI solver: seconds for one element of 128 x 128 from 1000 patterns, and what size costs.

The bar is 20 s. Larger problems run in processes of their own, their patterns in a float32 file.
"""

import json
import os
import subprocess
import sys

import numpy as np

from benchmarks._nxsci import scene
from benchmarks._optics import seconds
from xsn_acq.analysis.nxsci.guided import GuidedSolver
from xsn_acq.analysis.nxsci.problem import Sweep

BAR_S = 20.0
SIZES = ((64, 250), (64, 1000), (128, 250), (128, 1000))
LARGEST = (1024, 250, 5)
"""Side, patterns, iterations. More of the last two take longer, not more memory."""
BOUND_BYTES = 4e9


def run() -> dict:
    costs = {size: _cost(*size) for size in SIZES}
    value = costs[128, 1000]
    command = [sys.executable, "-m", "benchmarks._nxsci", *map(str, LARGEST)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    in_pixels = np.log(value / costs[64, 1000]) / np.log(4)
    in_patterns = np.log(value / costs[128, 250]) / np.log(4)
    told = ", ".join(f"{side}^2 x {number}: {cost:.2f} s" for (side, number), cost in costs.items())
    side, number, iterations = LARGEST
    return {
        "name": "nxsci_solver",
        "value": value,
        "unit": "s",
        "rival": "the bar",
        "rival_value": BAR_S,
        "ratio": BAR_S / value,
        "size": "128 x 128, 1000 patterns, one element, 75 iterations",
        "cores": len(os.sched_getaffinity(0)),
        "device": "cpu",
        "note": f"{told}; grows as pixels^{in_pixels:.2f} patterns^{in_patterns:.2f}; {side}^2 x {number}: "
        f"{found['seconds']:.0f} s for {iterations} iterations, peak {found['peak'] / 1e9:.2f} GB "
        f"(bound {BOUND_BYTES / 1e9:.0f}), the patterns in a file of {4e-9 * side**2 * number:.1f} GB",
    }


def _cost(side: int, number: int) -> float:
    truth = scene(side, number, 1e4, seed=12)
    one = Sweep(truth.sweep.patterns, truth.sweep.counts[2], truth.sweep.sigma[2])
    return seconds(lambda: GuidedSolver().solve(one, truth.guide), 1)
