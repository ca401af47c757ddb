"""Double-crystal monochromator with pitch feedback."""

import math
from collections.abc import Callable
from typing import Any, ClassVar

from ophyd import Component as Cpt
from ophyd import DerivedSignal, EpicsSignalRO
from ophyd import FormattedComponent as FCpt

from xsn_acq.devices.checked import CheckedSignal
from xsn_acq.devices.motor import AxisComponent, Stage
from xsn_acq.devices.operation import wait_until
from xsn_acq.devices.two_state import TwoState
from xsn_acq.errors import DeviceError
from xsn_acq.optics import monochromator


class PitchFeedback(TwoState):
    """Keeps the crystals parallel: ``set("on")``, ``set("off")``; ``locked`` tells if it holds the beam."""

    words: ClassVar = {"on": ("On", "On"), "off": ("Off", "Off")}
    command = Cpt(CheckedSignal, "Enable", string=True, kind="normal", auto_monitor=True)
    locked = Cpt(EpicsSignalRO, "Locked", string=True, kind="normal", auto_monitor=True)

    @property
    def status(self) -> CheckedSignal:
        """The command record: it has no other readback."""
        return self.command

    def _change(self, value: str, timeout_s: float, overtaken: Callable[[], bool]) -> None:
        """Switch; "on" has also to hold the beam, within ``lock_s`` of the monochromator."""
        super()._change(value, timeout_s, overtaken)
        if value != "on":
            return
        held = wait_until(
            lambda: overtaken() or self.locked.get(use_monitor=False) == "Yes",
            [self.locked],
            device=self.name,
            operation="lock",
            timeout_s=self.parent.lock_s,
        )
        if not held:
            hint = f"waited {self.parent.lock_s:g} s; is there beam on the crystals?"
            raise DeviceError(self.name, "lock", "Yes", self.locked.get(), hint=hint)

    @property
    def is_locked(self) -> bool:
        """Whether it is on and holds the beam, asked now."""
        return self.state() == "on" and self.locked.get(use_monitor=False) == "Yes"


class BraggEnergy(DerivedSignal):
    """Photon energy in electronvolts from the Bragg angle: h c / (2 d sin(theta))."""

    def inverse(self, value: float) -> float:
        """Energy in eV at a Bragg angle as read, in degrees; NaN at an angle that reflects nothing."""
        angle = value + self.parent.bragg_offset_deg
        if not 0 < angle <= 90:
            return math.nan
        return monochromator.energy_ev(angle, self.parent.d_spacing_angstrom)


class DoubleCrystal(Stage):
    """Bragg angle (deg), second-crystal gap (mm) and pitch (urad), pitch feedback, and the energy (eV).

    ``bragg_offset_deg`` is what the reading lacks of the true Bragg angle; the feedback has to find the beam
    within ``lock_s`` seconds.
    """

    bragg = AxisComponent()
    second_crystal_gap = AxisComponent()
    second_crystal_pitch = AxisComponent()
    feedback = FCpt(PitchFeedback, "{feedback_prefix}")
    energy_ev = Cpt(BraggEnergy, derived_from="bragg.user_readback", write_access=False, kind="hinted")

    def __init__(
        self,
        prefix: str = "",
        *,
        feedback: str,
        d_spacing_angstrom: float,
        lock_s: float,
        bragg_offset_deg: float = 0.0,
        **kwargs: Any,
    ) -> None:
        self.feedback_prefix = feedback
        self.d_spacing_angstrom = d_spacing_angstrom
        self.lock_s, self.bragg_offset_deg = lock_s, bragg_offset_deg
        super().__init__(prefix, **kwargs)

    def beam_faults(self) -> list[str]:
        """Say why no steady beam leaves it, asked now; one line each."""
        if self.feedback.is_locked:
            return []
        return ["mono feedback: wanted locked, found not locked; switch it on and wait for its lock"]
