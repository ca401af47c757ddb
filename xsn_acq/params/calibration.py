"""Parameters of the calibrations: frames at rest over a list of positions."""

from abc import abstractmethod
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from xsn_acq.params.camera import CameraParams
from xsn_acq.params.energies import EnergyEv

LEAST_APART_EV = 2.0
"""Energies that are nearer are one entry of the focus table."""


class StillsParams(CameraParams):
    """What the calibrations have in common: at each point everything rests and the same frames are taken."""

    sample_out: ClassVar[bool] = False
    """Whether the sample is out of the beam all the time: no flats are taken."""

    exposure_s: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 0.5
    """Exposure of one frame, seconds, to 600."""
    frames_per_point: Annotated[int, Field(ge=1, le=1000)] = 2
    """Frames at each point, 1 to 1000."""

    @property
    @abstractmethod
    def places(self) -> int:
        """Points at which frames are taken."""

    @property
    def flats_taken(self) -> int:
        """Frames with the sample out, taken before the points."""
        return 0

    @property
    def frames(self) -> int:
        """All frames of the run."""
        return self.darks + self.flats_taken + self.places * self.frames_per_point


class KnifeEdgeScan(StillsParams):
    """Cutoff filter scanned across the pupil and back, sample out: the illumination's knife-edge curve.

    >>> KnifeEdgeScan(points=41, darks=10).frames
    174
    """

    sample_out: ClassVar[bool] = True

    frames_per_point: Annotated[int, Field(ge=2, le=1000)] = 2
    """Frames at each point, 2 to 1000: how they differ tells the noise."""
    exposure_s: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 0.1
    """Exposure of one frame, seconds, to 600: coarse pixels are soon full."""
    binning: Literal[1, 2, 4, 8] = 8
    """Camera pixels pooled along each side."""
    half_range_um: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] = 45.0
    """cutoff_x goes so far to both sides of the optical axis, um, to 1000."""
    points: Annotated[int, Field(ge=15, le=2000)] = 61
    """Positions from one side to the other, 15 to 2000; each is visited twice, so that drift cancels."""

    @property
    def places(self) -> int:
        """Points at which frames are taken, on the way there and back."""
        return 2 * self.points


class FoucaultTest(StillsParams):
    """Cutoff filter at several edges in several planes, sample out: finds the plane of the pupil.

    There the field darkens uniformly; off it a shadow crosses the field.
    """

    sample_out: ClassVar[bool] = True

    exposure_s: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 0.1
    """Exposure of one frame, seconds, to 600: coarse pixels are soon full."""
    binning: Literal[1, 2, 4, 8] = 8
    """Camera pixels pooled along each side."""
    half_range_mm: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = 4.0
    """cutoff_z goes so far to both sides of the plane known so far, mm, to 100."""
    planes: Annotated[int, Field(ge=3, le=200)] = 9
    """Planes along cutoff_z, 3 to 200."""
    half_range_um: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] = 30.0
    """cutoff_x goes so far to both sides of the optical axis, um, to 1000."""
    edges: Annotated[int, Field(ge=4, le=500)] = 13
    """Positions along cutoff_x in each plane, 4 to 500."""

    @property
    def places(self) -> int:
        """Points at which frames are taken: the grid."""
        return self.planes * self.edges


class _SampleStills(StillsParams):
    """Stills of a sample, over flats."""

    flats: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Frames with the sample out, 1 to 10000."""

    @property
    def flats_taken(self) -> int:
        """Frames with the sample out, taken before the points."""
        return self.flats


class FocusScan(_SampleStills):
    """Zone plate scanned along the beam about the focus known so far: where the sample is sharpest.

    The sharpness is blunt, and photons are what it takes: the defaults find the focus to a fraction of its
    depth.

    >>> FocusScan.from_yaml("{energies_ev: [8383, 8283], flats: 10, points: 9}").frames
    256
    """

    energies_ev: Annotated[tuple[EnergyEv, ...], Field(max_length=100, strict=False)] = ()
    """Energies at which the focus is sought, eV, 2 eV or more apart; none: where the instrument stands."""
    exposure_s: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 2.0
    """Exposure of one frame, seconds, to 600."""
    frames_per_point: Annotated[int, Field(ge=2, le=1000)] = 12
    """Frames at each point, 2 to 1000: what they do not share is noise."""
    flats: Annotated[int, Field(ge=1, le=10_000)] = 40
    """Frames with the sample out at each energy, 1 to 10000: their noise is shared by all points."""
    half_range_mm: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] = 0.15
    """zone_plate_z goes so far to both sides of the focus known so far, mm, to 10."""
    points: Annotated[int, Field(ge=5, le=500)] = 13
    """Positions of the zone plate at each energy, 5 to 500."""
    opened_um: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] = 15.0
    """How far the cutoff filter is opened from the optical axis, um: more light, one sideband still cut."""

    @property
    def rising_ev(self) -> tuple[float, ...]:
        """Energies in the order in which they are visited: axes come from below."""
        return tuple(sorted(self.energies_ev))

    @property
    def places(self) -> int:
        """Points at which frames of the sample are taken, at all energies."""
        return self.points * max(1, len(self.energies_ev))

    @property
    def flats_taken(self) -> int:
        """Frames with the sample out, taken before the points of each energy."""
        return self.flats * max(1, len(self.energies_ev))

    @model_validator(mode="after")
    def _apart(self) -> Self:
        for low, high in pairwise(self.rising_ev):
            if high - low < LEAST_APART_EV:
                found = f"found {low:g} and {high:g} eV"
                raise ValueError(f"energies_ev: wanted {LEAST_APART_EV:g} eV or more between two, {found}")
        return self


class FindRotationAxis(_SampleStills):
    """Stills at pairs of angles half a turn apart: column of the rotation axis, its roll and tilt.

    >>> FindRotationAxis(pairs=3).angles_deg
    (0.0, 60.0, 120.0, 180.0, 240.0, 300.0)
    """

    pairs: Annotated[int, Field(ge=1, le=36)] = 6
    """Pairs of angles, evenly over half a turn, 1 to 36: all images are compared in memory, four copies of
    10 MB each at the whole sensor binned by 2, 3 GB."""
    start_deg: Annotated[float, Field(ge=-3600, le=3600, allow_inf_nan=False)] = 0.0
    """First angle, degrees."""

    @property
    def angles_deg(self) -> tuple[float, ...]:
        """All angles, rising; the partner of each lies ``pairs`` further on."""
        return tuple(self.start_deg + 180.0 * index / self.pairs for index in range(2 * self.pairs))

    @property
    def places(self) -> int:
        """Points at which frames are taken."""
        return 2 * self.pairs


class PixelSize(_SampleStills):
    """Sample displaced by known steps of sample_x: size of a pixel at the sample."""

    half_range_um: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] = 4.0
    """sample_x goes so far to both sides of where it is, um, to 1000."""
    points: Annotated[int, Field(ge=4, le=72)] = 9
    """Positions of the sample, 4 to 72: all images are compared in memory, four copies of 10 MB each at the
    whole sensor binned by 2, 3 GB."""

    @property
    def places(self) -> int:
        """Points at which frames are taken."""
        return self.points
