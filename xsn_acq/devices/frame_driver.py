"""What the areaDetector drivers we use have in common: acquiring, counting, and how they say so."""

from typing import Any

from ophyd import Component as Cpt
from ophyd import Device, EpicsSignalRO

from xsn_acq.devices.checked import CheckedSignalWithRBV
from xsn_acq.errors import DeviceError


class FrameDriver(Device):
    """A driver that acquires ``images`` frames; a subclass has the record that counts them."""

    acquire = Cpt(CheckedSignalWithRBV, "Acquire", string=True, kind="omitted", auto_monitor=True)
    images = Cpt(CheckedSignalWithRBV, "NumImages", kind="omitted")
    trigger_mode = Cpt(CheckedSignalWithRBV, "TriggerMode", string=True, kind="config")
    callbacks = Cpt(CheckedSignalWithRBV, "ArrayCallbacks", string=True, kind="omitted")
    state = Cpt(EpicsSignalRO, "DetectorState_RBV", string=True, kind="omitted", auto_monitor=True)
    message = Cpt(EpicsSignalRO, "StatusMessage_RBV", string=True, kind="omitted")
    images_counter: Any

    def is_acquiring(self) -> bool:
        """Whether it acquires, asked now."""
        return bool(self.acquire.get(use_monitor=False) == "Acquiring")

    def frames_counted(self) -> int:
        """Frames of the present acquisition, asked now."""
        return int(self.images_counter.get())

    def require_idle(self, operation: str) -> None:
        """Check that it does not acquire.

        Raises
        ------
        DeviceError
            It does.
        """
        if self.is_acquiring():
            raise DeviceError(self.name, operation, "idle", "acquiring", hint="stop it first")

    def order(self, frames: int) -> None:
        """Ask for so many frames of the next acquisition; blocks."""
        self.images.apply(frames)
