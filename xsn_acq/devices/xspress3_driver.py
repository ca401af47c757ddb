"""The driver of an Xspress3 with one channel (``det1:``): which records we use, how a setup is applied."""

from ophyd import Component as Cpt
from ophyd import EpicsSignalRO

from xsn_acq.devices.checked import CheckedSignal, CheckedSignalWithRBV, FrameCounter
from xsn_acq.devices.frame_driver import FrameDriver
from xsn_acq.devices.operation import wait_until
from xsn_acq.devices.spectra_setup import SpectraSetup
from xsn_acq.errors import DeviceError

_TIME_STEP_S = 1e-6
_ERASE_TIMEOUT_S = 10.0
TRIGGER_MODES = {"internal": "Internal", "gate": "TTL Veto Only"}


class Xspress3Driver(FrameDriver):
    """Xspress3. Only the records we use.

    Its correction of dead time has been found unreliable, so raw counts are kept: ``correction`` is 0.
    """

    acquire_time = Cpt(CheckedSignalWithRBV, "AcquireTime", kind="config", tolerance=_TIME_STEP_S)
    images_counter = Cpt(FrameCounter, "FRAME_COUNT_RBV", kind="omitted")
    correction = Cpt(CheckedSignalWithRBV, "CTRL_DTC", kind="config")
    erase = Cpt(CheckedSignal, "ERASE", kind="omitted")
    erase_on_start = Cpt(CheckedSignal, "EraseOnStart", string=True, kind="omitted")
    connection = Cpt(EpicsSignalRO, "CONNECTED", string=True, kind="omitted")
    channels = Cpt(EpicsSignalRO, "NUM_CHANNELS_RBV", kind="config")
    bins = Cpt(EpicsSignalRO, "MAX_SPECTRA_RBV", kind="config")

    def apply(self, setup: SpectraSetup, bins: int) -> None:
        """Apply a setup and read it back; blocks.

        Raises
        ------
        DeviceError
            It is acquiring or not connected, has other channels or bins, or does not take a setting.
        """
        self.require_idle("prepare")
        for signal, wanted in ((self.connection, "Connected"), (self.channels, 1), (self.bins, bins)):
            found = signal.get(use_monitor=False)
            if found != wanted:
                raise DeviceError(signal.name, "prepare", wanted, found, hint="look at the Xspress3's screen")
        self.correction.apply(0)
        self.trigger_mode.apply(TRIGGER_MODES[setup.trigger])
        self.acquire_time.apply(setup.exposure_s)
        self.callbacks.apply("Enable")
        self.erase_on_start.apply("Yes")
        self.order(setup.frames)

    def order(self, frames: int) -> None:
        """Ask for so many frames of the next acquisition, and forget those of the last one; blocks.

        Raises
        ------
        DeviceError
            The number is not taken, or the frames are not forgotten: they would be counted again.
        """
        super().order(frames)
        self.erase.send(1)
        erased = wait_until(
            lambda: self.frames_counted() == 0,
            (self.images_counter,),
            device=self.name,
            operation="erase",
            timeout_s=_ERASE_TIMEOUT_S,
        )
        if not erased:
            raise DeviceError(self.name, "erase", 0, self.frames_counted(), "frames")

    def check_raw(self, operation: str) -> None:
        """Check that counts come as they were counted.

        Raises
        ------
        DeviceError
            The Xspress3 corrects them for dead time.
        """
        if self.correction.get(use_monitor=False):
            hint = "somebody switched CTRL_DTC on: these are no counts"
            raise DeviceError(self.name, operation, "raw counts", "corrected for dead time", hint=hint)
