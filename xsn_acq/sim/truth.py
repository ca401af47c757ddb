"""What the simulated schlieren microscope hides."""

from dataclasses import dataclass

from xsn_acq.sim.microscope_truth import MicroscopeTruth

_GLITCHES = (
    (8217.4, 0.8, 0.12),
    (8261.9, 0.6, 0.07),
    (8312.3, 0.7, 0.10),
    (8346.8, 0.9, 0.16),
    (8391.5, 1.0, 0.19),
    (8428.1, 0.5, 0.05),
)


@dataclass(frozen=True, kw_only=True)
class Truth(MicroscopeTruth):
    """The simulator's secrets; nothing above ``sim`` may read them.

    Parameters
    ----------
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
    bandwidth : float
        Relative width of what the crystals let through, FWHM: Si(111).
    harmonic_contamination : float
        Fraction, below 1, of the detected light without cutoff and sample that is the Si(333) reflection, at
        three times the energy: neither focused nor cut, and hardly absorbed.
    undulator_background : float
        Light between the harmonics, as a fraction of a harmonic's peak.
    beam_sigma_um : float
        Gaussian beam at the sample, standard deviation.
    beam_drift_um : float
        Amplitude of the slow wander of the beam's position.
    pinhole_edge_um : float
        Softness of the pinhole's shadow.
    rotation_roll_deg, rotation_tilt_deg : float
        Lean of the rotation axis as y grows: in the image, to larger x; along the beam, downstream.
    pupil_offset_mm : float
        The pupil's plane is so much further downstream, in ``cutoff_z``, than the beamline file says.
    gap_offset_mm, gap_play_mm : float
        The true gap of the undulator is so much larger than its reading, and the play in its drive.
    stray_light : float
        Light that reaches the camera past the optics, spread evenly, as a fraction of the light without
        cutoff and sample.
    """

    reference_energy_ev: float = 8300.0
    axis_column: float = 1603.42
    photons_per_pixel_s: float = 1130.0
    glitches: tuple[tuple[float, float, float], ...] = _GLITCHES
    runout_nm: float = 1.0
    condenser_na: float = 0.22
    illumination_skew: float = 0.25
    illumination_softness: float = 0.03
    bare_narrowing: float = 5.0
    bare_gain: float = 1.6
    diffuser_half_width_mm: float = 5.0
    speckle_contrast: float = 0.35
    speckle_size_um: float = 0.2
    bandwidth: float = 1.33e-4
    harmonic_contamination: float = 0.0
    undulator_background: float = 0.01
    beam_sigma_um: float = 45.0
    beam_drift_um: float = 0.6
    pinhole_edge_um: float = 0.8
    rotation_roll_deg: float = 0.0
    rotation_tilt_deg: float = 0.0
    pupil_offset_mm: float = 0.0
    gap_offset_mm: float = 0.0
    gap_play_mm: float = 0.0
    stray_light: float = 0.0
