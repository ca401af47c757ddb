"""pco.edge camera with its file writer, as a bluesky flyer."""

from ophyd import Component as Cpt

from xsn_acq.devices.camera import Camera
from xsn_acq.devices.pco_edge_driver import PcoEdgeDriver


class PcoEdge(Camera):
    """A pco.edge sCMOS camera (ADPco) and NDFileHDF5, one file for each `CameraSetup`; see `FrameFlyer`."""

    cam = Cpt(PcoEdgeDriver, "cam1:")

    @property
    def driver(self) -> PcoEdgeDriver:
        """The camera driver."""
        driver: PcoEdgeDriver = self.cam
        return driver
