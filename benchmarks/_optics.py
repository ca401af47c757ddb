"""The optics and the object that the benchmarks of the wave model share."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from xsn_acq.optics.knife_edge import KnifeEdge
from xsn_acq.optics.schlieren import Schlieren

PIXEL_M = 40e-9
APERTURE_PER_M = 1 / 60e-9
HALF_WIDTH_PER_M = 0.22 * APERTURE_PER_M


def knife_edge(points: int = 101) -> KnifeEdge:
    """Round illumination of 0.22 NA."""
    u = np.linspace(-1, 1, points)
    passing = 0.5 - (u * np.sqrt(1 - u**2) + np.arcsin(u)) / np.pi
    return KnifeEdge(HALF_WIDTH_PER_M * u, passing)


def optics(size: int, *, cutoff_bins: float = 0.5, double: bool = False) -> Schlieren:
    """Square grid; the cutoff stands between two frequency bins, near the centre of the pupil."""
    cutoff = cutoff_bins / (size * PIXEL_M)
    return Schlieren((size, size), PIXEL_M, APERTURE_PER_M, cutoff, knife_edge(), double=double)


def spheres(size: int) -> np.ndarray:
    """Transmission of spheres of 4 rad and less, complex64, seeded."""
    rng = np.random.default_rng(0)
    y, x = np.indices((size, size))
    phase = np.zeros((size, size))
    for x0, y0, radius in rng.uniform((0.1, 0.1, 0.01), (0.9, 0.9, 0.08), (40, 3)) * size:
        phase -= np.sqrt(np.maximum(0, radius**2 - (x - x0) ** 2 - (y - y0) ** 2)) * 51 / size
    return np.exp((0.1 + 1j) * phase).astype(np.complex64)


def seconds(work: Callable[[], Any], repeats: int = 5) -> float:
    """Shortest time of some runs, after one that warms up."""
    work()
    return min(_timed(work) for _ in range(repeats))


def _timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
