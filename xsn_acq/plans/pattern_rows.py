"""What is recorded of each pattern of a sweep."""

from dataclasses import dataclass
from typing import Final, Literal, Protocol

NONE: Final = -1
"""In place of a frame or a spectrum that did not come, or was not taken."""


@dataclass(frozen=True, slots=True)
class PatternRow:
    """One exposure of one pattern: its frame in the stream ``patterns``, its spectrum in ``spectra``.

    ``kind``: sample in or out; ``reference`` is pattern 0 of its setting once more, sample in. ``frame`` and
    ``spectrum`` are counted in their streams, -1 where there is none. Positions are as read back, of the fine
    sheet in the middle of the exposure. ``beam_counts_s`` are the beam monitor's counts per second meanwhile.
    ``ended`` is Unix seconds, ``theta_deg`` the angle of the sample. ``missing``: the frame, or a spectrum
    that was asked for, did not come; ``flagged``: exposed while the beam may have been lost.
    """

    pattern: int
    kind: str
    block: int
    setting: int
    frame: int
    spectrum: int
    coarse_x_mm: float
    coarse_y_mm: float
    fine_x_mm: float
    fine_y_mm: float
    sample_x_um: float
    theta_deg: float
    beam_counts_s: float
    ring_current_ma: float
    ended: float
    status: Literal["ok", "missing", "flagged"]


class Verdict(Protocol):
    """What became of the patterns so far, by whoever assesses them; NaN where something is not known yet."""

    @property
    def patterns(self) -> int:
        """How many there are."""

    @property
    def expected_error(self) -> float:
        """Relative error of the maps."""

    @property
    def effective_rank(self) -> float:
        """Of the patterns."""

    @property
    def mean_dependence(self) -> float:
        """Mean |r| between two pixels."""

    @property
    def enough(self) -> bool:
        """The maps are as good as was asked for."""

    @property
    def stale(self) -> bool:
        """The present condenser setting adds nothing new."""


@dataclass(frozen=True)
class AssessmentRow:
    """A verdict, as it is recorded in the stream ``assessments``; numbers for what was decided."""

    patterns: int
    expected_error: float
    effective_rank: float
    mean_dependence: float
    enough: int
    stale: int

    @classmethod
    def of(cls, verdict: Verdict) -> "AssessmentRow":
        """The row of a verdict."""
        return cls(
            verdict.patterns,
            verdict.expected_error,
            verdict.effective_rank,
            verdict.mean_dependence,
            int(verdict.enough),
            int(verdict.stale),
        )
