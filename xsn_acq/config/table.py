"""A calibrated value over the energy: interpolated in its table, continued a little way beyond."""

from collections.abc import Sequence

LEAST_REACH_EV = 50.0
"""So far beyond its ends a table is believed at least."""


def interpolated(energies_ev: Sequence[float], values: Sequence[float], energy_ev: float) -> float:
    """Value at an energy, linear between entries; beyond the ends along the last two, or the only one.

    >>> interpolated([8300.0, 8400.0], [0.0, 0.5], 8350.0), interpolated([8300.0, 8400.0], [0.0, 0.5], 8420.0)
    (0.25, 0.6)
    >>> interpolated([8300.0], [0.1], 8350.0)
    0.1
    """
    if len(energies_ev) == 1:
        return values[0]
    inside = [index for index in range(1, len(energies_ev) - 1) if energies_ev[index] < energy_ev]
    first = len(inside)
    low, high = energies_ev[first], energies_ev[first + 1]
    part = (energy_ev - low) / (high - low)
    return values[first] + part * (values[first + 1] - values[first])


def reach_ev(energies_ev: Sequence[float]) -> tuple[float, float]:
    """Energies for which a table is believed: half its own width beyond its ends, `LEAST_REACH_EV` at least.

    >>> reach_ev([8300.0, 8500.0]), reach_ev([8300.0])
    ((8200.0, 8600.0), (8250.0, 8350.0))
    """
    low, high = energies_ev[0], energies_ev[-1]
    more = max(LEAST_REACH_EV, 0.5 * (high - low))
    return low - more, high + more
