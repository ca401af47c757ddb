"""What the simulated beamline hides: true values that the instrument's users can only measure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TypeVar

from xsn_acq.errors import ConfigError
from xsn_acq.sim.state import ReadoutPort


@dataclass(frozen=True)
class ReadoutMode:
    """One readout port: bit depth, ADU for each detected photon, pedestal and read noise in ADU."""

    bits: int
    gain_adu: float
    offset_adu: float
    read_noise_adu: float


_MODES: Mapping[ReadoutPort, ReadoutMode] = MappingProxyType(
    {
        "1": ReadoutMode(bits=12, gain_adu=0.3, offset_adu=100.0, read_noise_adu=1.2),
        "2": ReadoutMode(bits=8, gain_adu=0.018, offset_adu=8.0, read_noise_adu=0.6),
        "3": ReadoutMode(bits=16, gain_adu=4.0, offset_adu=100.0, read_noise_adu=6.0),
        "4": ReadoutMode(bits=16, gain_adu=4.0, offset_adu=100.0, read_noise_adu=2.5),
    }
)

_GLITCHES = (
    (8217.4, 0.8, 0.12),
    (8261.9, 0.6, 0.07),
    (8312.3, 0.7, 0.10),
    (8346.8, 0.9, 0.16),
    (8391.5, 1.0, 0.19),
    (8428.1, 0.5, 0.05),
)


@dataclass(frozen=True)
class Truth:
    """The simulator's secrets; nothing above ``sim`` may read them.

    Parameters
    ----------
    reference_energy_ev : float
        Energy at which the values below hold.
    condenser_na : float
        Half width of the illumination as a fraction of the zone plate's NA at the reference energy. The
        condenser does not follow the energy: the *angle* stays.
    illumination_skew, illumination_softness : float
        Density of the illumination, sqrt(1 - u^2) (1 + skew u) with u from -1 to 1, blurred by a Gaussian of
        this standard deviation in u.
    bare_narrowing, bare_gain : float
        Without the diffuser the illumination is this many times narrower and the beam this much brighter.
    diffuser_half_width_mm : float
        The beam meets the diffuser when ``diffuser_x`` is within this.
    speckle_contrast, speckle_size_um : float
        Speckle of a diffuser that stands still: standard deviation over mean, and size at the sample.
    axis_column, axis_row : float
        Sensor column of the rotation axis and row of the sample's origin, unbinned, with the sample stage at
        its centre.
    photons_per_pixel_s : float
        Detected photons per unbinned pixel and second in the centre of the beam: all aligned, nominal ring
        current, no cutoff filter in the beam.
    bandwidth : float
        Relative width of what the crystals let through, FWHM: Si(111).
    glitches : tuple of (energy_ev, width_ev, depth)
        Where another reflection of the crystals takes light away: FWHM, and fraction in the middle.
    harmonic_contamination : float
        Fraction, below 1, of the detected light without cutoff and sample that is the Si(333) reflection, at
        three times the energy: neither focused nor cut, and hardly absorbed.
    undulator_background : float
        Light between the harmonics, as a fraction of a harmonic's peak.
    pitch_optimum_urad, rocking_fwhm_urad : float
        Second-crystal pitch of highest flux, and the width of the rocking curve.
    pitch_drift_urad, feedback_range_urad : float
        Amplitude of the slow drift of the optimum, and how far the feedback can reach to follow it.
    beam_sigma_um : float
        Gaussian beam at the sample, standard deviation.
    beam_drift_um, flux_drift, drift_period_s : float
        Slow wander of the beam's position and brightness, amplitudes and period.
    pinhole_edge_um : float
        Softness of the pinhole's shadow.
    runout_nm : float
        Amplitude of the rotation axis' wobble.
    rotation_roll_deg, rotation_tilt_deg : float
        Lean of the rotation axis as y grows: in the image, to larger x; along the beam, downstream.
    drift_x_nm, drift_y_nm : float
        Amplitudes of the sample's slow drift against the optics, over times like ``drift_period_s``.
    jitter_nm : float
        Standard deviation of where the sample is in an exposure, x and y; drawn anew at each exposure's time.
    pattern_white, pattern_smooth : float
        Pixel-to-pixel and smooth structure of the sensor's response, standard deviations.
    scintillator_tail, scintillator_tail_ratio : float
        Fraction of the light in the scintillator's halo, and the halo's width over the core's.
    focus_offset_um : float
        Best focus is so much further downstream, in ``zone_plate_z``, than the beamline file says.
    focus_rate_ratio : float
        From the reference energy on, the focal length changes this many times as much as the beamline file
        says.
    zone_plate_runout_x_um_per_mm, zone_plate_runout_y_um_per_mm, zone_plate_runout_bend_um_per_mm2 : float
        How far the zone plate runs sideways as its stage goes along z from its nominal place at the
        reference energy: slopes in x and y, and a bend in x.
    pupil_offset_mm : float
        The pupil's plane is so much further downstream, in ``cutoff_z``, than the beamline file says.
    bragg_offset_deg, gap_offset_mm : float
        The true Bragg angle and the true gap of the undulator are so much larger than their readings.
    bragg_play_deg, gap_play_mm, zone_plate_play_mm : float
        Play in the drives of the Bragg angle, the gap and ``zone_plate_z``: the true position is the reading
        when the last motion went up, and so much more when it went down.
    pixel_size_error : float
        The pixel at the sample is larger than the beamline file says by this fraction.
    stray_light : float
        Light that reaches the camera past the optics, spread evenly, as a fraction of the light without
        cutoff and sample.
    modes : mapping
        The camera's readout ports.
    seed : int
        Of all that is frozen into the hardware: sensor pattern, diffuser.
    """

    reference_energy_ev: float = 8300.0
    condenser_na: float = 0.22
    illumination_skew: float = 0.25
    illumination_softness: float = 0.03
    bare_narrowing: float = 5.0
    bare_gain: float = 1.6
    diffuser_half_width_mm: float = 5.0
    speckle_contrast: float = 0.35
    speckle_size_um: float = 0.2
    axis_column: float = 1603.42
    axis_row: float = 1599.5
    photons_per_pixel_s: float = 1130.0
    bandwidth: float = 1.33e-4
    glitches: tuple[tuple[float, float, float], ...] = _GLITCHES
    harmonic_contamination: float = 0.0
    undulator_background: float = 0.01
    pitch_optimum_urad: float = 12.5
    rocking_fwhm_urad: float = 36.0
    pitch_drift_urad: float = 6.0
    feedback_range_urad: float = 60.0
    beam_sigma_um: float = 45.0
    beam_drift_um: float = 0.6
    flux_drift: float = 0.002
    drift_period_s: float = 2900.0
    pinhole_edge_um: float = 0.8
    runout_nm: float = 1.0
    rotation_roll_deg: float = 0.0
    rotation_tilt_deg: float = 0.0
    drift_x_nm: float = 0.0
    drift_y_nm: float = 0.0
    jitter_nm: float = 0.0
    pattern_white: float = 0.008
    pattern_smooth: float = 0.025
    scintillator_tail: float = 0.02
    scintillator_tail_ratio: float = 5.0
    focus_offset_um: float = 0.0
    focus_rate_ratio: float = 1.0
    zone_plate_runout_x_um_per_mm: float = 0.0
    zone_plate_runout_y_um_per_mm: float = 0.0
    zone_plate_runout_bend_um_per_mm2: float = 0.0
    pupil_offset_mm: float = 0.0
    bragg_offset_deg: float = 0.0
    gap_offset_mm: float = 0.0
    bragg_play_deg: float = 0.0
    gap_play_mm: float = 0.0
    zone_plate_play_mm: float = 0.0
    pixel_size_error: float = 0.0
    stray_light: float = 0.0
    modes: Mapping[ReadoutPort, ReadoutMode] = field(default_factory=lambda: _MODES, hash=False)
    seed: int = 20261102


Hidden = TypeVar("Hidden", bound=Truth)


def hidden_truth(texts: Sequence[str], kind: type[Hidden] = Truth) -> Hidden:  # type: ignore[assignment]
    """Return a truth with some values changed, each written ``name=value``.

    Raises
    ------
    ConfigError
        No number of that name is hidden, or the value is not a finite number: all faults are listed.

    Examples
    --------
    >>> hidden_truth(["focus_offset_um=18"]).focus_offset_um
    18.0
    """
    known = sorted(f.name for f in fields(kind) if isinstance(f.default, float))
    values: dict[str, float] = {}
    faults: list[str] = []
    for text in texts:
        name, _, value = text.partition("=")
        if name not in known:
            faults.append(f"no truth {name!r}; known: {', '.join(known)}")
            continue
        try:
            values[name] = float(value)
        except ValueError:
            values[name] = math.nan
        if not math.isfinite(values[name]):
            faults.append(f"{name}={value!r}: wanted a finite number")
    if faults:
        raise ConfigError("hidden truths", faults)
    return kind(**values)  # type: ignore[arg-type]
