"""The camera driver of a Kinetix (ADKinetix ``cam1:``): which records we use and how a setup is applied."""

from ophyd import Component as Cpt
from ophyd import EpicsSignalRO

from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.devices.checked import CheckedSignal, CheckedSignalWithRBV, FrameCounter
from xsn_acq.devices.frame_driver import FrameDriver
from xsn_acq.errors import DeviceError

_EXPOSURE_STEP_S = 1e-6


class KinetixDriver(FrameDriver):
    """ADKinetix. Only the records we use."""

    acquire_time = Cpt(CheckedSignalWithRBV, "AcquireTime", kind="config", tolerance=_EXPOSURE_STEP_S)
    exposure_unit = Cpt(CheckedSignalWithRBV, "MinExpRes", string=True, kind="config")
    image_mode = Cpt(CheckedSignalWithRBV, "ImageMode", string=True, kind="omitted")
    images_counter = Cpt(FrameCounter, "NumImagesCounter_RBV", kind="omitted")
    stop_on_timeout = Cpt(CheckedSignalWithRBV, "StopAcqOnTimeout", string=True, kind="omitted")
    min_x = Cpt(CheckedSignalWithRBV, "MinX", kind="config")
    min_y = Cpt(CheckedSignalWithRBV, "MinY", kind="config")
    size_x = Cpt(CheckedSignalWithRBV, "SizeX", kind="config")
    size_y = Cpt(CheckedSignalWithRBV, "SizeY", kind="config")
    bin_x = Cpt(CheckedSignalWithRBV, "BinX", kind="config")
    bin_y = Cpt(CheckedSignalWithRBV, "BinY", kind="config")
    readout_port = Cpt(CheckedSignalWithRBV, "ReadoutPortIdx", string=True, kind="config")
    speed = Cpt(CheckedSignalWithRBV, "SpeedIdx", string=True, kind="config")
    gain = Cpt(CheckedSignalWithRBV, "GainIdx", string=True, kind="config")
    apply_mode = Cpt(CheckedSignal, "ApplyReadoutMode", kind="omitted")
    mode_valid = Cpt(EpicsSignalRO, "ReadoutModeValid_RBV", string=True, kind="omitted")
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
        self._apply_readout_mode(setup.readout_port)
        self.exposure_unit.apply("us")
        self.acquire_time.apply(setup.exposure_s)
        self.trigger_mode.apply("Internal" if setup.trigger == "internal" else "Rising Edge")
        self.image_mode.apply("Multiple")
        self.order(setup.frames)
        self.stop_on_timeout.apply("No")
        self.callbacks.apply("Enable")
        self.bin_x.apply(setup.binning)
        self.bin_y.apply(setup.binning)
        min_x, min_y, size_x, size_y = setup.roi
        self._apply_span("x", min_x, size_x, setup.binning)
        self._apply_span("y", min_y, size_y, setup.binning)

    def dtype_numpy(self) -> str:
        """Type of the pixels: it follows the readout mode."""
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

    def _apply_readout_mode(self, port: str) -> None:
        for signal, value in ((self.readout_port, port), (self.speed, "1"), (self.gain, "1")):
            signal.apply(value)
        found = self.mode_valid.get()
        if found != "Valid":
            raise DeviceError(self.name, f"readout port {port}, speed 1, gain 1", "Valid", found)
        self.apply_mode.send(1)

    def _apply_span(self, axis: str, wanted_start: int, wanted_size: int, binning: int) -> None:
        """Set a region of interest along one axis.

        The driver may take the size as the index where the region stops, and cut it: then it is asked for
        ``start + size``. Either way the size of the array must come out right.
        """
        start, size = getattr(self, f"min_{axis}"), getattr(self, f"size_{axis}")
        array = self.columns if axis == "x" else self.rows
        wanted = wanted_size // binning
        start.apply(wanted_start)
        for asked in (wanted_size, wanted_start + wanted_size):
            size.send(asked)
            cut = asked != wanted_size and size.shows(wanted_size)
            if cut or int(array.get()) == wanted:
                return
        raise DeviceError(
            self.name, f"binned size along {axis}", wanted, array.get(), "px", "check ROI and binning"
        )
