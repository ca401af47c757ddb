"""Which pulse does a frame belong to, and which target was a pulse for: arithmetic on times and angles."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

TOLERANCE = 0.25
"""Largest residual, in frame periods (times) or steps (angles), that tells neighbours apart beyond doubt."""
FEWEST = 3
"""So many frames at least tell the offset of two clocks: one interval alone may be a coincidence."""


@dataclass(frozen=True)
class Matches:
    """For each frame: the nearest pulse (-1 where none is near), the residual, whether it is beyond doubt."""

    pulse: IntArray
    residual_s: FloatArray
    sure: npt.NDArray[np.bool_]

    @property
    def columns(self) -> tuple[npt.NDArray, ...]:
        """``pulse``, ``residual_s`` and ``sure``."""
        return (self.pulse, self.residual_s, self.sure)


def match_frames(
    pulse_times: npt.ArrayLike,
    frame_times: npt.ArrayLike,
    *,
    latency_s: float,
    period_s: float,
    offset_s: float = 0.0,
) -> Matches:
    """Match frames to pulses by time: a frame stamped t belongs to the pulse nearest to t - latency - offset.

    Parameters
    ----------
    pulse_times : array_like, shape (pulses,)
        Time of each trigger, seconds, rising.
    frame_times : array_like, shape (frames,)
        Time stamp of each frame, seconds, in the order of the file.
    latency_s : float
        From trigger to time stamp: exposure + readout, seconds.
    period_s : float
        From trigger to trigger, seconds.
    offset_s : float
        How far the clock of the frames is ahead of that of the pulses, seconds.

    Returns
    -------
    Matches
        ``pulse`` is -1 where the residual exceeds a quarter of the period, ``sure`` is False there and
        where two frames in a row claim one pulse. Nothing is guessed.

    Examples
    --------
    >>> found = match_frames([0.0, 1.0, 2.0], [0.9, 2.9], latency_s=0.9, period_s=1.0)
    >>> found.pulse.tolist(), found.sure.tolist()
    ([0, 2], [True, True])
    """
    pulses = np.asarray(pulse_times, dtype=np.float64)
    wanted = np.asarray(frame_times, dtype=np.float64) - latency_s - offset_s
    if not len(pulses):
        nothing = np.full(len(wanted), -1, dtype=np.int64)
        return Matches(nothing, np.full(len(wanted), np.nan), nothing >= 0)
    above = np.clip(np.searchsorted(pulses, wanted), 1, max(len(pulses) - 1, 1))
    below = above - 1
    above = np.minimum(above, len(pulses) - 1)
    nearest = np.where(np.abs(wanted - pulses[below]) <= np.abs(wanted - pulses[above]), below, above)
    residual = wanted - pulses[nearest]
    near = np.abs(residual) <= TOLERANCE * period_s
    pulse = np.where(near, nearest, -1)
    twin = np.zeros(len(pulse), dtype=bool)
    same = (pulse[1:] == pulse[:-1]) & near[1:]
    twin[1:] |= same
    twin[:-1] |= same
    return Matches(pulse, residual, near & ~twin)


def only_offset(
    pulse_times: npt.ArrayLike, frame_times: npt.ArrayLike, *, latency_s: float, period_s: float
) -> float | None:
    """How far the clock of the frames is ahead of that of the pulses, where a whole train leaves one answer.

    As many frames as pulses, at the same intervals, belong together one to one, whatever the offset. Where
    frames were lost, their gaps may fit the pulses in one way only: when the first and the last are there.

    Parameters
    ----------
    pulse_times, frame_times, latency_s, period_s
        Of a train that has ended; see `match_frames`.

    Returns
    -------
    float or None
        The one offset at which each frame has a pulse of its own within a quarter of the period, seconds;
        None where there is no such offset, where there are several, and with fewer than three frames.

    Examples
    --------
    >>> only_offset([0.0, 1.0, 2.0, 3.0], [5.5, 6.5, 8.5], latency_s=0.0, period_s=1.0)
    5.5
    >>> only_offset([0.0, 1.0, 2.0, 3.0], [5.5, 6.5, 7.5], latency_s=0.0, period_s=1.0) is None
    True
    """
    pulses = np.asarray(pulse_times, dtype=np.float64)
    wanted = np.asarray(frame_times, dtype=np.float64) - latency_s
    if len(wanted) < FEWEST:
        return None
    reach = wanted[-1] - wanted[0] - 2 * TOLERANCE * period_s
    found: list[float] = []
    for first in range(len(pulses) - len(wanted) + 1):
        if pulses[first] + reach > pulses[-1] or len(found) > 1:
            break
        offset_s = float(wanted[0] - pulses[first])
        rough = match_frames(pulses, wanted, latency_s=0.0, period_s=period_s, offset_s=offset_s)
        offset_s += float(np.median(rough.residual_s))
        fit = match_frames(pulses, wanted, latency_s=0.0, period_s=period_s, offset_s=offset_s)
        if fit.sure.all() and fit.pulse[0] == first:
            found.append(offset_s)
    return found[0] if len(found) == 1 else None


@dataclass
class PulseTargets:
    """Which target each pulse of one train was for.

    A pulse follows the last good one by a whole number of periods in time and by as many steps in angle; one
    whose angle says otherwise (an encoder glitch) is not trusted. The first pulse is for the first target.

    Parameters
    ----------
    first_deg, step_deg : float
        Angle of target 0 and signed step, degrees.
    period_s : float
        From pulse to pulse, seconds.
    targets : sequence of int
        Targets of this train, neighbours, rising.
    phase_free : bool
        The camera runs freely: the train's angles lie anywhere between two targets' angles.
    """

    first_deg: float
    step_deg: float
    period_s: float
    targets: Sequence[int]
    phase_free: bool = False

    def __post_init__(self) -> None:
        self._offset_deg = 0.0
        self._pushed = 0
        self._last: tuple[int, float] | None = None

    @property
    def phase_deg(self) -> float | None:
        """Where in its step the first trusted pulse lay, degrees; None without one, or with a fixed phase."""
        return self._offset_deg if self.phase_free and self._last is not None else None

    def push(self, theta_deg: float, time_s: float) -> tuple[int, bool]:
        """Take one pulse: its target (-1 where unknown), and whether angle and time agree."""
        self._pushed += 1
        if not (math.isfinite(theta_deg) and math.isfinite(time_s)):
            return -1, False
        target = self._first(theta_deg) if self._last is None else self._next(self._last, time_s)
        known = target in range(self.targets[0], self.targets[-1] + 1)
        again = self._last is not None and target == self._last[0]
        sure = known and not again and abs(self._residual_steps(theta_deg, target)) <= TOLERANCE
        if sure:
            self._last = (target, time_s)
        return (target if known else -1), sure

    def _first(self, theta_deg: float) -> int:
        target = self.targets[0] + self._pushed - 1
        self._offset_deg = 0.0
        steps = self._residual_steps(theta_deg, target)
        if self.phase_free and -TOLERANCE <= steps <= 1 + TOLERANCE:
            self._offset_deg = steps * self.step_deg
        return target

    def _next(self, last: tuple[int, float], time_s: float) -> int:
        return last[0] + round((time_s - last[1]) / self.period_s)

    def _residual_steps(self, theta_deg: float, target: int) -> float:
        return (theta_deg - self.first_deg - self._offset_deg) / self.step_deg - target
