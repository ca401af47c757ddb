"""Fields angle by angle: each starts from the one before."""

from collections.abc import Sequence

from numpy.typing import ArrayLike

from xsn_acq.analysis.pwf.field import SpeckleField
from xsn_acq.analysis.pwf.retrieval import Retrieval


class FieldSeries:
    """Push projections in the order of their angles, or nearly; neighbours help each other.

    Parameters
    ----------
    retrieval : Retrieval
    """

    def __init__(self, retrieval: Retrieval) -> None:
        self._retrieval = retrieval
        self.clear()

    def clear(self) -> None:
        """Forget the last field: the next projection starts from Paganin's guess."""
        self._last: SpeckleField | None = None

    def push(
        self, projections: ArrayLike, *, shifts: Sequence[tuple[float, float]] | None = None
    ) -> SpeckleField:
        """Retrieve the field of one angle, see `Retrieval.retrieve`.

        A field that has not converged is no start for the next.
        """
        field = self._retrieval.retrieve(projections, self._last, shifts=shifts)
        self._last = field if field.converged else None
        return field

    def value(self) -> SpeckleField | None:
        """Return the field that the next projection starts from."""
        return self._last
