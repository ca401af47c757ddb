"""Ion chamber with a counter: counts for a preset time."""

from ophyd import Component as Cpt
from ophyd import Device, EpicsSignalRO
from ophyd.status import StatusBase

from xsn_acq.devices.checked import CheckedSignal
from xsn_acq.devices.operation import in_background

_MARGIN_S = 10.0


class BeamMonitor(Device):
    """Light before the experiment shutter: ``trigger`` counts for ``preset_s``, ``counts`` tells how much.

    ``count(count_s)`` sets the period first.
    """

    preset_s = Cpt(CheckedSignal, "Preset", kind="config")
    count_now = Cpt(CheckedSignal, "Count", string=True, kind="omitted")
    counts = Cpt(EpicsSignalRO, "Counts", kind="hinted")

    def trigger(self) -> StatusBase:
        """Count; the status ends when the counter says done."""
        return in_background(self, "count", self._count)

    def count(self, count_s: float) -> StatusBase:
        """Count for so many seconds; the status ends when the counter says done."""
        return in_background(self, "count", lambda: self._count_for(count_s))

    def _count_for(self, count_s: float) -> None:
        self.preset_s.apply(count_s)
        self._count()

    def _count(self) -> None:
        preset = float(self.preset_s.get(use_monitor=False))
        self.count_now.send("Count", timeout_s=preset + _MARGIN_S)

    def rate(self) -> float:
        """Return the counts per second of the last period."""
        return float(self.counts.get(use_monitor=False)) / float(self.preset_s.get(use_monitor=False))
