"""The eleven numbers that an Xspress3 counts beside each spectrum."""

from enum import IntEnum


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
