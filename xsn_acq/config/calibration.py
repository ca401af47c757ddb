"""What was measured on the instrument."""

from datetime import date
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from xsn_acq.config.base import Finite, Frozen, Positive

NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Measured(Frozen):
    """A calibration: when, at which energy, and in which run (its uid; empty when it was typed in)."""

    date: date
    energy_ev: Positive
    run: str = ""


class KnifeEdgeCalibration(Measured):
    """Knife-edge curve: fraction of the light that passes with the edge at a frequency (paper, Eq. 6).

    ``sigma`` is the standard deviation of ``transmitted``, where it is known; ``stray_fraction`` of the light
    passes wherever the edge stands and is not part of the curve.
    """

    frequency_per_um: tuple[Finite, ...]
    transmitted: tuple[Annotated[float, Field(ge=0, le=1)], ...]
    sigma: tuple[NotNegative, ...] | None = None
    stray_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _curve(self) -> Self:
        x, w = self.frequency_per_um, self.transmitted
        if len(x) != len(w) or len(x) < 2:
            raise ValueError(f"needs two or more points on both lists, found {len(x)} and {len(w)}")
        if any(b <= a for a, b in pairwise(x)):
            raise ValueError("frequency_per_um must rise")
        if any(b > a for a, b in pairwise(w)):
            raise ValueError("transmitted must not rise")
        if w[0] != 1.0 or w[-1] != 0.0:
            raise ValueError(f"transmitted must run from 1 to 0, found {w[0]} to {w[-1]}")
        if self.sigma is not None and len(self.sigma) != len(x):
            raise ValueError(f"sigma needs a value for each of {len(x)} points, found {len(self.sigma)}")
        return self


class RotationAxisCalibration(Measured):
    """Column of the rotation axis on the unbinned sensor (pixel centres at integers) at a stage position.

    It is that of ``detector_z`` = 0. ``roll_deg`` is how far the axis leans in the image, ``tilt_deg`` how
    far along the beam.
    """

    column: Finite
    sample_x_um: Finite
    sigma_px: NotNegative | None = None
    roll_deg: Finite | None = None
    roll_sigma_deg: NotNegative | None = None
    tilt_deg: Finite | None = None
    tilt_sigma_deg: NotNegative | None = None


class PupilPlaneCalibration(Measured):
    """Reading of cutoff_z at which the cutoff filter is in the pupil plane of the zone plate."""

    cutoff_z_mm: Finite
    sigma_mm: NotNegative | None = None


class FocusCalibration(Measured):
    """How far from the theoretical focus zone_plate_z was sharpest at an energy."""

    offset_mm: Finite
    sigma_mm: NotNegative | None = None


class PixelSizeCalibration(Measured):
    """Pixel size at the sample, as measured over as computed from the geometry."""

    ratio: Annotated[float, Field(gt=0.5, lt=2.0)]
    sigma: NotNegative | None = None


class Calibration(Frozen):
    """What was measured on the instrument, each with its date and energy.

    ``focus`` is a table over energies; between two of them the offset is interpolated.
    """

    knife_edge: KnifeEdgeCalibration
    rotation_axis: RotationAxisCalibration
    pupil_plane: PupilPlaneCalibration | None = None
    focus: tuple[FocusCalibration, ...] = ()
    pixel_size: PixelSizeCalibration | None = None

    @model_validator(mode="after")
    def _table(self) -> Self:
        energies = [entry.energy_ev for entry in self.focus]
        if any(b <= a for a, b in pairwise(energies)):
            raise ValueError("focus: energy_ev must rise from one entry to the next")
        return self

    def focus_offset_mm(self, energy_ev: float) -> float:
        """Offset of the focus from theory, interpolated linearly; beyond the table that of its end; mm."""
        table = self.focus
        if not table:
            return 0.0
        if energy_ev <= table[0].energy_ev:
            return table[0].offset_mm
        for low, high in pairwise(table):
            if energy_ev <= high.energy_ev:
                part = (energy_ev - low.energy_ev) / (high.energy_ev - low.energy_ev)
                return low.offset_mm + part * (high.offset_mm - low.offset_mm)
        return table[-1].offset_mm
