"""Shutters."""

from typing import ClassVar

from ophyd import Component as Cpt
from ophyd import EpicsSignalRO

from xsn_acq.devices.checked import CheckedSignal
from xsn_acq.devices.two_state import TwoState


class Shutter(TwoState):
    """A shutter; ``set("open")`` and ``set("closed")`` end when its status says so."""

    words: ClassVar = {"open": ("Open", "Open"), "closed": ("Close", "Closed")}
    command = Cpt(CheckedSignal, "Cmd", string=True, kind="omitted")
    status = Cpt(EpicsSignalRO, "Sts", string=True, kind="hinted", auto_monitor=True)

    @property
    def is_open(self) -> bool:
        """Whether it is open, asked now."""
        return self.state() == "open"
