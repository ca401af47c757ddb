"""ASTRA's FBP on the CPU: ``python _astra.py SINOGRAM.npy THETA.npy SLICE.npy N REPEATS`` prints seconds.

Run in an interpreter that has astra-toolbox, which need not be ours: it is GPL, and brings CUDA along.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import astra
import numpy as np


class Slice:
    """One slice's geometry, data and algorithm."""

    def __init__(self, sinogram: np.ndarray, theta: np.ndarray) -> None:
        n = sinogram.shape[1]
        projections = astra.create_proj_geom("parallel", 1.0, n, theta)
        pixels = astra.create_vol_geom(n, n)
        self.result = astra.data2d.create("-vol", pixels)
        settings = astra.astra_dict("FBP")
        settings["ProjectorId"] = astra.create_projector("linear", projections, pixels)
        settings["ProjectionDataId"] = astra.data2d.create("-sino", projections, sinogram)
        settings["ReconstructionDataId"] = self.result
        settings["FilterType"] = "ram-lak"
        self.algorithm = astra.algorithm.create(settings)

    def run(self) -> None:
        astra.algorithm.run(self.algorithm)


def main(sinogram: str, theta: str, slice_: str, threads: str, repeats: str) -> None:
    """As many slices at once as threads: ASTRA's CPU code uses one thread for each."""
    slices = [Slice(np.load(sinogram), np.load(theta)) for _ in range(int(threads))]
    best = np.inf
    with ThreadPoolExecutor(int(threads)) as pool:
        for _ in range(int(repeats)):
            start = time.perf_counter()
            list(pool.map(Slice.run, slices))
            best = min(best, time.perf_counter() - start)
    np.save(slice_, astra.data2d.get(slices[0].result))
    print(best / len(slices))


if __name__ == "__main__":
    main(*sys.argv[1:])
