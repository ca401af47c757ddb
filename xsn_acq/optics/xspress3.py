"""What the scalers of an Xspress3 mean, in the order of ``C1SCA:0`` to ``C1SCA:10``.

The driver computes the dead time of events that each cost ``event_width`` + 1 ticks, and that of resets
(``xspress3Epics.cpp`` of epics-modules/xspress3).
"""

SCALERS = (
    "clock_ticks",
    "reset_ticks",
    "reset_counts",
    "all_events",
    "all_good",
    "window_1",
    "window_2",
    "pile_up",
    "event_width",
    "dead_time_factor",
    "dead_time_percent",
)
CLOCK_HZ = 80e6
FEWEST_TICKS = 10
"""Of a shorter time the driver computes no dead time."""


def column(scaler: str) -> int:
    """Place of a scaler.

    >>> column("all_events")
    3
    """
    return SCALERS.index(scaler)
