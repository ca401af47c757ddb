"""Maps that refine as patterns arrive: live is offline, pattern by pattern."""

import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.analysis.nxsci.problem import Guide, Maps, Solver, Sweep
from xsn_acq.errors import ReconstructionError

_FIRST_ROOM = 64


class Refining:
    """Push patterns with their counts in any order; take maps, each begun from the last.

    Parameters
    ----------
    solver : Solver
    guide : Guide
        On the pixels of the patterns.
    """

    def __init__(self, solver: Solver, guide: Guide) -> None:
        self._solver = solver
        self._guide = guide
        self.clear()

    def clear(self) -> None:
        """Forget all patterns and maps."""
        self._patterns = np.empty((_FIRST_ROOM, *self._guide.transmission.shape), np.float32)
        self._counts: list[np.ndarray] = []
        self._sigma: list[np.ndarray] = []
        self._last: Maps | None = None
        self._fresh = False

    @property
    def count(self) -> int:
        """Number of patterns so far."""
        return len(self._counts)

    def push(self, pattern: ArrayLike, counts: ArrayLike, sigma: ArrayLike) -> None:
        """Take a pattern.

        Parameters
        ----------
        pattern : (ny, nx)
            Its mean is divided out.
        counts, sigma : (E,)

        Raises
        ------
        ReconstructionError
            Another shape or number of elements than before, or a pattern that is dark.
        """
        image, areas = np.asarray(pattern, dtype=float), np.atleast_1d(np.asarray(counts, dtype=float))
        errors = np.broadcast_to(np.asarray(sigma, dtype=float), areas.shape)
        wanted = (self._guide.transmission.shape, self._counts[0].shape if self._counts else areas.shape)
        if (image.shape, areas.shape) != wanted:
            raise ReconstructionError(
                f"refining: wanted pattern and counts of shapes {wanted[0]} and {wanted[1]}, "
                f"found {image.shape} and {areas.shape}"
            )
        if not image.mean() > 0:
            raise ReconstructionError(
                f"refining: wanted a pattern with light, found a mean of {image.mean():g}; exclude it"
            )
        if self.count == len(self._patterns):
            self._patterns = np.concatenate([self._patterns, np.empty_like(self._patterns)])
        self._patterns[self.count] = image / image.mean()
        self._counts.append(areas)
        self._sigma.append(errors)
        self._fresh = True

    def sweep(self) -> Sweep:
        """All patterns so far.

        Raises
        ------
        ReconstructionError
            No pattern yet, or values that are not finite.
        """
        if not self._counts:
            raise ReconstructionError("refining: wanted one pattern or more, found none yet")
        return Sweep(self._patterns[: self.count], np.array(self._counts).T, np.array(self._sigma).T)

    def value(self) -> Maps:
        """Maps of all patterns so far, begun from those given last.

        Raises
        ------
        ReconstructionError
            See `sweep`.
        """
        if self._last is None or self._fresh:
            self._last = self._solver.solve(self.sweep(), self._guide, start=self._last)
            self._fresh = False
        return self._last
