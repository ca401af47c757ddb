"""What a plan needs of an instrument: structural, so that plans know no beamline."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from xsn_acq.config import Beamline, FullField, Microscope, SpeckleBeamline, StructuredBeamline
from xsn_acq.devices.beam_monitor import BeamMonitor
from xsn_acq.devices.camera import Camera
from xsn_acq.devices.cutoff import CutoffFilter
from xsn_acq.devices.diffuser import RotatingDiffuser
from xsn_acq.devices.frame_flyer import FrameFlyer
from xsn_acq.devices.monochromator import DoubleCrystal
from xsn_acq.devices.optics import (
    CapillaryCondenser,
    Condenser,
    DetectorStage,
    FluorescenceStage,
    Pinhole,
    Sandpaper,
    SpeckleDiffuser,
    ZonePlateStage,
)
from xsn_acq.devices.position_compare import PositionCompare
from xsn_acq.devices.ring import Ring
from xsn_acq.devices.sample import SampleStage
from xsn_acq.devices.shutter import Shutter
from xsn_acq.devices.undulator import Undulator
from xsn_acq.devices.xspress3 import Vortex


class Monochromator(Protocol):
    """What a plan needs of any monochromator."""

    @property
    def energy_ev(self) -> Any:
        """Signal of the photon energy, eV."""

    def beam_faults(self) -> list[str]:
        """Say why no steady beam leaves it, asked now; one line each."""


class FullFieldInstrument(Protocol):
    """What every beamline has, and the beamline file it was built from."""

    @property
    def file(self) -> FullField:
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
    def mono(self) -> Monochromator:
        """Monochromator."""

    @property
    def beam_monitor(self) -> BeamMonitor:
        """Ion chamber before the experiment shutter."""

    @property
    def sample(self) -> SampleStage:
        """Sample stage."""

    @property
    def camera(self) -> Camera:
        """Camera and its file writer."""

    @property
    def position_compare(self) -> PositionCompare:
        """Position compare of the scanned axis."""

    def detectors(self) -> Sequence[FrameFlyer]:
        """Detectors, each with its file."""


AnyInstrument = TypeVar("AnyInstrument", bound=FullFieldInstrument)


class ImagingInstrument(FullFieldInstrument, Protocol):
    """A microscope with a zone plate and a crystal monochromator."""

    @property
    def file(self) -> Microscope:
        """The beamline file."""

    @property
    def mono(self) -> DoubleCrystal:
        """Monochromator."""

    @property
    def pinhole(self) -> Pinhole:
        """Pinhole before the sample."""

    @property
    def zone_plate(self) -> ZonePlateStage:
        """Imaging zone plate."""

    @property
    def detector(self) -> DetectorStage:
        """Detector stage."""


class Instrument(ImagingInstrument, Protocol):
    """A schlieren microscope."""

    @property
    def file(self) -> Beamline:
        """The beamline file."""

    @property
    def undulator(self) -> Undulator:
        """Undulator."""

    @property
    def condenser(self) -> Condenser:
        """Condenser lens."""

    @property
    def diffuser(self) -> RotatingDiffuser:
        """Rotating diffuser."""

    @property
    def cutoff(self) -> CutoffFilter:
        """Cutoff filter."""


class StructuredInstrument(ImagingInstrument, Protocol):
    """A microscope with structured illumination and a fluorescence detector."""

    @property
    def file(self) -> StructuredBeamline:
        """The beamline file."""

    @property
    def condenser(self) -> CapillaryCondenser:
        """Capillary condenser."""

    @property
    def sandpaper_coarse(self) -> Sandpaper:
        """Sandpaper of coarse grain."""

    @property
    def sandpaper_fine(self) -> Sandpaper:
        """Sandpaper of fine grain."""

    @property
    def fluorescence_stage(self) -> FluorescenceStage:
        """Stage of the fluorescence detector."""

    @property
    def vortex(self) -> Vortex:
        """Fluorescence detector."""


class SpeckleInstrument(FullFieldInstrument, Protocol):
    """A beamline with a diffuser behind the sample."""

    @property
    def file(self) -> SpeckleBeamline:
        """The beamline file."""

    @property
    def diffuser(self) -> SpeckleDiffuser:
        """Diffuser behind the sample."""
