"""The weight of the prior, from pixels that the fit does not see.

One pixel in twenty gets no weight. The blur makes neighbours tell of it, so that a field that fits noise
foretells it worse than one that fits the sample.
"""

from dataclasses import dataclass

import numpy as np

from xsn_acq.optics.arrays import FloatArray

SHARE = 0.05
WEIGHTS = (10.0, 30.0, 100.0)
"""Weights tried. Less than the first foretells a fine powder a little better, rims being what no prior
foretells, and its phase comes out worse: what noise it lets in there, slow phase pays for."""


@dataclass(frozen=True)
class WeightChoice:
    """What held-out pixels say.

    Attributes
    ----------
    mu : float
        The weight with the least misfit.
    tried, misfit : tuple of float
        Weights, and chi-square of a held-out pixel with each.
    """

    mu: float
    tried: tuple[float, ...]
    misfit: tuple[float, ...]


def held_out_pixels(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return a mask (K, ny, nx) that is true for one pixel in twenty."""
    return np.asarray(np.random.default_rng(seed).random(shape) < SHARE)


def choose(tried: tuple[float, ...], misfit: tuple[float, ...]) -> WeightChoice:
    """Take the weight of the least misfit.

    >>> choose((10.0, 30.0), (1.2, 1.3)).mu
    10.0
    """
    return WeightChoice(tried[int(np.argmin(misfit))], tried, misfit)


def misfit_of(residual: FloatArray, weights: FloatArray, out: np.ndarray) -> float:
    """Chi-square of a held-out pixel: mean of weight times residual squared where there is weight."""
    seen = out & (weights > 0)
    return float(np.mean(weights[seen] * residual[seen] ** 2))
