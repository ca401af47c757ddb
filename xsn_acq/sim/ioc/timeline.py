"""What happened when: positions and states over simulated time; a past exposure sees what was true then."""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from xsn_acq.sim.motion import Trajectory

T = TypeVar("T")

KEPT = 512
"""How many past moves or changes are remembered."""


class Steps(Generic[T]):
    """A value that changes in steps.

    Examples
    --------
    >>> shutter = Steps("Closed")
    >>> shutter.set("Open", 10.0)
    >>> shutter.at(9.0), shutter.at(10.0), shutter.during(9.0, 11.0)
    ('Closed', 'Open', ['Closed', 'Open'])
    """

    def __init__(self, value: T) -> None:
        self._times = [float("-inf")]
        self._values = [value]

    @property
    def last(self) -> T:
        """Value after the latest change."""
        return self._values[-1]

    def set(self, value: T, time_s: float) -> None:
        """Change at ``time_s``, which may lie ahead; later changes are forgotten."""
        keep = bisect_right(self._times, time_s)
        self._times[keep:] = [time_s]
        self._values[keep:] = [value]
        if len(self._times) > KEPT:
            del self._times[:-KEPT], self._values[:-KEPT]

    def at(self, time_s: float) -> T:
        """Value at ``time_s``."""
        return self._values[max(bisect_right(self._times, time_s) - 1, 0)]

    def during(self, begin_s: float, end_s: float) -> list[T]:
        """All values it had from ``begin_s`` to ``end_s``."""
        first = max(bisect_right(self._times, begin_s) - 1, 0)
        return self._values[first : max(bisect_right(self._times, end_s), first + 1)]


class AxisMotion:
    """Where one axis is at any time: the moves it made, oldest first.

    Parameters
    ----------
    position : float
        Where it stands at first, in the unit of the axis.
    low_stop, high_stop : float
        Hard limits: no move goes beyond.
    """

    def __init__(self, position: float, low_stop: float, high_stop: float) -> None:
        self.low_stop, self.high_stop = low_stop, high_stop
        self._moves: deque[Trajectory] = deque([Trajectory.at_rest(position, float("-inf"))], maxlen=KEPT)
        self._forgotten = 0

    def _append(self, move: Trajectory) -> None:
        self._forgotten += len(self._moves) == KEPT
        self._moves.append(move)

    def sent(self, time_s: float) -> int:
        """How often it was sent somewhere, or stopped, up to ``time_s``."""
        return self._forgotten + sum(move.t0 <= time_s for move in self._moves) - 1

    @property
    def current(self) -> Trajectory:
        """The latest move."""
        return self._moves[-1]

    @property
    def end_time(self) -> float:
        """When the latest move ends, simulated seconds."""
        return self.current.end_time

    def go(self, target: float, *, velocity: float, acceleration_s: float, time_s: float) -> None:
        """Start towards ``target``, from rest or from the middle of another move."""
        target = min(max(target, self.low_stop), self.high_stop)
        self._append(
            Trajectory(self.position(time_s), target, velocity, acceleration_s, time_s, self.velocity(time_s))
        )

    def bar(self, at: float, time_s: float) -> None:
        """Put a switch at ``at``: from now on no move goes beyond it, a move under way neither.

        The axis stays on the side where it is at ``time_s``; right on the switch, on the side it came from.
        """
        position, move = self.position(time_s), self.current
        if at > position or (at == position and self.heading(time_s) > 0):
            self.high_stop = min(self.high_stop, at)
        else:
            self.low_stop = max(self.low_stop, at)
        if self.moving(time_s) and not self.low_stop <= move.target <= self.high_stop:
            self.go(move.target, velocity=move.velocity, acceleration_s=move.acceleration_s, time_s=time_s)

    @property
    def at_stop(self) -> bool:
        """Whether the latest move ends at a hard limit."""
        return not self.low_stop < self.current.target < self.high_stop

    def stop(self, time_s: float) -> None:
        """Brake."""
        self._append(self.current.stopped(time_s))

    def moving(self, time_s: float) -> bool:
        """Whether it moves at ``time_s``."""
        return self._move_at(time_s).moving(time_s)

    def position(self, time_s: float) -> float:
        """Position at ``time_s``."""
        return self._move_at(time_s).position(time_s)

    def velocity(self, time_s: float) -> float:
        """Signed velocity at ``time_s``."""
        return self._move_at(time_s).velocity_at(time_s)

    def heading(self, time_s: float) -> int:
        """Direction of the last motion up to ``time_s``: 1 up, -1 down; 1 when it never moved."""
        directions = (move.direction(time_s) for move in reversed(self._moves) if move.t0 <= time_s)
        return next((direction for direction in directions if direction), 1)

    def crossing(self, position: float, direction: int, after_s: float, until_s: float) -> float | None:
        """First time in (after_s, until_s] at which the axis passes ``position``, in direction 1 or -1."""
        for move, end in self._with_ends():
            if end <= after_s or move.t0 > until_s or (move.target - move.start) * direction <= 0:
                continue
            found = move.crossing_time(position)
            if found is not None and after_s < found <= min(end, until_s):
                return found
        return None

    def _with_ends(self) -> Iterator[tuple[Trajectory, float]]:
        """Each move with the time at which the next one replaced it."""
        moves = list(self._moves)
        starts = [move.t0 for move in moves[1:]]
        yield from zip(moves, [*starts, float("inf")], strict=True)

    def _move_at(self, time_s: float) -> Trajectory:
        for move in reversed(self._moves):
            if move.t0 <= time_s:
                return move
        return self._moves[0]
