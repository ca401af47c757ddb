"""The simulator's time."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

LEAST_SPEED = 0.5
"""Motors are given twice the time of a move, by a real clock: on a slower simulated one moves fail."""


@dataclass(frozen=True)
class SimClock:
    """Simulated epoch seconds: start at the real time, then run ``speed`` times as fast.

    Parameters
    ----------
    speed : float
        Simulated seconds in a real second, `LEAST_SPEED` or more.
    monotonic : callable
        Source of real seconds that never goes back.
    epoch_s : float
        Simulated time when the clock is made, seconds since 1970.

    Raises
    ------
    ValueError
        The speed is less, or no number.

    Examples
    --------
    >>> real = iter([100.0, 102.0])
    >>> SimClock(10.0, monotonic=lambda: next(real), epoch_s=0.0).now()
    20.0
    """

    speed: float = 1.0
    monotonic: Callable[[], float] = time.monotonic
    epoch_s: float = field(default_factory=time.time)
    _begin: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not LEAST_SPEED <= self.speed < math.inf:
            raise ValueError(
                f"speed: wanted {LEAST_SPEED:g} times real time or more, found {self.speed:g}: moves are "
                "waited for in real time"
            )
        object.__setattr__(self, "_begin", self.monotonic())

    def now(self) -> float:
        """Return the simulated time, seconds since 1970."""
        return self.epoch_s + self.elapsed()

    def elapsed(self) -> float:
        """Return the simulated seconds since the clock was made."""
        return self.speed * (self.monotonic() - self._begin)

    def wall_delay(self, sim_seconds: float) -> float:
        """Return the real seconds that ``sim_seconds`` take; 0 when negative."""
        return max(sim_seconds, 0.0) / self.speed
