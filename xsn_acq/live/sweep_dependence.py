"""How much the patterns tell pixels apart, as they come: the curve of a sweep."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xsn_acq.analysis.nxsci.dependence import RunningDependence
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

_FIRST_LOOK, _LOOKS = 4, 12
"""Patterns of the first look at a whole curve, and how many looks there are."""


@dataclass(frozen=True)
class CurvePoint:
    """Mean dependence after so many patterns: signed (the paper's) and of |r|."""

    patterns: int
    signed: float
    absolute: float


class DependenceCurve:
    """The mean dependence, looked at whenever patterns have come."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._running = RunningDependence(shape)
        self._taken: set[int] = set()
        self.points: list[CurvePoint] = []

    def push(self, numbers: Sequence[int], patterns: FloatArray) -> None:
        """Take all patterns there are, (n, ny, nx), with their numbers; those already taken are left out."""
        new = [place for place, number in enumerate(numbers) if number not in self._taken]
        for place in new:
            self._running.push(patterns[place])
        self._taken.update(numbers)
        if not new:
            return
        try:
            found = self._running.value()
        except ReconstructionError:  # too few yet, or no change
            return
        self.points.append(CurvePoint(len(self._taken), found.signed, found.absolute))


def whole_curve(numbers: Sequence[int], patterns: FloatArray) -> DependenceCurve:
    """The curve as it grew, of patterns that are all there: looked at a dozen times at most."""
    curve = DependenceCurve(patterns.shape[1:])
    ends = np.unique(np.geomspace(_FIRST_LOOK, len(numbers), _LOOKS).round().astype(int))
    for end in ends[ends <= len(numbers)]:
        curve.push(numbers[:end], patterns[:end])
    return curve
