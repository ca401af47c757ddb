"""The camera driver of a pco.edge (ADPco ``cam1:``): what it has beyond `CameraDriver`."""

from typing import ClassVar

from xsn_acq.devices.camera_driver import CameraDriver
from xsn_acq.devices.camera_limits import CameraLimits
from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.devices.frame_setup import Trigger


class PcoEdgeDriver(CameraDriver):
    """ADPco. With "Ext + Soft" a rising edge starts an exposure, whose length is the record's.

    The region of interest is in binned pixels. Shutter mode, readout mode and pixel rate stay as they are:
    to change them reboots the camera, or asks for names that only the camera knows.
    """

    limits: ClassVar = CameraLimits(
        shortest_s=5e-4, longest_s=2.0, column_step=4, least_columns=64, least_rows=16
    )
    """Of a pco.edge 5.5 with a rolling shutter."""
    trigger_words: ClassVar[dict[Trigger, str]] = {"internal": "Auto", "external": "Ext + Soft"}

    def _apply_mode(self, setup: CameraSetup) -> None:
        """There is nothing of its own."""

    def _apply_roi(self, setup: CameraSetup) -> None:
        """Begin at 0: a size is cut to what the beginning leaves of the sensor."""
        min_x, min_y, size_x, size_y = (number // setup.binning for number in setup.roi)
        for begin, size, wanted_begin, wanted_size in (
            (self.min_x, self.size_x, min_x, size_x),
            (self.min_y, self.size_y, min_y, size_y),
        ):
            begin.apply(0)
            size.apply(wanted_size)
            begin.apply(wanted_begin)
            size.apply(wanted_size)
