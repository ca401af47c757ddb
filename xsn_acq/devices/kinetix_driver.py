"""The camera driver of a Kinetix (ADKinetix ``cam1:``): which records we use and how a setup is applied."""

from typing import ClassVar

from ophyd import Component as Cpt
from ophyd import EpicsSignalRO

from xsn_acq.devices.camera_driver import CameraDriver
from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.devices.checked import CheckedSignal, CheckedSignalWithRBV
from xsn_acq.devices.frame_setup import Trigger
from xsn_acq.errors import DeviceError


class KinetixDriver(CameraDriver):
    """ADKinetix: it has readout ports, and a unit of the exposure. The type of pixels follows the port."""

    trigger_words: ClassVar[dict[Trigger, str]] = {"internal": "Internal", "external": "Rising Edge"}

    exposure_unit = Cpt(CheckedSignalWithRBV, "MinExpRes", string=True, kind="config")
    stop_on_timeout = Cpt(CheckedSignalWithRBV, "StopAcqOnTimeout", string=True, kind="omitted")
    readout_port = Cpt(CheckedSignalWithRBV, "ReadoutPortIdx", string=True, kind="config")
    speed = Cpt(CheckedSignalWithRBV, "SpeedIdx", string=True, kind="config")
    gain = Cpt(CheckedSignalWithRBV, "GainIdx", string=True, kind="config")
    apply_mode = Cpt(CheckedSignal, "ApplyReadoutMode", kind="omitted")
    mode_valid = Cpt(EpicsSignalRO, "ReadoutModeValid_RBV", string=True, kind="omitted")

    def _apply_mode(self, setup: CameraSetup) -> None:
        self._apply_readout_mode(setup.readout_port)
        self.exposure_unit.apply("us")
        self.stop_on_timeout.apply("No")

    def _apply_roi(self, setup: CameraSetup) -> None:
        min_x, min_y, size_x, size_y = setup.roi
        self._apply_span("x", min_x, size_x, setup.binning)
        self._apply_span("y", min_y, size_y, setup.binning)

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
