"""The eleven numbers that an Xspress3 counts beside each spectrum."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Scaler(IntEnum):
    """Their order in ``C1SCA:n:Value_RBV``; the time scalers count clock ticks."""

    CLOCK_TICKS = 0
    RESET_TICKS = 1
    RESET_COUNTS = 2
    ALL_EVENTS = 3
    ALL_GOOD = 4
    WINDOW_1 = 5
    WINDOW_2 = 6
    PILE_UP = 7
    EVENT_WIDTH = 8
    DEAD_TIME_FACTOR = 9
    DEAD_TIME_PERCENT = 10


_NAMES = (*(f"SCA{number}" for number in range(8)), "EventWidth", "DTFactor", "DTPercent")
ATTRIBUTES = tuple(f"CHAN1{name}" for name in _NAMES)
"""Their names as attributes of a frame and so in the file, in the order of `Scaler`."""


def with_dead_time(scalers: NDArray[np.float64], event_width: float) -> NDArray[np.float64]:
    """Work out the last three of the scalers (11,) from those counted, as the driver does.

    An event costs ``event_width + 1`` ticks. Of no time at all, 0 % were dead.
    """
    made = scalers.copy()
    ticks = made[Scaler.CLOCK_TICKS]
    dead = made[Scaler.ALL_EVENTS] * (event_width + 1) + made[Scaler.RESET_TICKS]
    share = dead / ticks if ticks else 0.0
    made[Scaler.EVENT_WIDTH] = event_width
    made[Scaler.DEAD_TIME_PERCENT] = 100 * share
    made[Scaler.DEAD_TIME_FACTOR] = 1 / (1 - share) if share < 1 else np.inf
    return made


def at_higher_rate(
    counts: NDArray[np.uint32],
    scalers: NDArray[np.float64],
    times: float,
    event_width: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
    """What the detector gives when ``times`` as many photons arrive.

    While an event is dealt with, others are lost (non-paralysable): of a rate n, n / (1 + n t) are seen. The
    shape of the spectrum stays: its sums, which grow with the rate, are left out.

    Parameters
    ----------
    counts : (1, bins) array
    scalers : (11,) array
    times : float
        At least 1.
    event_width : float
        An event costs so many ticks and one.
    rng : Generator
        Of the counting noise that comes on top.
    """
    cost = (event_width + 1) / max(scalers[Scaler.CLOCK_TICKS], 1.0)
    seen = scalers[Scaler.ALL_EVENTS]
    arriving = seen / max(1 - seen * cost, 1e-6)
    more = times * (1 + arriving * cost) / (1 + times * arriving * cost)
    made = scalers.copy()
    made[Scaler.RESET_TICKS : Scaler.EVENT_WIDTH] *= more
    made[Scaler.PILE_UP] *= times
    return rng.poisson(more * counts).astype(np.uint32), with_dead_time(made, event_width)
