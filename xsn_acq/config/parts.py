"""The parts of a beamline that are no motors: source, optics, detection, and where they stand."""

from abc import abstractmethod
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from xsn_acq.config.base import Finite, Frozen, NotNegative, Positive, Prefix
from xsn_acq.optics import undulator
from xsn_acq.optics import zone_plate as lens
from xsn_acq.units import NM, UM

NEAR_OUT = 0.25
"""So near to its out position, as a fraction of the way there, a sample is out."""
ReadoutPort = Literal["1", "2", "3", "4"]
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


class FullFieldPrefixes(Frozen):
    """PV prefixes of everything that is not a motor; the device classes know the suffixes."""

    ring: Prefix
    front_end_shutter: Prefix
    shutter: Prefix
    beam_monitor: Prefix
    camera: Prefix
    position_compare: Prefix


class CommonPrefixes(FullFieldPrefixes):
    """Those of a microscope with a crystal monochromator."""

    mono_feedback: Prefix


class Prefixes(CommonPrefixes):
    """Those of a schlieren microscope."""

    undulator: Prefix
    diffuser_rotation: Prefix


class StructuredPrefixes(CommonPrefixes):
    """Those of a microscope with structured illumination and a fluorescence detector."""

    vortex: Prefix


class Ring(Frozen):
    """The storage ring; imaging below ``min_current_ma`` is refused.

    ``late_s``: a loss of beam is told within so many seconds. ``settle_s``: when the beam is back, the optics
    need so many seconds before the next frame.
    """

    energy_gev: Positive
    nominal_current_ma: Positive
    min_current_ma: Positive
    late_s: Positive
    settle_s: Positive


class Undulator(Frozen):
    """K = peak_field_t * 0.934 * period_cm * exp(-field_decay * gap / period) and the harmonic in use.

    ``gap_settle_s`` and ``gap_backlash_mm``: as for an axis. ``gap_stall_s``: so long it may be busy and not
    move. ``suffixes`` maps our names to the PV suffixes
    of this site's undulator.
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
    gap_settle_s: NotNegative = 0.0
    gap_backlash_mm: Finite = 0.0
    gap_stall_s: Positive = 30.0
    suffixes: dict[UndulatorRecord, str]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        missing = sorted(set(get_args(UndulatorRecord)) - set(self.suffixes))
        if missing:
            raise ValueError(f"suffixes lack {', '.join(missing)}")
        if self.gap_low_mm >= self.gap_high_mm:
            raise ValueError(f"gap_low_mm {self.gap_low_mm} must be below gap_high_mm {self.gap_high_mm} mm")
        return self

    def gap_mm(self, energy_ev: float, harmonic: int, ring_energy_gev: float) -> float:
        """Gap at which a harmonic has an energy, by the formula.

        Raises
        ------
        ValueError
            No gap gives that harmonic that energy.
        """
        return undulator.gap_mm(
            energy_ev,
            harmonic,
            period_mm=self.period_mm,
            peak_field_t=self.peak_field_t,
            decay=self.field_decay,
            ring_energy_gev=ring_energy_gev,
        )

    def energy_ev(self, gap_mm: float, harmonic: int, ring_energy_gev: float) -> float:
        """Energy of a harmonic at a gap, by the formula."""
        k = undulator.deflection_k(gap_mm, self.period_mm, self.peak_field_t, self.field_decay)
        return undulator.harmonic_energy_ev(k, harmonic, self.period_mm, ring_energy_gev)


class Monochromator(Frozen):
    """Fixed-exit double-crystal monochromator; ``lock_s``: its feedback finds the beam within so long."""

    d_spacing_angstrom: Positive
    beam_offset_mm: Positive
    energy_low_ev: Positive
    energy_high_ev: Positive
    lock_s: Positive


class BeamMonitor(Frozen):
    """Ion chamber before the experiment shutter.

    After an energy change it is counted for ``count_s`` seconds; under ``least_share`` of what was there
    before the change, for the same ring current, the beam counts as lost.
    """

    count_s: Positive
    least_share: Annotated[float, Field(gt=0, lt=1)]


class ZonePlate(Frozen):
    """First-order imaging zone plate; at the reading ``z_at_contact_mm`` it would touch the sample plane.

    The object distance is ``z - z_at_contact`` (z along the beam, downstream positive). Nearer than
    ``clearance_mm`` to sample or pinhole it is never sent.
    """

    diameter_um: Positive
    outermost_zone_width_nm: Positive
    z_at_contact_mm: Finite
    clearance_mm: Positive

    def numerical_aperture(self, energy_ev: float) -> float:
        """NA = lambda / (2 dr)."""
        return lens.numerical_aperture(energy_ev, self.outermost_zone_width_nm * NM)

    def focal_length_m(self, energy_ev: float) -> float:
        """F = D dr / lambda, first order."""
        return lens.focal_length_m(energy_ev, self.diameter_um * UM, self.outermost_zone_width_nm * NM)


class Sensor(Frozen):
    """Scintillator, objective and camera: what all have."""

    objective_magnification: Positive
    camera_pixel_um: Positive
    sensor_columns: Annotated[int, Field(gt=0)]
    sensor_rows: Annotated[int, Field(gt=0)]

    @abstractmethod
    def full_readout_s(self, port: ReadoutPort) -> float:
        """Readout time of the full sensor, seconds; ``port`` where the camera has several."""


class Detection(Sensor):
    """Scintillator, objective and camera; ``sample_to_scintillator_mm`` is taken at ``detector_z`` = 0.

    ``scintillator_psf_fwhm_nm`` is the blur of scintillator and lens at the sample, at the magnification that
    the microscope has at ``scintillator_psf_energy_ev``.
    """

    sample_to_scintillator_mm: Positive
    scintillator_psf_fwhm_nm: Positive
    scintillator_psf_energy_ev: Positive
    readout_s: dict[ReadoutPort, Positive]

    def full_readout_s(self, port: ReadoutPort) -> float:
        """Readout time of the full sensor at a readout port, seconds."""
        return self.readout_s[port]


class SamplePlace(Frozen):
    """Where the sample is when the beamline is aligned, and where for flats."""

    sample_x_centre_um: Finite
    sample_out_um: Finite

    def is_out(self, sample_x_um: float, out_um: float | None = None) -> bool:
        """Whether the sample is where flats are taken (``sample_out_um`` or ``out_um``), not in the beam."""
        out = self.sample_out_um if out_um is None else out_um
        return abs(sample_x_um - out) < NEAR_OUT * abs(out - self.sample_x_centre_um)


class SampleGeometry(SamplePlace):
    """Where sample and pinhole are when the microscope is aligned.

    ``pinhole_z_mm``: the pinhole stands so far downstream of the sample plane (upstream negative).
    """

    pinhole_diameter_um: Positive
    pinhole_z_mm: Finite


class Geometry(SampleGeometry):
    """Where things are when a schlieren microscope is aligned: the cutoff filter too."""

    cutoff_passes: Literal["positive", "negative"]
    cutoff_x_zero_um: Finite
    cutoff_z_pupil_mm: Finite
