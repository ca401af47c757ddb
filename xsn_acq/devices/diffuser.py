"""The diffuser that fills the condenser's aperture."""

from typing import Any, ClassVar

from ophyd import Component as Cpt
from ophyd import EpicsSignalRO
from ophyd import FormattedComponent as FCpt

from xsn_acq.devices.checked import CheckedSignal
from xsn_acq.devices.motor import AxisComponent, Stage
from xsn_acq.devices.two_state import TwoState


class Rotation(TwoState):
    """Motor that spins the diffuser: ``set("running")``, ``set("stopped")``; ``speed`` in rpm."""

    words: ClassVar = {"running": ("Run", "Yes"), "stopped": ("Stop", "No")}
    command = Cpt(CheckedSignal, "Run", string=True, kind="omitted")
    status = Cpt(EpicsSignalRO, "Running", string=True, kind="normal", auto_monitor=True)
    speed = Cpt(CheckedSignal, "Speed", kind="config")


class RotatingDiffuser(Stage):
    """Diffuser in and out of the beam (x, mm), turning so that its speckle averages out."""

    x = AxisComponent()
    rotation = FCpt(Rotation, "{rotation_prefix}")

    def __init__(self, prefix: str = "", *, rotation: str, **kwargs: Any) -> None:
        self.rotation_prefix = rotation
        super().__init__(prefix, **kwargs)
