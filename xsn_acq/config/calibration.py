"""What was measured on the instrument."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from xsn_acq.config.base import Finite, Frozen, NotNegative, Positive
from xsn_acq.config.table import interpolated, reach_ev


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
    """How far from the theoretical focus zone_plate_z was sharpest at an energy.

    ``zone_plate_x_um``, ``zone_plate_y_um``: readings at which the image there stands where it stands at the
    table's first energy; the stage runs sideways as it goes along the beam. Both or none.
    """

    offset_mm: Finite
    sigma_mm: NotNegative | None = None
    zone_plate_x_um: Finite | None = None
    zone_plate_y_um: Finite | None = None
    sideways_sigma_um: NotNegative | None = None

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.zone_plate_x_um is None) != (self.zone_plate_y_um is None):
            raise ValueError("wanted zone_plate_x_um and zone_plate_y_um or none of both, found one")
        return self


class GapCalibration(Measured):
    """Undulator gap of highest flux at an energy, and the beam monitor's counts per second and mA there."""

    harmonic: Annotated[int, Field(gt=0, le=15)]
    gap_mm: Positive
    sigma_mm: NotNegative | None = None
    counts_per_s_ma: Positive | None = None


class MonoCalibration(Measured):
    """True Bragg angle less its reading, from an absorption edge: ``energy_ev`` is the tabulated edge."""

    element: str
    bragg_offset_deg: Finite
    sigma_deg: NotNegative | None = None


class PixelSizeCalibration(Measured):
    """Pixel size at the sample, as measured over as computed from the geometry."""

    ratio: Annotated[float, Field(gt=0.5, lt=2.0)]
    sigma: NotNegative | None = None


class FullFieldCalibration(Frozen):
    """What was measured on any beamline, each with its date and energy."""

    pixel_size: PixelSizeCalibration | None = None


class MicroscopeCalibration(FullFieldCalibration):
    """What was measured on a microscope with a zone plate.

    ``focus`` is a table over energies, interpolated between two of them.
    """

    focus: tuple[FocusCalibration, ...] = ()
    mono: MonoCalibration | None = None

    @model_validator(mode="after")
    def _tables(self) -> Self:
        for name, table in self.tables():
            energies = [entry.energy_ev for entry in table]
            if any(b <= a for a, b in pairwise(energies)):
                raise ValueError(f"{name}: energy_ev must rise from one entry to the next")
        return self

    def tables(self) -> list[tuple[str, Sequence[Measured]]]:
        """Each table over energies, with its name."""
        return [("focus", self.focus)]

    def focus_offset_mm(self, energy_ev: float) -> float:
        """Offset of the focus from theory; mm, 0 without a table."""
        return self._of(self.focus, "offset_mm", energy_ev) or 0.0

    def zone_plate_place_um(self, energy_ev: float) -> tuple[float, float] | None:
        """Readings x and y of the zone plate with which the image stays in place; None where not measured.

        Beyond the reach of what was measured those of its end.
        """
        entries = tuple(entry for entry in self.focus if entry.zone_plate_x_um is not None)
        if entries:
            low, high = reach_ev([entry.energy_ev for entry in entries])
            energy_ev = min(max(energy_ev, low), high)
        x, y = (self._of(entries, f"zone_plate_{axis}_um", energy_ev) for axis in "xy")
        return None if x is None or y is None else (x, y)

    def focus_reach_ev(self) -> tuple[float, float] | None:
        """Energies for which the focus table is believed; None without one."""
        return reach_ev([entry.energy_ev for entry in self.focus]) if self.focus else None

    @staticmethod
    def _of(table: Sequence[Measured], field: str, energy_ev: float) -> float | None:
        if not table:
            return None
        return interpolated(
            [entry.energy_ev for entry in table], [getattr(entry, field) for entry in table], energy_ev
        )


class Calibration(MicroscopeCalibration):
    """What was measured on a schlieren microscope; ``gap`` is a table over energies for each harmonic."""

    knife_edge: KnifeEdgeCalibration
    rotation_axis: RotationAxisCalibration
    pupil_plane: PupilPlaneCalibration | None = None
    gap: tuple[GapCalibration, ...] = ()

    def tables(self) -> list[tuple[str, Sequence[Measured]]]:
        """Each table over energies, with its name."""
        harmonics = {entry.harmonic for entry in self.gap}
        gaps = [("gap", [entry for entry in self.gap if entry.harmonic == each]) for each in harmonics]
        return [*super().tables(), *gaps]


class SpeckleCalibration(FullFieldCalibration):
    """What was measured on a beamline with a diffuser behind the sample."""

    rotation_axis: RotationAxisCalibration
