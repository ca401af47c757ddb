"""One slice by filtered back-projection: the adjoint non-uniform FFT against algotom's on the CPU."""

import os
import time

import numpy as np
from algotom.rec.reconstruction import fbp_reconstruction

from xsn_acq.analysis.tomography import FilteredBackProjection

ANGLES, COLUMNS, SLICES = 900, 1024, 8


def run() -> dict:
    cores = len(os.sched_getaffinity(0))
    theta = np.arange(ANGLES) * np.pi / ANGLES
    sinogram = _sinogram(theta)
    stack = np.repeat(sinogram[:, None], SLICES, axis=1)
    projection = FilteredBackProjection(COLUMNS, theta, threads=cores)
    ours = projection.slices(stack)[0]
    seconds = min(_timed(lambda: projection.slices(stack)) for _ in range(3)) / SLICES

    def algotom() -> np.ndarray:
        return fbp_reconstruction(
            sinogram, (COLUMNS - 1) / 2, angles=theta, ratio=None, filter_name=None, apply_log=False,
            gpu=False, ncore=cores,
        )  # fmt: skip

    theirs = algotom()
    rival = min(_timed(algotom) for _ in range(2))
    agreement = float(np.corrcoef(ours.ravel(), theirs[::-1].ravel())[0, 1])
    return {
        "name": "fbp_slice",
        "value": seconds,
        "unit": "s",
        "rival": "algotom fbp_reconstruction, CPU",
        "rival_value": rival,
        "ratio": rival / seconds,
        "size": f"{ANGLES} angles x {COLUMNS} -> {COLUMNS} x {COLUMNS}, float32",
        "cores": cores,
        "device": "cpu",
        "note": f"per slice, {SLICES} at once, plan and compiler warm; correlation of both {agreement:.4f}",
    }


def _timed(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _sinogram(theta: np.ndarray) -> np.ndarray:
    """Discs, seeded: chords in closed form."""
    t = np.arange(COLUMNS) - 0.5 * (COLUMNS - 1)
    total = np.zeros((ANGLES, COLUMNS))
    for x0, z0, radius in np.random.default_rng(0).uniform((-250, -250, 10), (250, 250, 90), (20, 3)):
        centre = x0 * np.cos(theta) + z0 * np.sin(theta)
        total += 2 * np.sqrt(np.maximum(0, radius**2 - (t - centre[:, None]) ** 2))
    return total.astype(np.float32)
