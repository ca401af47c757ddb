"""What the camera drivers of areaDetector have in common: which records we use, how a setup is applied."""

from abc import abstractmethod
from typing import ClassVar

from ophyd import Component as Cpt
from ophyd import EpicsSignalRO

from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.devices.checked import CheckedSignalWithRBV, FrameCounter
from xsn_acq.devices.frame_driver import FrameDriver
from xsn_acq.devices.frame_setup import Trigger
from xsn_acq.errors import DeviceError

_EXPOSURE_TOLERANCE_S = 1.5e-6
"""A camera cuts an exposure to whole microseconds, so that it may be one less; rounding comes on top."""


class CameraDriver(FrameDriver):
    """A camera driver. Only the records we use; a subclass knows those that others do not have."""

    trigger_words: ClassVar[dict[Trigger, str]]
    """What the record calls the triggers."""

    acquire_time = Cpt(CheckedSignalWithRBV, "AcquireTime", kind="config", tolerance=_EXPOSURE_TOLERANCE_S)
    image_mode = Cpt(CheckedSignalWithRBV, "ImageMode", string=True, kind="omitted")
    images_counter = Cpt(FrameCounter, "NumImagesCounter_RBV", kind="omitted")
    min_x = Cpt(CheckedSignalWithRBV, "MinX", kind="config")
    min_y = Cpt(CheckedSignalWithRBV, "MinY", kind="config")
    size_x = Cpt(CheckedSignalWithRBV, "SizeX", kind="config")
    size_y = Cpt(CheckedSignalWithRBV, "SizeY", kind="config")
    bin_x = Cpt(CheckedSignalWithRBV, "BinX", kind="config")
    bin_y = Cpt(CheckedSignalWithRBV, "BinY", kind="config")
    data_type = Cpt(EpicsSignalRO, "DataType_RBV", string=True, kind="config")
    columns = Cpt(EpicsSignalRO, "ArraySizeX_RBV", kind="omitted")
    rows = Cpt(EpicsSignalRO, "ArraySizeY_RBV", kind="omitted")

    def apply(self, setup: CameraSetup) -> None:
        """Apply a setup and read it back; blocks.

        Raises
        ------
        DeviceError
            It is acquiring, or does not take a setting.
        """
        self.require_idle("prepare")
        self._apply_mode(setup)
        self.acquire_time.apply(setup.exposure_s)
        self.wait_for(setup.trigger)
        self.image_mode.apply("Multiple")
        self.order(setup.frames)
        self.callbacks.apply("Enable")
        self.bin_x.apply(setup.binning)
        self.bin_y.apply(setup.binning)
        self._apply_roi(setup)

    def wait_for(self, trigger: Trigger) -> None:
        """Let each frame of the next acquisition wait for this trigger; blocks."""
        self.trigger_mode.apply(self.trigger_words[trigger])

    def dtype_numpy(self) -> str:
        """Type of the pixels."""
        return "|u1" if self.data_type.get(use_monitor=False) == "UInt8" else "<u2"

    def check_frame_shape(self, shape: tuple[int, int]) -> None:
        """Compare the size of the last frame with what was asked for.

        Raises
        ------
        DeviceError
            They differ: the region of interest was not taken as meant.
        """
        found = (int(self.rows.get()), int(self.columns.get()))
        if found != shape:
            raise DeviceError(
                self.name, "frame size (rows, columns)", shape, found, "px", "check ROI and binning"
            )

    @abstractmethod
    def _apply_mode(self, setup: CameraSetup) -> None:
        """Apply what only this camera has; blocks."""

    @abstractmethod
    def _apply_roi(self, setup: CameraSetup) -> None:
        """Set the region of interest; blocks."""
