"""Parameters of plans that change the energy."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from xsn_acq.params.base import Params
from xsn_acq.params.camera import CameraParams
from xsn_acq.params.energies import Energies, EnergyEv, Segment
from xsn_acq.params.tomography import XsnTomography

Regions = dict[str, Annotated[tuple[int, int, int, int], Field(strict=False)]]


class ChangeEnergy(Params):
    """Go to a photon energy."""

    energy_ev: EnergyEv
    """Photon energy, eV."""
    note: Annotated[str, Field(max_length=2000)] = ""
    """Free text, kept with the run."""


class EnergyScan(Energies, CameraParams):
    """Images of a sample that stays put, at a list of energies: an absorption spectrum in each pixel.

    The cutoff filter is opened, so that the images show absorption. Flats are taken at each energy, unless
    ``flats_every_ev`` or ``flats_every_s`` says how far or how long flats are good; images in between are
    then divided by the flats on both sides.

    >>> EnergyScan.from_yaml("{segments: [{start_ev: 8313, stop_ev: 8353, step_ev: 4}]}").frames
    152
    """

    exposure_s: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 0.5
    """Exposure of one frame, seconds, to 600."""
    frames_per_energy: Annotated[int, Field(ge=1, le=1000)] = 4
    """Frames of the sample at each energy, 1 to 1000."""
    flats: Annotated[int, Field(ge=1, le=1000)] = 8
    """Frames with the sample out, 1 to 1000, each time flats are taken."""
    flats_every_ev: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """New flats where the energy is further than this from that of the last ones, eV; none: no limit."""
    flats_every_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """New flats where the last ones are older than this, by the estimate, seconds; none: no limit."""
    opened_um: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] | None = 45.0
    """How far the cutoff filter is opened from the optical axis, um; none leaves it where it is."""
    regions: Regions = Field(default_factory=dict)
    """Regions whose spectra are shown, by name: first column, first row, columns, rows of the frame."""

    @property
    def flats_at_each(self) -> bool:
        """Whether flats are taken at each energy."""
        return self.flats_every_ev is None and self.flats_every_s is None

    @property
    def frames(self) -> int:
        """All frames of the run, where flats are taken at each energy; with a rule, the most there can be."""
        return self.darks + len(self.sequence_ev) * (self.flats + self.frames_per_energy)


class MonoCalibration(EnergyScan):
    """An energy scan over the absorption edge of a foil or of the sample: the monochromator's offset."""

    element: Annotated[str, Field(pattern=r"^[A-Z][a-z]?$")] = "Ni"
    """Chemical symbol."""
    edge: Literal["K", "L1", "L2", "L3"] = "K"
    """Absorption edge."""


class HyperspectralTomography(Energies, XsnTomography):
    """A tomogram on the fly at each energy; the stage turns to and fro, so that nothing is rewound.

    >>> HyperspectralTomography().sequence_ev[:3], len(HyperspectralTomography().sequence_ev)
    ((8313.0, 8317.0, 8321.0), 11)
    """

    segments: Annotated[tuple[Segment, ...], Field(max_length=100, strict=False)] = (
        Segment(start_ev=8313.0, stop_ev=8353.0, step_ev=4.0),
    )
    """Pieces of evenly spaced energies; the default is the paper's, across the K edge of Ni."""
    regions: Regions = Field(default_factory=dict)
    """Regions of the middle slice whose spectra are shown: first column, first row, columns, rows."""

    @model_validator(mode="before")
    @classmethod
    def _own_list(cls, raw: Any) -> Any:
        """A list of energies takes the place of the default."""
        listed = isinstance(raw, dict) and raw.get("energies_ev") and "segments" not in raw
        return {**raw, "segments": ()} if listed else raw

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.sequence_ev)) < len(self.sequence_ev):
            raise ValueError(
                f"energies_ev: wanted each energy once, found {len(self.sequence_ev)} energies, "
                f"{len(set(self.sequence_ev))} of them different; take repeats as scans of their own"
            )
        return self

    def tomogram(self, number: int) -> XsnTomography:
        """Parameters of the tomogram at energy ``number``: every second one turns back, over the same angles.

        A frame is exposed while the stage turns on: backwards, each starts where it ended forwards.
        """
        plain = {name: getattr(self, name) for name in XsnTomography.model_fields}
        if number % 2:
            plain["start_deg"] = self.start_deg + self.direction * self.span_deg
            plain["direction"] = -self.direction
        return XsnTomography(**plain)


class UndulatorCalibration(Energies):
    """Undulator gap scanned about its theoretical value at several energies, the beam monitor counted."""

    half_range_mm: Annotated[float, Field(gt=0, le=5, allow_inf_nan=False)] = 0.06
    """The gap goes so far to both sides of where the tables have it, mm, to 5."""
    points: Annotated[int, Field(ge=7, le=500)] = 25
    """Gaps at each energy, 7 to 500, rising."""
    count_s: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = 0.5
    """Counting time at each gap, seconds, to 60."""
    note: Annotated[str, Field(max_length=2000)] = ""
    """Free text, kept with the run."""
