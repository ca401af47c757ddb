"""The storage ring."""

from ophyd import Component as Cpt
from ophyd import Device, EpicsSignalRO


class Ring(Device):
    """Storage ring: current in mA and seconds to the next top-up."""

    current = Cpt(EpicsSignalRO, "Current", kind="hinted", auto_monitor=True)
    top_up_countdown = Cpt(EpicsSignalRO, "TopUpCountdown", kind="normal", auto_monitor=True)
