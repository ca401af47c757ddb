"""Kinetix camera with its file writer, as a bluesky flyer."""

from ophyd import Component as Cpt

from xsn_acq.devices.camera import Camera
from xsn_acq.devices.kinetix_driver import KinetixDriver


class Kinetix(Camera):
    """Teledyne Kinetix (ADKinetix) and NDFileHDF5, one file for each `CameraSetup`; see `FrameFlyer`.

    A frame the camera loses leaves no gap in UniqueId: only the counts tell.
    """

    cam = Cpt(KinetixDriver, "cam1:")

    @property
    def driver(self) -> KinetixDriver:
        """The camera driver."""
        driver: KinetixDriver = self.cam
        return driver
