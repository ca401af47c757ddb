"""How a motor gets from here to there: constant acceleration, constant velocity, constant deceleration."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Self


@dataclass(frozen=True)
class _Leg:
    """A stretch of constant acceleration; times since the start of the trajectory."""

    begin_s: float
    duration_s: float
    position: float
    velocity: float
    acceleration: float

    def position_at(self, time_s: float) -> float:
        dt = time_s - self.begin_s
        return self.position + self.velocity * dt + 0.5 * self.acceleration * dt * dt

    def velocity_at(self, time_s: float) -> float:
        return self.velocity + self.acceleration * (time_s - self.begin_s)

    @property
    def end_s(self) -> float:
        return self.begin_s + self.duration_s

    def crossing_s(self, position: float) -> float | None:
        """First time within the leg at which the motor is at ``position``."""
        distance = position - self.position
        if distance == 0:
            return self.begin_s
        root = self.velocity**2 + 2 * self.acceleration * distance
        if root < 0:
            return None
        speed = math.sqrt(root)
        # distance = v t + a t^2 / 2, written without the cancellation of the schoolbook formula
        sums = [self.velocity + speed, self.velocity - speed]
        times = [2 * distance / total for total in sums if total != 0]
        slack = 1e-9 * max(self.duration_s, 1e-3)
        inside = [t for t in times if 0 <= t <= self.duration_s + slack]
        return self.begin_s + min(inside) if inside else None


@dataclass(frozen=True)
class Trajectory:
    """One move of one motor, known for all times.

    Short moves never reach the velocity (triangular profile). A motor that is already under way
    (``initial_velocity``) brakes first when it runs the wrong way or too fast to stop in time.

    Parameters
    ----------
    start, target : float
        Positions, in the motor's unit.
    velocity : float
        Cruising speed, above 0, unit/s.
    acceleration_s : float
        Time to reach the velocity from rest (the motor record's ACCL), above 0.
    t0 : float
        When the move begins, simulated seconds.
    initial_velocity : float
        Signed velocity at ``t0``.

    Raises
    ------
    ValueError
        Velocity or acceleration time is not positive.

    Examples
    --------
    >>> move = Trajectory(start=0.0, target=10.0, velocity=2.0, acceleration_s=1.0, t0=100.0)
    >>> move.position(101.0), move.end_time, move.crossing_time(5.0)
    (1.0, 106.0, 103.0)
    """

    start: float
    target: float
    velocity: float
    acceleration_s: float
    t0: float
    initial_velocity: float = 0.0

    def __post_init__(self) -> None:
        if not self.velocity > 0 or not self.acceleration_s > 0:
            raise ValueError(
                f"velocity {self.velocity} and acceleration time {self.acceleration_s} s must both be above 0"
            )

    @classmethod
    def at_rest(cls, position: float, t0: float = 0.0) -> Self:
        """Return a motor that stands still."""
        return cls(position, position, 1.0, 1.0, t0)

    @property
    def acceleration(self) -> float:
        """Unit/s^2."""
        return self.velocity / self.acceleration_s

    @cached_property
    def _legs(self) -> tuple[_Leg, ...]:
        return _plan(self.start, self.target, self.velocity, self.acceleration, self.initial_velocity)

    @property
    def end_time(self) -> float:
        """When the motor has stopped at its target."""
        return self.t0 + (self._legs[-1].end_s if self._legs else 0.0)

    def moving(self, time_s: float) -> bool:
        """Whether the motor moves at ``time_s``."""
        return self.t0 <= time_s < self.end_time

    def position(self, time_s: float) -> float:
        """Position at any time: ``start`` before, ``target`` after the move."""
        leg = self._leg_at(time_s)
        if leg is None:
            return self.start if time_s < self.t0 else self.target
        return leg.position_at(time_s - self.t0)

    def velocity_at(self, time_s: float) -> float:
        """Signed velocity at any time."""
        leg = self._leg_at(time_s)
        return 0.0 if leg is None else leg.velocity_at(time_s - self.t0)

    def direction(self, time_s: float) -> int:
        """Direction of its last motion before ``time_s``: 1 up, -1 down, 0 when it has not moved by then."""
        begun = [leg for leg in self._legs if leg.begin_s < time_s - self.t0]
        if not begun:
            return 0
        mean = begun[-1].velocity + 0.5 * begun[-1].acceleration * begun[-1].duration_s
        return 1 if mean > 0 else -1

    def crossing_time(self, position: float) -> float | None:
        """First time at which the motor is at ``position``, exactly; None when it never is."""
        if position == self.start:
            return self.t0
        for leg in self._legs:
            found = leg.crossing_s(position)
            if found is not None:
                return self.t0 + found
        return self.end_time if position == self.target else None

    def stopped(self, time_s: float) -> Self:
        """Return the trajectory that brakes from ``time_s`` on."""
        velocity = self.velocity_at(time_s)
        begin = self.position(time_s)
        end = begin + math.copysign(velocity**2 / (2 * self.acceleration), velocity)
        return type(self)(begin, end, self.velocity, self.acceleration_s, time_s, velocity)

    def _leg_at(self, time_s: float) -> _Leg | None:
        since = time_s - self.t0
        if since < 0:
            return None
        return next((leg for leg in self._legs if since < leg.end_s), None)


def _plan(start: float, target: float, cruise: float, rate: float, initial: float) -> tuple[_Leg, ...]:
    """Legs of the move: brake when needed, then speed up, cruise, slow down."""
    legs: list[_Leg] = []
    now, position, velocity = 0.0, start, initial

    def run(duration: float, signed: float) -> None:
        nonlocal now, position, velocity
        if duration > 0:
            legs.append(_Leg(now, duration, position, velocity, signed))
            position = legs[-1].position_at(now + duration)
            velocity += signed * duration
            now += duration

    braking = velocity * abs(velocity) / (2 * rate)
    ahead = (target - position) * (1 if velocity > 0 else -1)
    if velocity != 0 and ahead < abs(braking) * (1 - 1e-12):
        run(abs(velocity) / rate, -math.copysign(rate, velocity))
        velocity = 0.0
    sign = math.copysign(1.0, target - position) if target != position else 1.0
    distance, speed = abs(target - position), abs(velocity)
    peak = max(min(cruise, math.sqrt(rate * distance + speed**2 / 2)), 0.0)
    run(abs(peak - speed) / rate, sign * math.copysign(rate, peak - speed))
    velocity = sign * peak
    left = abs(target - position) - peak**2 / (2 * rate)
    if peak > 0 and left > 1e-12 * max(distance, 1e-12):
        run(left / peak, 0.0)
    run(peak / rate, -sign * rate)
    return tuple(legs)
