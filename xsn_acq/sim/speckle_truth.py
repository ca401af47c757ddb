"""What the simulated beamline with a diffuser behind the sample hides."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from xsn_acq.config import SpeckleBeamline
from xsn_acq.optics.detector import FWHM_PER_SIGMA
from xsn_acq.sim.microscope_truth import FullFieldTruth, ReadoutMode
from xsn_acq.sim.speckle_imaging import SpeckleOptics
from xsn_acq.sim.state import ReadoutPort
from xsn_acq.units import MM, UM

_MODES: Mapping[ReadoutPort, ReadoutMode] = MappingProxyType(
    {"1": ReadoutMode(bits=16, gain_adu=1.2, offset_adu=100.0, read_noise_adu=1.6)}
)


@dataclass(frozen=True, kw_only=True)
class SpeckleTruth(FullFieldTruth):
    """The simulator's secrets; nothing above ``sim`` may read them.

    Parameters
    ----------
    source_x_um, source_y_um : float
        Source, FWHM: its shadow behind the diffuser blurs.
    lens_um : float
        Blur of scintillator and lens at the sample, standard deviation.
    mono_y_um : float
        What the multilayers' bumps blur on top along y, standard deviation.
    band : float
        Times the bandwidth of the beamline file: 0 is light of one wavelength.
    coverage : float
        Mean number of grains that a ray meets in each sheet of the diffuser.
    diffuser_drift_x_um_per_h, diffuser_drift_y_um_per_h : float
        The diffuser runs so fast against the detector from the start of the simulation on.
    multilayer_rocking_deg : float
        Width of the second multilayer's rocking curve, FWHM.
    beam_sigma_x_um, beam_sigma_y_um : float
        Gaussian beam at the sample, standard deviations.
    stripes, stripe_um : float
        Stripes of the multilayers across the beam: standard deviation over mean, and how smooth they are.
    beam_drift_um : float
        Amplitude of the slow wander of the beam, its stripes included, along y.
    dead_fraction, hot_fraction : float
        Fractions of the pixels that see nothing, and that count without light.
    hot_per_s : float
        Photons that a hot pixel counts without light.
    """

    reference_energy_ev: float = 10_000.0
    axis_column: float = 1279.58
    axis_row: float = 1079.5
    photons_per_pixel_s: float = 200_000.0
    runout_nm: float = 40.0
    modes: Mapping[ReadoutPort, ReadoutMode] = field(default_factory=lambda: _MODES, hash=False)
    source_x_um: float = 500.0
    source_y_um: float = 30.0
    lens_um: float = 0.9563
    mono_y_um: float = 0.727
    band: float = 1.0
    coverage: float = 0.6
    diffuser_drift_x_um_per_h: float = 0.0
    diffuser_drift_y_um_per_h: float = 0.0
    multilayer_rocking_deg: float = 0.03
    beam_sigma_x_um: float = 4000.0
    beam_sigma_y_um: float = 1200.0
    stripes: float = 0.04
    stripe_um: float = 40.0
    beam_drift_um: float = 3.0
    dead_fraction: float = 1e-4
    hot_fraction: float = 1e-4
    hot_per_s: float = 50_000.0

    def optics(self, beamline: SpeckleBeamline, energy_ev: float, sample_z_um: float = 0.0) -> SpeckleOptics:
        """Return distances and blur at a photon energy; the sample may go up to the diffuser."""
        geometry = beamline.geometry
        behind_m = geometry.diffuser_to_scintillator_mm * MM
        shadow = behind_m / geometry.source_to_sample_m / FWHM_PER_SIGMA
        return SpeckleOptics(
            energy_ev=energy_ev,
            sample_to_diffuser_m=max(geometry.sample_to_diffuser_mm * MM - sample_z_um * UM, 0.0),
            diffuser_to_scintillator_m=behind_m,
            blur_x_um=math.hypot(self.lens_um, self.source_x_um * shadow),
            blur_y_um=math.hypot(self.lens_um, self.source_y_um * shadow, self.mono_y_um),
            tail=self.scintillator_tail,
            tail_um=self.scintillator_tail_ratio * self.lens_um,
            bandwidth=self.band * beamline.multilayer.bandwidth,
        )

    def coherence_lengths_um(self, beamline: SpeckleBeamline, binning: int = 1) -> tuple[float, float]:
        """Return the coherence lengths x, y of source, multilayers, scintillator, lens and pixel together.

        As the paper has them in the plane of detection (Eqs. 4 and 5); the scintillator's halo is left out.
        """
        pixel_um = beamline.nominal_pixel_size_m(binning) / UM * (1 + self.pixel_size_error)
        return self.optics(beamline, self.reference_energy_ev).lengths_um(pixel_um)
