"""How much light arrives: storage ring, undulator, monochromator."""

import math

from xsn_acq.config import Beamline, FullField, Microscope
from xsn_acq.optics import monochromator
from xsn_acq.optics.undulator import deflection_k, harmonic_energy_ev
from xsn_acq.sim.microscope_truth import FullFieldTruth, MicroscopeTruth
from xsn_acq.sim.state import BeamState, FullFieldState, MicroscopeState
from xsn_acq.sim.truth import Truth

_HIGHEST_HARMONIC = 15


def bragg_deg(truth: MicroscopeTruth, state: MicroscopeState) -> float:
    """Return the true Bragg angle."""
    return state.bragg_deg + truth.bragg_offset_deg


def energy_ev(beamline: Microscope, truth: MicroscopeTruth, state: MicroscopeState) -> float:
    """Return the photon energy that the Bragg angle lets through."""
    return monochromator.energy_ev(bragg_deg(truth, state), beamline.monochromator.d_spacing_angstrom)


def flux(beamline: Beamline, truth: Truth, state: BeamState) -> float:
    """Return the light at the sample: 1 when all is aligned at the nominal ring current, 0 when shut."""
    if not state.shutter_open:
        return 0.0
    bare = 1.0 if diffuser_in(truth, state) else truth.bare_gain
    return bare * beam(beamline, truth, state)


def beam(beamline: Beamline, truth: Truth, state: BeamState) -> float:
    """Return the light in front of the experiment shutter: 1 when all is aligned, 0 with no beam."""
    gap_mm, energy = state.gap_mm + truth.gap_offset_mm, energy_ev(beamline, truth, state)
    return wiggler_beam(beamline, truth, state) * undulator_light(beamline, truth, gap_mm, energy)


def wiggler_beam(beamline: Microscope, truth: MicroscopeTruth, state: MicroscopeState) -> float:
    """Return the same of a source that gives all energies alike."""
    reflected = reflectivity(truth, energy_ev(beamline, truth, state))
    return source(beamline, truth, state) * rocking_curve(truth, state) * reflected


def source(beamline: FullField, truth: FullFieldTruth, state: FullFieldState) -> float:
    """Return what the ring sends down an open front end, over that of the nominal current."""
    if not state.front_end_open:
        return 0.0
    ring = max(state.ring_current_ma, 0.0) / beamline.ring.nominal_current_ma
    return ring * (1 + truth.flux_drift * math.sin(2 * math.pi * state.time_s / truth.drift_period_s))


def diffuser_in(truth: Truth, state: BeamState) -> bool:
    """Return whether the beam meets the diffuser."""
    return abs(state.diffuser_x_mm) <= truth.diffuser_half_width_mm


def undulator_light(beamline: Beamline, truth: Truth, gap_mm: float, energy_ev: float) -> float:
    """Return the undulator's light at an energy: sinc^2 lines of the odd harmonics over a weak background.

    Harmonic n of N periods has the line shape sinc^2(n N (E / E_n - 1)) (X-ray Data Booklet, section 2.1).
    """
    undulator = beamline.undulator
    k = deflection_k(gap_mm, undulator.period_mm, undulator.peak_field_t, undulator.field_decay)
    brightest = 0.0
    for n in range(1, _HIGHEST_HARMONIC + 1, 2):
        line = harmonic_energy_ev(k, n, undulator.period_mm, beamline.ring.energy_gev)
        phase = math.pi * n * undulator.periods * (energy_ev / line - 1)
        brightest = max(brightest, (math.sin(phase) / phase) ** 2 if phase else 1.0)
    return (brightest + truth.undulator_background) / (1 + truth.undulator_background)


def reflectivity(truth: MicroscopeTruth, energy_ev: float) -> float:
    """Return what the glitches leave of the crystals' reflectivity."""
    left = 1.0
    for centre_ev, width_ev, depth in truth.glitches:
        left *= 1 - depth * math.exp(-4 * math.log(2) * ((energy_ev - centre_ev) / width_ev) ** 2)
    return left


def rocking_curve(truth: MicroscopeTruth, state: MicroscopeState) -> float:
    """Return what the second crystal passes on; the feedback follows the optimum within its range."""
    optimum = truth.pitch_optimum_urad
    optimum += truth.pitch_drift_urad * math.sin(2 * math.pi * state.time_s / truth.drift_period_s)
    detuning = abs(state.pitch_urad - optimum)
    if state.feedback_on:
        detuning = max(detuning - truth.feedback_range_urad, 0.0)
    return math.exp(-4 * math.log(2) * (detuning / truth.rocking_fwhm_urad) ** 2)


def beam_height_um(beamline: Microscope, truth: MicroscopeTruth, state: MicroscopeState) -> float:
    """Return how far the beam's exit is off: 2 (gap - ideal gap) cos(theta)."""
    theta_deg = bragg_deg(truth, state)
    ideal = monochromator.second_crystal_gap_mm(theta_deg, beamline.monochromator.beam_offset_mm)
    error_mm = state.second_crystal_gap_mm - ideal
    return 2e3 * error_mm * math.cos(math.radians(theta_deg))
