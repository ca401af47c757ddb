"""For the NxSCI benchmarks: the truth of the tests, and the largest problem in a process of its own."""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "unit"))

from nxsci_truth import scene  # noqa: F401

from xsn_acq.analysis.nxsci.admm import Steps
from xsn_acq.analysis.nxsci.forward import forward
from xsn_acq.analysis.nxsci.guided import GuidedSolver
from xsn_acq.analysis.nxsci.problem import Guide, Sweep


def large(side: int, number: int, iterations: int) -> dict:
    """Seconds and peak bytes of one element's map; its patterns are a float32 HDF5 file, read by blocks."""
    rng = np.random.default_rng(0)
    y, x = np.indices((side, side)) / side
    thickness = np.clip(np.sin(9 * x) * np.sin(7 * y), 0, None)
    with tempfile.TemporaryDirectory() as folder, h5py.File(Path(folder) / "patterns.h5", "w") as file:
        patterns = file.create_dataset("patterns", (number, side, side), np.float32)
        for n in range(number):
            small = rng.exponential(1.0, (side // 2, side // 2)).astype(np.float32)
            patterns[n] = np.kron(small / small.mean(), np.ones((2, 2), np.float32))
        clean = forward(patterns, thickness[None])
        clean *= 1e4 / clean.mean()
        sweep = Sweep(patterns, rng.poisson(clean), np.sqrt(clean))
        guide = Guide(rng.poisson(2e4 * np.exp(-thickness)) / 2e4, 0.007)
        start = time.perf_counter()
        maps = GuidedSolver(steps=Steps(iterations, 0.0)).solve(sweep, guide)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "peak": peak, "iterations": maps.iterations}


if __name__ == "__main__":
    print(json.dumps(large(*(int(each) for each in sys.argv[1:4]))))
