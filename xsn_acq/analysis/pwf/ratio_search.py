"""beta / delta of a sample of one material, from some of its angles.

A ratio that is wrong cannot explain both at once, the mean light and the shift of the speckles: the misfit of
the images has its least value near the true one, where what the sample holds is coarser than the blur. A fit
with free absorption does not tell it from a single exposure: absorption takes up what is phase.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from xsn_acq.analysis.pwf.retrieval import Retrieval
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

Angle = tuple[FloatArray, Sequence[tuple[float, float]] | None]
SEARCHED = tuple(0.0004 * 2.0**power for power in range(8))
"""0.0004 to 0.05: polymers to heavy metals at 5 to 20 keV."""
_FINER = (1.35, 1.12)
_USUAL_WEIGHT = 30.0
_LEAST_GAIN = 1e-3
"""Of chi-square: a ratio must explain so much more than others, or the images do not tell it."""
TRUSTED_CHI2 = 1.15
"""Images that are explained worse than this hold details finer than the blur: then the ratio is too low."""
LEAST_FIELD_M = 1e-4
"""Of the shorter side, to be trusted: glass balls came out within 5 % on 104 um, 20 to 45 % low on less."""
_MOST_ERROR = 0.1
"""Standard error, in parts of the ratio, beyond which the misfit hardly depends on it."""


@dataclass(frozen=True)
class RatioFit:
    """What the images say of beta / delta.

    Attributes
    ----------
    ratio : float
    sigma : float
        Standard error by the curvature of chi-square, of chance alone.
    chi2 : float
        Of a pixel, with that ratio.
    trusted : bool
        Whether the images are explained well enough for the ratio to be believed to some 5 %, depend
        enough on it, and show a field that is large enough.
    """

    ratio: float
    sigma: float
    chi2: float
    trusted: bool


def search_ratio(retrieval: Retrieval, angles: Sequence[Angle]) -> RatioFit:
    """Find beta / delta of a sample of one material from one diffuser position or more.

    Parameters
    ----------
    retrieval : Retrieval
        In ``single_material`` mode; its own ratio does not matter.
    angles : sequence of (projections (K, ny, nx), shifts or None)
        Some angles, as different as may be, see `Retrieval.retrieve`: each more makes the ratio surer.

    Raises
    ------
    ReconstructionError
        All ratios explain the images alike (no sample in the field), or the best is at an end of `SEARCHED`.
    """

    def chi2(ratio: float) -> float:
        settings = retrieval.settings
        tied = retrieval.like(replace(settings, beta_over_delta=ratio, mu=settings.mu or _USUAL_WEIGHT))
        return float(np.mean([tied.retrieve(images, shifts=shifts).chi2 for images, shifts in angles]))

    found = search(chi2, sum(int(np.isfinite(images).sum()) for images, _ in angles))
    optics = retrieval.settings.optics
    large = min(optics.shape) * optics.pixel_m >= LEAST_FIELD_M
    return replace(found, trusted=found.trusted and large)


def search(chi2: Callable[[float], float], pixels: int) -> RatioFit:
    """Find the ratio of the least chi-square of a pixel.

    Parameters
    ----------
    chi2 : callable
        Of a ratio.
    pixels : int
        That it is the mean of.

    Raises
    ------
    ReconstructionError
        See `search_ratio`.

    Examples
    --------
    >>> round(search(lambda c: 1 + 0.2 * math.log(c / 0.008) ** 2, 10_000).ratio, 5)
    0.008
    """
    tried = {ratio: chi2(ratio) for ratio in SEARCHED}
    best = min(tried, key=tried.__getitem__)
    if max(tried.values()) - tried[best] < _LEAST_GAIN:
        raise ReconstructionError(
            "beta/delta: wanted a sample that tells it, found that every ratio explains the images alike; "
            "is there a sample in the field? Give it: --beta-over-delta"
        )
    if best in (SEARCHED[0], SEARCHED[-1]):
        raise ReconstructionError(
            f"beta/delta: wanted a value from {SEARCHED[0]:g} to {SEARCHED[-1]:g}, found the best at its "
            f"end, {best:g}; is the sample of one material? Give it: --beta-over-delta"
        )
    vertex, curvature = best, math.inf
    for factor in _FINER:
        centre = vertex
        places = (centre / factor, centre, centre * factor)
        found = [chi2(place) for place in places]
        vertex, curvature = _vertex(centre, math.log(factor), found)
        least = min(found)
    sigma = math.sqrt(2 / (pixels * curvature)) if curvature > 0 else math.inf
    return RatioFit(vertex, vertex * sigma, least, least < TRUSTED_CHI2 and sigma < _MOST_ERROR)


def _vertex(centre: float, step: float, values: Sequence[float]) -> tuple[float, float]:
    """Place of a parabola's least value through three, a step of the logarithm apart; and its curvature."""
    low, middle, high = values
    bend = low - 2 * middle + high
    if not bend > 0:
        return (centre * math.exp(-step) if low < high else centre * math.exp(step)), 0.0
    moved = float(np.clip(0.5 * (low - high) / bend, -1.5, 1.5))
    return centre * math.exp(moved * step), bend / step**2
