"""Where the sample stands under the patterns: the TXM image is moved until the counts agree with it.

The counts are sums over the patterns of what the sample emits, and together that follows what it absorbs:
A shift_s(a) = sum_e c_e y_e + b at the right shift s. No picture of the sample under the patterns is needed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from xsn_acq.analysis.nxsci.forward import forward
from xsn_acq.analysis.nxsci.problem import Guide, Sweep, check_fit
from xsn_acq.analysis.shift import shift_image
from xsn_acq.optics.arrays import FloatArray

_REACH_PIXELS = 4
_EXACT_PIXELS = 0.005


@dataclass(frozen=True)
class TxmShift:
    """How far the TXM image must be moved, towards larger y and x, pixels.

    ``explained`` is the share of the variance over the patterns of what the image absorbs that the counts
    explain, 1 at best; ``sigma_pixels`` the standard error of either shift, from the curvature there.
    """

    dy: float
    dx: float
    explained: float
    sigma_pixels: float

    def moved(self, guide: Guide) -> Guide:
        """Return the guide on the pixels of the patterns."""
        return Guide(shift_image(guide.transmission, self.dy, self.dx), guide.sigma)


def find_txm_shift(sweep: Sweep, guide: Guide, *, reach_pixels: int = _REACH_PIXELS) -> TxmShift:
    """Find the shift of the TXM image onto the patterns.

    Parameters
    ----------
    sweep, guide
    reach_pixels : int
        The search goes so far in each direction.

    Returns
    -------
    TxmShift
    """
    check_fit(sweep, guide)
    image = guide.smooth
    basis = _basis(sweep)

    def unexplained(shifts: FloatArray) -> FloatArray:
        moved = np.array([shift_image(image, *shift) for shift in shifts])
        seen = forward(sweep.patterns, moved)
        seen -= seen.mean(axis=1, keepdims=True)
        explained = np.sum((seen @ basis) ** 2, axis=1) / np.maximum(np.sum(seen**2, axis=1), 1e-300)
        return np.asarray(1 - explained)

    steps = np.arange(-reach_pixels, reach_pixels + 1.0)
    grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    start = grid[np.argmin(unexplained(grid))]
    best = minimize(
        lambda s: float(unexplained(s[None])[0]),
        start,
        method="Nelder-Mead",
        options={
            "xatol": _EXACT_PIXELS,
            "fatol": 1e-9,
            "initial_simplex": start + 0.4 * np.array([[0, 0], [1, 0], [0, 1.0]]),
        },
    )
    return TxmShift(
        float(best.x[0]),
        float(best.x[1]),
        1 - float(best.fun),
        _standard_error(unexplained, best.x, sweep.counts.shape[1]),
    )


def _basis(sweep: Sweep) -> FloatArray:
    """Orthonormal columns (N, E) that span the elements' counts about their means."""
    counts = sweep.counts - sweep.counts.mean(axis=1, keepdims=True)
    left, size, _ = np.linalg.svd(counts.T / sweep.sigma.mean(axis=1), full_matrices=False)
    return np.asarray(left[:, size > 1e-9 * size[0]]) if size[0] > 0 else np.zeros((counts.shape[1], 0))


def _standard_error(unexplained: Callable[[FloatArray], FloatArray], at: FloatArray, number: int) -> float:
    """Half a pixel either way along each axis gives the curvature; the residual's size over it the error."""
    step = 0.5
    around = at + step * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1.0]])
    centre, up, down, right, left = unexplained(around)
    curvature = (up + down + right + left - 4 * centre) / (2 * step**2)
    return float(np.sqrt(2 * centre / (number * curvature))) if curvature > 0 else float("inf")
