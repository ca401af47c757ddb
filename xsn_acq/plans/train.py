"""What is known of one train of pulses so far: angles, times, the offset of the clocks. Pure."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from xsn_acq.plans.matching import TOLERANCE, Matches, PulseTargets, match_frames, only_offset
from xsn_acq.plans.rows import Rhythm

CLOSE = TOLERANCE / 2
"""Residual of the first frame, in frame periods, up to which a train is decided while it is flown."""


class Train:
    """One passage of the stage.

    Parameters
    ----------
    number : int
        Counted from 0.
    targets : sequence of int
        Neighbours, rising.
    first_frame : int
        Index of its first frame in the file.
    rhythm : Rhythm
        How the projections are spaced.
    origin_deg : float
        Angle of target 0.
    offset_s : float
        How far the clock of the frames is ahead of that of the pulses, as far as it is known.
    """

    def __init__(
        self,
        number: int,
        targets: Sequence[int],
        first_frame: int,
        *,
        rhythm: Rhythm,
        origin_deg: float,
        offset_s: float,
    ) -> None:
        self.number, self.targets, self.first_frame = number, tuple(targets), first_frame
        self.offset_s = offset_s
        self.indexer = PulseTargets(
            origin_deg, rhythm.step_deg, rhythm.period_s, self.targets, rhythm.phase_free
        )
        self.theta = self.pulse_times = self.frame_times = np.empty(0)
        self.pulse_targets: list[tuple[int, bool]] = []
        self.decided = 0
        self.sound = 0
        self.broken_off = False
        self.claimed: set[int] = set()
        self._rhythm = rhythm
        self._streams = rhythm.phase_free

    def take(self, theta: npt.ArrayLike, pulses: npt.ArrayLike, frames: npt.ArrayLike) -> None:
        """Take all angles, pulse times and frame times of the train so far."""
        self.theta = np.asarray(theta, dtype=np.float64)
        self.pulse_times = np.asarray(pulses, dtype=np.float64)
        self.frame_times = np.asarray(frames, dtype=np.float64)
        for index in range(len(self.pulse_targets), len(self.theta)):
            self.pulse_targets.append(
                self.indexer.push(float(self.theta[index]), float(self.pulse_times[index]))
            )
        if not self._streams and len(self.theta) and len(self.frame_times):
            late = self._wanted[0] - self.pulse_times[0]
            self._streams = bool(abs(late) <= CLOSE * self._rhythm.period_s)

    @property
    def horizon(self) -> int:
        """How many frames can be decided: those with a successor, and with a pulse known after their own.

        No frame can while the first one does not lie close to the first pulse: frames were lost, or the
        clocks disagree, and only the whole train tells.
        """
        if not self._streams or not len(self.pulse_times) or not len(self.frame_times):
            return 0
        last_pulse = self.pulse_times[-1] - self._rhythm.period_s / 2
        open_frames = np.flatnonzero(self._wanted > last_pulse)
        known = int(open_frames[0]) if len(open_frames) else len(self.frame_times)
        return min(known, len(self.frame_times) - 1)

    @property
    def all_came(self) -> bool:
        """Whether all pulses are captured, and no frame is still to come."""
        if len(self.theta) < len(self.targets) or not len(self.frame_times):
            return False
        if not self._streams:
            return len(self.frame_times) >= len(self.targets)
        return bool(self._wanted[-1] >= self.pulse_times[-1] - TOLERANCE * self._rhythm.period_s)

    def learn_offset(self) -> float | None:
        """Take the offset of the clocks from the whole train; None where that does not leave one answer.

        A train that was decided while it was flown keeps the offset it was decided with.
        """
        rhythm = self._rhythm
        if rhythm.phase_free:
            return None  # frames of the run-up fit the pulses as well as any
        offset_s = only_offset(
            self.pulse_times, self.frame_times, latency_s=rhythm.latency_s, period_s=rhythm.period_s
        )
        if offset_s is not None and not self._streams:
            self.offset_s = offset_s
        return offset_s

    def match(self, horizon: int) -> Matches:
        """Match the frames not yet decided, and that at the horizon, which may claim the same pulse."""
        return match_frames(
            self.pulse_times,
            self.frame_times[self.decided : horizon + 1],
            latency_s=self._rhythm.latency_s,
            period_s=self._rhythm.period_s,
            offset_s=self.offset_s,
        )

    def blame(self, most: float) -> str:
        """Why more than ``most`` of its targets have no good frame."""
        enough = len(self.targets) - most
        if len(self.theta) < enough:
            return "pulses were not captured, check encoder and gate of the position compare"
        if len(self.frame_times) < enough:
            return "frames did not come, check the camera and its trigger cable"
        if len(self.claimed) < enough:
            return "time stamps do not tell which frame belongs to which pulse, check NTP on both hosts"
        return "captured angles do not follow the targets, check the encoder"

    @property
    def _wanted(self) -> npt.NDArray[np.float64]:
        """Times of the pulses that the frames ask for."""
        return self.frame_times - self._rhythm.latency_s - self.offset_s
