"""Limit switches that are where nobody expects them."""

from collections.abc import Mapping

from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.faults import Faults, HardLimit
from xsn_acq.sim.ioc.timeline import AxisMotion


class LimitSwitches:
    """Puts the switch of each `HardLimit` in force on its axis; when the faults end, they are gone.

    Parameters
    ----------
    axes : mapping of str to AxisMotion
        By the names that faults use.
    clock : SimClock
    faults : Faults
    """

    def __init__(self, axes: Mapping[str, AxisMotion], clock: SimClock, faults: Faults) -> None:
        self._axes, self._clock, self._faults = axes, clock, faults
        self._stops = {name: (axis.low_stop, axis.high_stop) for name, axis in axes.items()}
        self._placed = 0
        faults.listen(self._check)

    def _check(self) -> None:
        limits = self._faults.find(HardLimit)
        if not limits:
            for name, axis in self._axes.items():
                axis.low_stop, axis.high_stop = self._stops[name]
        for limit in limits[self._placed :]:
            self._axes[limit.axis].bar(limit.at, self._clock.now())
        self._placed = len(limits)
