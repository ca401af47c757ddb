"""What a plan needs of an instrument: structural, so that plans know no beamline."""

from typing import Protocol

from xsn_acq.config import Beamline
from xsn_acq.devices.beam_monitor import BeamMonitor
from xsn_acq.devices.cutoff import CutoffFilter
from xsn_acq.devices.diffuser import RotatingDiffuser
from xsn_acq.devices.kinetix import Kinetix
from xsn_acq.devices.monochromator import DoubleCrystal
from xsn_acq.devices.optics import Condenser, DetectorStage, Pinhole, ZonePlateStage
from xsn_acq.devices.position_compare import PositionCompare
from xsn_acq.devices.ring import Ring
from xsn_acq.devices.sample import SampleStage
from xsn_acq.devices.shutter import Shutter
from xsn_acq.devices.undulator import Undulator


class Instrument(Protocol):
    """Every device of a full-field microscope, and the beamline file they were built from."""

    @property
    def file(self) -> Beamline:
        """The beamline file."""

    @property
    def ring(self) -> Ring:
        """Storage ring."""

    @property
    def front_end_shutter(self) -> Shutter:
        """Shutter of the front end."""

    @property
    def shutter(self) -> Shutter:
        """Experiment shutter."""

    @property
    def undulator(self) -> Undulator:
        """Undulator."""

    @property
    def mono(self) -> DoubleCrystal:
        """Monochromator."""

    @property
    def beam_monitor(self) -> BeamMonitor:
        """Ion chamber before the experiment shutter."""

    @property
    def condenser(self) -> Condenser:
        """Condenser lens."""

    @property
    def diffuser(self) -> RotatingDiffuser:
        """Rotating diffuser."""

    @property
    def pinhole(self) -> Pinhole:
        """Pinhole before the sample."""

    @property
    def zone_plate(self) -> ZonePlateStage:
        """Imaging zone plate."""

    @property
    def cutoff(self) -> CutoffFilter:
        """Cutoff filter."""

    @property
    def sample(self) -> SampleStage:
        """Sample stage."""

    @property
    def detector(self) -> DetectorStage:
        """Detector stage."""

    @property
    def camera(self) -> Kinetix:
        """Camera and its file writer."""

    @property
    def position_compare(self) -> PositionCompare:
        """Position compare of the rotation stage."""
