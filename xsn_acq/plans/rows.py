"""What the ledger is made of: its rows, its summary, the rhythm of the projections."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from xsn_acq.plans.matching import TOLERANCE

UNKNOWN: Final = -1
"""In place of a target, pulse or frame that is not known."""


@dataclass(frozen=True, slots=True)
class Row:
    """One frame, or one lost pulse (``frame_index`` -1).

    Angles are in degrees, times in seconds of the Unix epoch. ``theta_deg`` is the encoder at the trigger,
    raw; ``theta_mid_deg`` the angle in the middle of the exposure. ``target`` and ``pulse`` (counted in its
    train) are -1 where they are not known. ``pulse_time`` and ``frame_time`` are as each clock has them;
    ``residual_s`` is what is left of their difference after latency and the offset of the clocks.
    """

    target: int
    train: int
    pulse: int
    frame_index: int
    theta_deg: float
    theta_mid_deg: float
    pulse_time: float
    frame_time: float
    residual_s: float
    ring_current_ma: float
    status: Literal["ok", "lost", "flagged"]


@dataclass(frozen=True)
class Rhythm:
    """How the projections are spaced: ``step_deg`` carries the sign of the rotation.

    ``phase_free``: the camera runs freely, so that the first frame lies anywhere in the first step.
    """

    first_deg: float
    step_deg: float
    count: int
    exposure_s: float
    readout_s: float
    period_s: float
    phase_free: bool = False

    @property
    def latency_s(self) -> float:
        """From trigger to the frame's time stamp, seconds."""
        return self.exposure_s + self.readout_s

    @property
    def velocity_deg_s(self) -> float:
        """Speed of the stage, degrees per second, without its sign."""
        return abs(self.step_deg) / self.period_s

    @property
    def mid_exposure_deg(self) -> float:
        """How far the stage turns from trigger to mid-exposure, degrees."""
        return self.step_deg / self.period_s * self.exposure_s / 2


@dataclass(frozen=True)
class Summary:
    """What was sent, captured, counted and written, and whether every target has its frame.

    ``clock_offset_s``: how far the clock of the frames is ahead of that of the pulses; NaN where no train
    told.
    """

    pulses: int
    captured: int
    counted: int
    written: int
    lost: int
    retaken: int
    clock_offset_s: float
    complete: int
    message: str


def reconcile(*, pulses: int, captured: int, counted: int, written: int) -> list[str]:
    """Say in words where pulses sent, pulses captured, frames counted and frames written disagree.

    >>> reconcile(pulses=900, captured=900, counted=897, written=897)
    ['camera counted 897 of 900 triggers']
    """
    notes = []
    if captured != pulses:
        notes.append(f"position compare captured {captured} of {pulses} pulses")
    if counted != captured:
        notes.append(f"camera counted {counted} of {captured} triggers")
    if written != counted:
        notes.append(f"file holds {written} of {counted} frames counted")
    return notes


def clocks_disagree(offset_s: float, period_s: float) -> list[str]:
    """Say which clocks disagree, where they do by so much that it matters.

    >>> clocks_disagree(-0.05, 0.1)[0]
    "camera's clock is 0.050 s behind the position compare's: check NTP on both hosts"
    >>> clocks_disagree(0.02, 0.1)
    []
    """
    if not abs(offset_s) > TOLERANCE * period_s:
        return []
    side = "ahead of" if offset_s > 0 else "behind"
    return [f"camera's clock is {abs(offset_s):.3f} s {side} the position compare's: check NTP on both hosts"]


def neighbours(targets: Sequence[int]) -> list[tuple[int, ...]]:
    """Group rising numbers into runs of neighbours.

    >>> neighbours([3, 4, 9])
    [(3, 4), (9,)]
    """
    runs: list[list[int]] = []
    for target in targets:
        if runs and target == runs[-1][-1] + 1:
            runs[-1].append(target)
        else:
            runs.append([target])
    return [tuple(run) for run in runs]


def shown(targets: Sequence[int], most: int = 10) -> str:
    """Write a list of numbers so that it fits in a line.

    >>> shown(range(100), most=3)
    '0, 1, 2 and 97 more'
    """
    listed = ", ".join(str(target) for target in targets[:most])
    return listed if len(targets) <= most else f"{listed} and {len(targets) - most} more"
