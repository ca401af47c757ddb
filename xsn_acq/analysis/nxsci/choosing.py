"""Which patterns of a rehearsal without sample are worth their time, and when to go on to fresh ones.

Patterns are taken one by one, each time the one that lowers the error left the most (see
`xsn_acq.analysis.nxsci.information`); no counts are needed, so no dose is.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsn_acq.analysis.nxsci.information import Prior, noise_variance
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray


@dataclass(frozen=True)
class Times:
    """What patterns cost.

    Attributes
    ----------
    pattern_s : float
        Exposure of one pattern, and the small move to it.
    change_s : float
        More for a pattern of another group: the coarse sheet, the condenser.
    visit : int
        A change is weighed against so many patterns taken after it.
    """

    pattern_s: float = 1.0
    change_s: float = 0.0
    visit: int = 8


@dataclass(frozen=True, eq=False)
class Choice:
    """Patterns in the order of choice.

    Attributes
    ----------
    order : (n,)
        Their indices.
    relative_rms : (n,)
        Error left after each, as `RunningInformation.value` has it.
    seconds : (n,)
        Time spent after each.
    """

    order: NDArray[np.intp]
    relative_rms: FloatArray
    seconds: FloatArray


def choose_patterns(
    patterns: Any,
    prior: Prior,
    relative_noise: float,
    number: int,
    *,
    group: ArrayLike | None = None,
    times: Times | None = None,
) -> Choice:
    """Choose the patterns that tell the most in their time.

    Parameters
    ----------
    patterns : (N, ny, nx)
        Of mean 1. They and twice as much are held, as float64: 400 MB for 1000 of 128 x 128, all chosen.
    prior : Prior
    relative_noise : float
        As `RunningInformation` takes it.
    number : int
        Patterns wanted, up to N.
    group : (N,), optional
        A number for each condenser setting or place of the coarse sheet: between groups a change is needed.
        One goes on to another group when what it gains in the time of a visit, the change counted, exceeds
        what is left here.
    times : Times, optional

    Returns
    -------
    Choice

    Raises
    ------
    ReconstructionError
        More patterns are wanted than there are, or shapes do not fit.
    """
    groups = np.zeros(len(patterns), int) if group is None else np.asarray(group)
    _check(patterns, prior, number, groups)
    cost = times or Times()
    left = _Candidates(
        np.asarray(patterns, dtype=float), prior, noise_variance(prior, relative_noise), number
    )
    order, rms, seconds, here, spent = [], [], [], None, 0.0
    for _ in range(number):
        chosen = _best(left.gains(), groups, here, cost)
        spent += cost.pattern_s + (cost.change_s if here not in (None, groups[chosen]) else 0.0)
        here = groups[chosen]
        left.take(chosen)
        order.append(chosen)
        rms.append(left.relative_rms())
        seconds.append(spent)
    return Choice(np.array(order, np.intp), np.array(rms), np.array(seconds))


def _best(gains: FloatArray, groups: NDArray[Any], here: Any, cost: Times) -> int:
    """Index of the best pattern in the group of the best visit; patterns already taken have the gain -1."""
    best, best_rate = -1, -math.inf
    for label in np.unique(groups[gains >= 0]):
        members = np.flatnonzero((groups == label) & (gains >= 0))
        visit = np.sort(gains[members])[-cost.visit :]
        change = cost.change_s if here not in (None, label) else 0.0
        rate = float(visit.sum()) / (visit.size * cost.pattern_s + change)
        if rate > best_rate:
            best, best_rate = int(members[np.argmax(gains[members])]), rate
    return best


class _Candidates:
    """Gains of all patterns, kept up to date: with v of each pattern taken, P a = C a - sum v (v a)."""

    def __init__(self, patterns: FloatArray, prior: Prior, variance: float, number: int) -> None:
        self._flat = patterns.reshape(len(patterns), -1)
        self._spread = np.empty_like(self._flat)
        for image, spread in zip(patterns, self._spread, strict=True):
            spread[:] = prior.times(image).ravel()
        self._trace = self._left = prior.trace
        self._known = np.empty((number, self._flat.shape[1]))
        self._along = np.empty((len(patterns), number))
        self._taken = 0
        self._free = np.ones(len(patterns), bool)
        self._variance = np.einsum("ij,ij->i", self._flat, self._spread) + variance
        self._power = np.einsum("ij,ij->i", self._spread, self._spread)

    def gains(self) -> FloatArray:
        """What each pattern would take from the trace, (N,); -1 for those taken."""
        return np.where(self._free, np.maximum(self._power, 0) / self._variance, -1.0)

    def take(self, index: int) -> None:
        """Count a pattern as measured."""
        known, along = self._known[: self._taken], self._along[:, : self._taken]
        news = (self._spread[index] - along[index] @ known) / math.sqrt(self._variance[index])
        share = self._flat @ news
        overlap = self._spread @ news - along @ (known @ news)
        power = float(news @ news)
        self._variance = self._variance - share**2
        self._power = self._power - 2 * share * overlap + share**2 * power
        self._known[self._taken], self._along[:, self._taken] = news, share
        self._taken += 1
        self._left -= power
        self._free[index] = False

    def relative_rms(self) -> float:
        """Error left, as a part of that before the first."""
        return math.sqrt(max(self._left, 0.0) / self._trace)


def _check(patterns: Any, prior: Prior, number: int, groups: NDArray[Any]) -> None:
    if len(patterns.shape) != 3 or patterns.shape[1:] != prior.outline.shape:
        ny, nx = prior.outline.shape
        raise ReconstructionError(f"choosing: wanted patterns (N, {ny}, {nx}), found {patterns.shape}")
    if not 0 < number <= len(patterns):
        raise ReconstructionError(f"choosing: wanted 1 to {len(patterns)} patterns, found {number}")
    if groups.shape != (len(patterns),):
        raise ReconstructionError(
            f"choosing: wanted a group for each of {len(patterns)} patterns, found {groups.shape}"
        )
