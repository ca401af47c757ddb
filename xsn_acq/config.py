"""The beamline file: a frozen value with units and bounds, read from TOML.

A name (``pls2-7c-xni``) finds the file shipped with the package, a path finds yours.
Every fault is listed at once, with field, value and limit.
"""

import tomllib
from datetime import date
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from xsn_acq.errors import ConfigError
from xsn_acq.units import MM, NM, UM, wavelength_m
from xsn_acq.validation import faults_of

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Prefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9_:.\-{}\[\]]+$")]
UndulatorRecord = Literal[
    "gap_set",
    "gap",
    "energy_set",
    "energy",
    "start",
    "stop",
    "busy",
    "device_busy",
    "deadband",
    "harmonic",
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Axis(_Frozen):
    """One motor: its record, its unit, where it may go and how fast.

    ``tolerance`` is how far the readback may be from the target when a move says it is done.
    """

    pv: Prefix
    unit: Literal["mm", "um", "deg", "urad"]
    low: Finite
    high: Finite
    velocity: Positive
    max_velocity: Positive
    acceleration_s: Positive
    resolution: Positive
    tolerance: Positive

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} must be below high {self.high} {self.unit}")
        if self.velocity > self.max_velocity:
            raise ValueError(
                f"velocity {self.velocity} must not exceed max_velocity {self.max_velocity} {self.unit}/s"
            )
        return self


class Axes(_Frozen):
    """Every motor of the instrument, by the name its device uses."""

    bragg: Axis
    second_crystal_gap: Axis
    second_crystal_pitch: Axis
    condenser_x: Axis
    condenser_y: Axis
    diffuser_x: Axis
    pinhole_x: Axis
    pinhole_y: Axis
    zone_plate_x: Axis
    zone_plate_y: Axis
    zone_plate_z: Axis
    cutoff_x: Axis
    cutoff_z: Axis
    sample_x: Axis
    sample_y: Axis
    sample_z: Axis
    sample_theta: Axis
    detector_z: Axis


class Prefixes(_Frozen):
    """PV prefixes of everything that is not a motor; the device classes know the suffixes."""

    ring: Prefix
    front_end_shutter: Prefix
    shutter: Prefix
    undulator: Prefix
    mono_feedback: Prefix
    diffuser_rotation: Prefix
    camera: Prefix
    position_compare: Prefix


class Ring(_Frozen):
    """The storage ring; imaging below ``min_current_ma`` is refused."""

    energy_gev: Positive
    nominal_current_ma: Positive
    min_current_ma: Positive


class Undulator(_Frozen):
    """K = peak_field_t * 0.934 * period_cm * exp(-field_decay * gap / period) and the harmonic in use.

    ``suffixes`` maps our names to the PV suffixes of this site's undulator.
    """

    period_mm: Positive
    periods: Annotated[int, Field(gt=0)]
    peak_field_t: Positive
    field_decay: Positive
    harmonic: Annotated[int, Field(gt=0, le=15)]
    gap_low_mm: Positive
    gap_high_mm: Positive
    gap_speed_mm_s: Positive
    gap_tolerance_mm: Positive
    suffixes: dict[UndulatorRecord, str]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        missing = sorted(set(get_args(UndulatorRecord)) - set(self.suffixes))
        if missing:
            raise ValueError(f"suffixes lack {', '.join(missing)}")
        if self.gap_low_mm >= self.gap_high_mm:
            raise ValueError(f"gap_low_mm {self.gap_low_mm} must be below gap_high_mm {self.gap_high_mm} mm")
        return self


class Monochromator(_Frozen):
    """Fixed-exit double-crystal monochromator."""

    d_spacing_angstrom: Positive
    beam_offset_mm: Positive
    energy_low_ev: Positive
    energy_high_ev: Positive


class ZonePlate(_Frozen):
    """First-order imaging zone plate; at the reading ``z_at_contact_mm`` it would touch the sample plane.

    The object distance is ``z - z_at_contact`` (z along the beam, downstream positive).
    """

    diameter_um: Positive
    outermost_zone_width_nm: Positive
    z_at_contact_mm: Finite

    def numerical_aperture(self, energy_ev: float) -> float:
        """NA = lambda / (2 dr)."""
        return wavelength_m(energy_ev) / (2 * self.outermost_zone_width_nm * NM)

    def focal_length_m(self, energy_ev: float) -> float:
        """F = D dr / lambda, first order."""
        return self.diameter_um * UM * self.outermost_zone_width_nm * NM / wavelength_m(energy_ev)


class Detection(_Frozen):
    """Scintillator, objective and camera; ``sample_to_scintillator_mm`` is taken at ``detector_z`` = 0."""

    sample_to_scintillator_mm: Positive
    objective_magnification: Positive
    scintillator_psf_fwhm_nm: Positive
    camera_pixel_um: Positive
    sensor_columns: Annotated[int, Field(gt=0)]
    sensor_rows: Annotated[int, Field(gt=0)]
    readout_s: dict[Literal["1", "2", "3", "4"], Positive]


class Geometry(_Frozen):
    """Where things are when the microscope is aligned."""

    cutoff_passes: Literal["positive", "negative"]
    cutoff_x_zero_um: Finite
    cutoff_z_pupil_mm: Finite
    sample_x_centre_um: Finite
    sample_out_um: Finite
    pinhole_diameter_um: Positive


class KnifeEdgeCalibration(_Frozen):
    """Knife-edge curve: fraction of the light that passes with the edge at a frequency (paper, Eq. 6)."""

    date: date
    energy_ev: Positive
    frequency_per_um: tuple[Finite, ...]
    transmitted: tuple[Annotated[float, Field(ge=0, le=1)], ...]

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
        return self


class RotationAxisCalibration(_Frozen):
    """Column of the rotation axis on the unbinned sensor (pixel centres at integers) at a stage position."""

    date: date
    energy_ev: Positive
    column: Finite
    sample_x_um: Finite


class Calibration(_Frozen):
    """What was measured on the instrument, each with its date and energy."""

    knife_edge: KnifeEdgeCalibration
    rotation_axis: RotationAxisCalibration


class Beamline(_Frozen):
    """One beamline: the whole file."""

    name: Annotated[str, Field(min_length=1)]
    title: str
    technique: Literal["xsn", "nxsci", "speckle"]
    pvs: Prefixes
    axes: Axes
    ring: Ring
    undulator: Undulator
    monochromator: Monochromator
    zone_plate: ZonePlate
    detection: Detection
    geometry: Geometry
    calibration: Calibration

    def total_length_m(self, detector_z_mm: float = 0.0) -> float:
        """Distance from sample to scintillator."""
        return (self.detection.sample_to_scintillator_mm + detector_z_mm) * MM

    def object_distance_m(self, energy_ev: float, detector_z_mm: float = 0.0) -> float:
        """Sample to zone plate when in focus: the shorter root of p (L - p) = f L."""
        length = self.total_length_m(detector_z_mm)
        f = self.zone_plate.focal_length_m(energy_ev)
        return 0.5 * (length - (length**2 - 4 * length * f) ** 0.5)

    def magnification(self, energy_ev: float, detector_z_mm: float = 0.0) -> float:
        """Zone-plate magnification in focus: M = (L - p) / p."""
        p = self.object_distance_m(energy_ev, detector_z_mm)
        return (self.total_length_m(detector_z_mm) - p) / p

    def zone_plate_z_mm(self, energy_ev: float, detector_z_mm: float = 0.0) -> float:
        """Zone-plate reading at which the sample is in focus."""
        return self.object_distance_m(energy_ev, detector_z_mm) / MM + self.zone_plate.z_at_contact_mm

    def pixel_size_m(self, energy_ev: float, binning: int, detector_z_mm: float = 0.0) -> float:
        """Size of a binned pixel at the sample."""
        pixel = self.detection.camera_pixel_um * UM * binning
        return pixel / (self.detection.objective_magnification * self.magnification(energy_ev, detector_z_mm))

    def cutoff_frequency_per_m(self, cutoff_x_um: float, energy_ev: float) -> float:
        """Spatial frequency of the cutoff edge, (x - x0) / (lambda f), cycles per metre (paper, Eq. 6)."""
        scale = wavelength_m(energy_ev) * self.zone_plate.focal_length_m(energy_ev)
        return (cutoff_x_um - self.geometry.cutoff_x_zero_um) * UM / scale

    @model_validator(mode="after")
    def _possible(self) -> Self:
        faults = self._record_faults() + self._place_faults()
        faults += self._energy_faults() or self._focus_faults()
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _record_faults(self) -> list[str]:
        """Two axes on one motor: the wrong one would move."""
        owner: dict[str, str] = {}
        faults = []
        for name in type(self.axes).model_fields:
            pv = getattr(self.axes, name).pv
            other = owner.setdefault(pv, name)
            if other != name:
                faults.append(f"axes.{name}.pv: {pv} is the motor of axes.{other} already")
        return faults

    def _place_faults(self) -> list[str]:
        """Places where nothing can be."""
        x, last = self.axes.sample_x, self.detection.sensor_columns - 1
        places = (
            ("geometry.sample_x_centre_um", self.geometry.sample_x_centre_um, x.low, x.high, "um"),
            ("geometry.sample_out_um", self.geometry.sample_out_um, x.low, x.high, "um"),
            ("calibration.rotation_axis.column", self.calibration.rotation_axis.column, 0.0, last, "px"),
        )
        return [
            f"{name}: {value} {unit} is outside {low} to {high} {unit}"
            for name, value, low, high, unit in places
            if not low <= value <= high
        ]

    def _energy_faults(self) -> list[str]:
        low, high = self.monochromator.energy_low_ev, self.monochromator.energy_high_ev
        faults = []
        if low >= high:
            faults.append(f"monochromator.energy_low_ev: {low} must be below energy_high_ev {high} eV")
        shortest = 4 * self.zone_plate.focal_length_m(high) / MM
        if shortest > self.detection.sample_to_scintillator_mm:
            found = f"{self.detection.sample_to_scintillator_mm} mm"
            faults.append(
                f"detection.sample_to_scintillator_mm: no image forms at {high} eV: "
                f"wanted more than four focal lengths, {shortest:.1f} mm, found {found}"
            )
        return faults

    def _focus_faults(self) -> list[str]:
        axis, faults = self.axes.zone_plate_z, []
        for energy in (self.monochromator.energy_low_ev, self.monochromator.energy_high_ev):
            z = self.zone_plate_z_mm(energy)
            if not axis.low <= z <= axis.high:
                limits = f"limits {axis.low} to {axis.high} mm"
                faults.append(f"axes.zone_plate_z: focus at {energy} eV needs {z:.3f} mm, {limits}")
        return faults


def beamline_path(name_or_path: str) -> Path:
    """Path of a beamline file: a shipped name or a path of yours."""
    shipped = Path(str(files("xsn_acq") / "beamlines")) / f"{name_or_path}.toml"
    path = shipped if shipped.is_file() else Path(name_or_path)
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in shipped.parent.glob("*.toml")))
        raise ConfigError(
            f"beamline {name_or_path}", [f"no such file, and no shipped beamline of that name ({known})"]
        )
    return path


def load_beamline(name_or_path: str) -> Beamline:
    """Read and check a beamline file.

    Raises
    ------
    ConfigError
        With every fault: field, value, limit.
    """
    path = beamline_path(name_or_path)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        return Beamline.model_validate(_lists_as_tuples(raw))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"beamline file {path}", [f"not TOML: {error}"]) from error
    except ValidationError as error:
        raise ConfigError(f"beamline file {path}", faults_of(error)) from error


def _lists_as_tuples(value: Any) -> Any:
    """TOML arrays become tuples, as strict validation wants them."""
    if isinstance(value, dict):
        return {key: _lists_as_tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_lists_as_tuples(item) for item in value)
    return value
