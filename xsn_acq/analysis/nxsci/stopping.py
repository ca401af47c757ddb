"""When a sweep has told enough: the maps' error is estimated from their changes, while patterns arrive.

Maps are reconstructed at numbers of patterns that grow by a third or so each time. Between two of them the
prior says that the error falls from a to b (relative posterior RMS), and the maps change by c. Of the best
estimate c^2 is what a^2 - b^2 stands for, so that c b / sqrt(a^2 - b^2) is the error left. The prior's own b
is another estimate; their geometric mean predicts best, with the largest of the last two changes.
"""

import math
from dataclasses import dataclass

import numpy as np

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

ERROR_PER_SIGN = 1.0
"""Error of the maps over that mean, at most, of sweeps in which both sheets move: see `docs/patterns.md`."""
_CHANGES = 2
"""So many changes must be known, and the largest of the last ones counts."""


@dataclass(frozen=True)
class Judgement:
    """What is known after a reconstruction.

    Attributes
    ----------
    patterns : int
    expected_error : float
        Relative error of the maps, at most; NaN before the third reconstruction.
    relative_rms : float
        As `RunningInformation.value` has it.
    change : float
        Of the maps since the reconstruction before, relative; NaN for the first.
    enough : bool
        The expected error is below what was asked for.
    """

    patterns: int
    expected_error: float
    relative_rms: float
    change: float
    enough: bool


class StoppingRule:
    """Says at which numbers of patterns to reconstruct, and when the maps are good enough.

    Parameters
    ----------
    quality : float
        Relative error of the maps that is wanted, root mean square over all elements and pixels.
    first : int
        Patterns of the first reconstruction.
    growth : float
        Each reconstruction has so many times the patterns of the one before.
    error_per_sign : float
        Calibration, see `ERROR_PER_SIGN`.

    Raises
    ------
    ReconstructionError
        A parameter is out of its range.
    """

    def __init__(
        self,
        quality: float,
        *,
        first: int = 32,
        growth: float = 1.35,
        error_per_sign: float = ERROR_PER_SIGN,
    ) -> None:
        wanted = {"quality": (quality, 0), "first": (first, 0), "growth": (growth, 1)}
        for name, (found, least) in wanted.items():
            if not found > least:
                raise ReconstructionError(f"stopping rule: {name}: wanted more than {least}, found {found:g}")
        self._quality, self._first, self._growth = quality, first, growth
        self._error_per_sign = error_per_sign
        self.clear()

    def clear(self) -> None:
        """Forget all reconstructions."""
        self._maps: FloatArray | None = None
        self._signs: list[float] = []
        self._next = self._first
        self._judgement: Judgement | None = None

    def due(self, patterns: int) -> bool:
        """Whether it is time to reconstruct again."""
        return patterns >= self._next

    def push(self, patterns: int, maps: FloatArray, relative_rms: float) -> Judgement:
        """Take the maps (E, ny, nx) of so many patterns, and the information left after them.

        Raises
        ------
        ReconstructionError
            The maps have another shape than those before, or come from no more patterns.
        """
        self._check(patterns, maps)
        change, before = math.nan, self._judgement
        if self._maps is not None and before is not None:
            change = _relative_change(self._maps, maps)
            told = math.sqrt(max(before.relative_rms**2 - relative_rms**2, 0.0))
            self._signs.append(change / told if told > 0 else math.inf)
        self._maps = np.array(maps, dtype=float)
        self._next = max(patterns + 1, math.ceil(patterns * self._growth))
        expected = math.nan
        if len(self._signs) >= _CHANGES:
            expected = self._error_per_sign * relative_rms * math.sqrt(max(self._signs[-_CHANGES:]))
        enough = expected < self._quality
        self._judgement = Judgement(patterns, expected, relative_rms, change, enough)
        return self._judgement

    def value(self) -> Judgement | None:
        """Return the last judgement; None before the first."""
        return self._judgement

    def _check(self, patterns: int, maps: FloatArray) -> None:
        if self._maps is not None and np.shape(maps) != self._maps.shape:
            raise ReconstructionError(
                f"stopping rule: wanted maps {self._maps.shape} as before, found {np.shape(maps)}"
            )
        if self._judgement is not None and patterns <= self._judgement.patterns:
            raise ReconstructionError(
                f"stopping rule: wanted more than {self._judgement.patterns} patterns, found {patterns}"
            )


def _relative_change(before: FloatArray, after: FloatArray) -> float:
    """Root mean square of the change over that of the maps; 1 where the maps are empty."""
    size = float(np.sqrt(np.sum(np.square(after, dtype=float))))
    return float(np.sqrt(np.sum(np.square(after - before, dtype=float)))) / size if size > 0 else 1.0
