"""What the simulated microscope with structured illumination hides."""

from dataclasses import dataclass, field

from xsn_acq.sim.fluorescence import FluorescenceTruth
from xsn_acq.sim.microscope_truth import MicroscopeTruth
from xsn_acq.sim.structured_light import LightTruth


@dataclass(frozen=True, kw_only=True)
class StructuredTruth(MicroscopeTruth):
    """The simulator's secrets; nothing above ``sim`` may read them.

    Parameters
    ----------
    sample_photons_per_um2_s : float
        Photons on the sample for each area and second where the illumination is 1: all aligned, nominal ring
        current.
    beam_sigma_um : float
        Height of the Gaussian beam in front of the condenser, standard deviation.
    pattern_shift_nm : float
        After each move of the sample stage the whole pattern is displaced, x and y, by this standard
        deviation: optics and stages give way.
    sample_return_nm : float
        The sample comes back so far from where it was, standard deviation, x and y.
    dead_time_ratio : float
        An event of the fluorescence detector hides others for so many times the beamline file's dead time.
    light : LightTruth
    fluorescence : FluorescenceTruth
    """

    reference_energy_ev: float = 9000.0
    axis_column: float = 1599.5
    photons_per_pixel_s: float = 50.0
    glitches: tuple[tuple[float, float, float], ...] = ()
    runout_nm: float = 0.0
    sample_photons_per_um2_s: float = 2e7
    beam_sigma_um: float = 200.0
    pattern_shift_nm: float = 20.0
    sample_return_nm: float = 10.0
    dead_time_ratio: float = 1.02
    light: LightTruth = field(default=LightTruth(demagnification=15.0))
    fluorescence: FluorescenceTruth = field(default=FluorescenceTruth())
