"""beta / delta of a sample of one material, from some of its angles.

A ratio that is wrong cannot explain both at once, the mean light and the shift of the speckles: the misfit of
the images has its least value near the true one, where what the sample holds is coarser than the blur. A fit
with free absorption does not tell it from a single exposure: absorption takes up what is phase.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from xsn_acq.analysis.pwf.field import SpeckleField
from xsn_acq.analysis.pwf.retrieval import Retrieval
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.units import UM

Angle = tuple[FloatArray, Sequence[tuple[float, float]] | None]
SEARCHED = tuple(0.0004 * 2.0**power for power in range(8))
"""0.0004 to 0.05: polymers to aluminium and minerals at 10 keV; metals have more."""
_PLACES = (-0.4, -0.2, 0.0, 0.2, 0.4)
"""About the best of these, in logarithms: chi-square differs there by more than fits end apart."""
_ENOUGH, _MOST = 1e-4, 400
"""Fits go on until their end moves chi-square by less than the ratio does; see `PwfSettings`."""
_USUAL_WEIGHT = 30.0
_LEAST_GAIN = 1e-3
"""Of chi-square: a ratio must explain so much more than others, or the images do not tell it."""
TRUSTED_CHI2 = 1.15
"""Images that are explained worse than this hold details finer than the blur: then the ratio is too low."""
LEAST_FIELD_M = 1e-4
"""Of the shorter side, to be trusted: on 104 um ratios came out within 5 %, on 62 um 6 to 16 % low."""
_LEAST_BEND = 1e-4
"""Of chi-square over the logarithm's square: with less an angle tells nothing; beads have 0.05."""
_FEWEST, _MOST_ERROR, _OF_MEDIAN = 3, 0.05, 1.25
"""Angles that tell a ratio and its standard error, to be trusted; error of a median over that of a mean."""


@dataclass(frozen=True)
class RatioFit:
    """What the images say of beta / delta.

    Attributes
    ----------
    ratio : float
    sigma : float
        Standard error, by the scatter of the angles; what is wrong at all of them alike it does not tell.
    chi2 : float
        Of a pixel, with that ratio.
    angles : int
        That told a ratio.
    doubts : tuple of str
        Why it is not to be believed to some 5 %; none: the images are explained well, three angles or more
        agree, and the field is large enough.
    """

    ratio: float
    sigma: float
    chi2: float
    angles: int
    doubts: tuple[str, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.doubts


def search_ratio(retrieval: Retrieval, angles: Sequence[Angle]) -> RatioFit:
    """Find beta / delta of a sample of one material from one diffuser position or more.

    Parameters
    ----------
    retrieval : Retrieval
        In ``single_material`` mode; its own ratio does not matter.
    angles : sequence of (projections (K, ny, nx), shifts or None)
        Some angles, as different as may be, see `Retrieval.retrieve`. Each gives a ratio of its own: their
        scatter is the error.

    Raises
    ------
    ReconstructionError
        All ratios explain the images alike (no sample in the field), or the best is at an end of `SEARCHED`.
    """
    known = retrieval.settings
    known = replace(known, mu=known.mu or _USUAL_WEIGHT, enough=_ENOUGH, most=_MOST)
    fields: list[SpeckleField | None] = [None] * len(angles)

    def chi2(ratio: float) -> FloatArray:
        tied = retrieval.like(replace(known, beta_over_delta=ratio))
        fields[:] = [
            tied.retrieve(images, last, shifts=shifts)
            for (images, shifts), last in zip(angles, fields, strict=True)
        ]
        return np.array([field.chi2 for field in fields if field is not None])

    found = search(chi2)
    optics = retrieval.settings.optics
    side_m = min(optics.shape) * optics.pixel_m
    if side_m >= LEAST_FIELD_M:
        return found
    small = f"the field is {side_m / UM:.0f} um high or wide, wanted {LEAST_FIELD_M / UM:.0f}"
    return replace(found, doubts=(*found.doubts, small))


def search(chi2: Callable[[float], FloatArray]) -> RatioFit:
    """Find the ratio of the least chi-square of a pixel, angle by angle.

    Parameters
    ----------
    chi2 : callable
        Of a ratio: chi-square of a pixel at each angle, (n,).

    Raises
    ------
    ReconstructionError
        See `search_ratio`.

    Examples
    --------
    >>> fit = search(lambda c: 1 + np.array([0.1, 0.2, 0.3]) * math.log(c / 0.008) ** 2)
    >>> round(fit.ratio, 5), fit.trusted
    (0.008, True)
    """
    tried = {ratio: float(np.mean(chi2(ratio))) for ratio in SEARCHED}
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
    values = np.array([chi2(best * math.exp(place)) for place in _PLACES])
    each = np.array([_vertex(column) for column in values.T])
    told = each[np.isfinite(each)]
    least = float(values.mean(axis=1).min())
    if not told.size:
        return RatioFit(best, math.inf, least, 0, _doubts(least, 0, math.inf))
    ratio = best * math.exp(float(np.median(told)))
    scatter = float(np.std(told, ddof=1)) if told.size > 1 else math.inf
    sigma = _OF_MEDIAN * scatter / math.sqrt(told.size)
    return RatioFit(ratio, ratio * sigma, least, told.size, _doubts(least, told.size, sigma))


def _doubts(chi2: float, angles: int, sigma: float) -> tuple[str, ...]:
    """Why a ratio is not to be trusted."""
    found = []
    if chi2 >= TRUSTED_CHI2:
        found.append(f"the images are explained badly, chi-square {chi2:.2f} of a pixel")
    if angles < _FEWEST:
        found.append(f"{angles} of the angles tell it, wanted {_FEWEST}")
    elif sigma >= _MOST_ERROR:
        found.append(f"the angles differ: standard error {sigma:.0%}")
    return tuple(found)


def _vertex(values: FloatArray) -> float:
    """Logarithm at which a parabola through the places is least; NaN where it has no least near them."""
    bend, slope, _ = np.polyfit(_PLACES, values, 2)
    if not bend > _LEAST_BEND:
        return math.nan
    vertex = -slope / (2 * bend)
    return float(vertex) if abs(vertex) < 2 * _PLACES[-1] else math.nan
