"""How much the patterns tell pixels apart, as they come: the curve of a sweep."""

from dataclasses import dataclass

from xsn_acq.analysis.nxsci.dependence import RunningDependence
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray


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
        self._taken = 0
        self.points: list[CurvePoint] = []

    def push(self, patterns: FloatArray) -> None:
        """Take all good patterns there are, (n, ny, nx); those that were there already first."""
        for pattern in patterns[self._taken :]:
            self._running.push(pattern)
        if len(patterns) == self._taken:
            return
        self._taken = len(patterns)
        try:
            found = self._running.value()
        except ReconstructionError:  # too few yet, or no change
            return
        self.points.append(CurvePoint(self._taken, found.signed, found.absolute))
