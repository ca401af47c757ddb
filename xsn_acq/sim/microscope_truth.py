"""What simulated beamlines hide: true values that the instrument's users can only measure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

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


@dataclass(frozen=True, kw_only=True)
class FullFieldTruth:
    """What every technique's simulator uses; nothing above ``sim`` may read it.

    Parameters
    ----------
    reference_energy_ev : float
        Energy at which the values below hold.
    axis_column, axis_row : float
        Sensor column of the rotation axis and row of the sample's origin, unbinned, with the sample stage at
        its centre.
    photons_per_pixel_s : float
        Detected photons per unbinned pixel and second in the centre of the beam: all aligned, nominal ring
        current, nothing in the beam that takes light away.
    runout_nm : float
        Amplitude of the rotation axis' wobble.
    flux_drift, drift_period_s : float
        Amplitude of the slow wander of the beam's brightness, and the period of all that drifts.
    drift_x_nm, drift_y_nm : float
        Amplitudes of the sample's slow drift against the optics, over times like ``drift_period_s``.
    jitter_nm : float
        Standard deviation of where the sample is in an exposure, x and y; drawn anew at each exposure's time.
    pattern_white, pattern_smooth : float
        Pixel-to-pixel and smooth structure of the sensor's response, standard deviations.
    scintillator_tail, scintillator_tail_ratio : float
        Fraction of the light in the scintillator's halo, and the halo's width over the core's.
    pixel_size_error : float
        The pixel at the sample is larger than the beamline file says by this fraction.
    modes : mapping
        The camera's readout ports.
    seed : int
        Of all that is frozen into the hardware.
    """

    reference_energy_ev: float
    axis_column: float
    photons_per_pixel_s: float
    runout_nm: float
    axis_row: float
    flux_drift: float = 0.002
    drift_period_s: float = 2900.0
    drift_x_nm: float = 0.0
    drift_y_nm: float = 0.0
    jitter_nm: float = 0.0
    pattern_white: float = 0.008
    pattern_smooth: float = 0.025
    scintillator_tail: float = 0.02
    scintillator_tail_ratio: float = 5.0
    pixel_size_error: float = 0.0
    modes: Mapping[ReadoutPort, ReadoutMode] = field(default_factory=lambda: _MODES, hash=False)
    seed: int = 20261102


@dataclass(frozen=True, kw_only=True)
class MicroscopeTruth(FullFieldTruth):
    """What the simulators of microscopes with crystals and a zone plate use.

    Parameters
    ----------
    glitches : tuple of (energy_ev, width_ev, depth)
        Where another reflection of the crystals takes light away: FWHM, and fraction in the middle.
    pitch_optimum_urad, rocking_fwhm_urad : float
        Second-crystal pitch of highest flux, and the width of the rocking curve.
    pitch_drift_urad, feedback_range_urad : float
        Amplitude of the slow drift of the optimum, and how far the feedback can reach to follow it.
    focus_offset_um : float
        Best focus is so much further downstream, in ``zone_plate_z``, than the beamline file says.
    focus_rate_ratio : float
        From the reference energy on, the focal length changes this many times as much as the beamline file
        says.
    zone_plate_runout_x_um_per_mm, zone_plate_runout_y_um_per_mm, zone_plate_runout_bend_um_per_mm2 : float
        How far the zone plate runs sideways as its stage goes along z from its nominal place at the
        reference energy: slopes in x and y, and a bend in x.
    bragg_offset_deg : float
        The true Bragg angle is so much larger than its reading.
    bragg_play_deg, zone_plate_play_mm : float
        Play in the drives of the Bragg angle and ``zone_plate_z``: the true position is the reading when the
        last motion went up, and so much more when it went down.
    """

    glitches: tuple[tuple[float, float, float], ...]
    axis_row: float = 1599.5
    pitch_optimum_urad: float = 12.5
    rocking_fwhm_urad: float = 36.0
    pitch_drift_urad: float = 6.0
    feedback_range_urad: float = 60.0
    focus_offset_um: float = 0.0
    focus_rate_ratio: float = 1.0
    zone_plate_runout_x_um_per_mm: float = 0.0
    zone_plate_runout_y_um_per_mm: float = 0.0
    zone_plate_runout_bend_um_per_mm2: float = 0.0
    bragg_offset_deg: float = 0.0
    bragg_play_deg: float = 0.0
    zone_plate_play_mm: float = 0.0
