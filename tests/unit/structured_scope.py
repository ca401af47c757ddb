"""Small samples, a small camera and states for the simulated microscope with structured light."""

from dataclasses import replace

import numpy as np

from xsn_acq.config import load_microscope
from xsn_acq.optics.monochromator import bragg_angle_deg, second_crystal_gap_mm
from xsn_acq.sim.boxes import Box
from xsn_acq.sim.cathodes import COBALT
from xsn_acq.sim.ioc.structured_world import StructuredWorld
from xsn_acq.sim.phantoms import Phantom
from xsn_acq.sim.state import CameraSettings
from xsn_acq.sim.structured_truth import StructuredTruth

BEAMLINE = load_microscope("ssrl-6-2c")
BLOCK = Phantom("block", (Box((0.3, -0.2, 0.0), (1.0, 1.0, 1.0), COBALT),))
DOT = Phantom("dot", (Box((0.6, 0.4, 0.0), (0.4, 0.4, 0.1), COBALT),))
CAMERA = CameraSettings(0.5, 1600 - 64, 1600 - 64, 128, 128, 2)
"""64 x 64 binned pixels, 3.2 um."""
STILL = StructuredTruth(pattern_shift_nm=0.0, sample_return_nm=0.0, drift_x_nm=0.0, drift_y_nm=0.0)
BARE = replace(STILL, light=replace(STILL.light, coarse_coverage=1e-9, fine_coverage=1e-9, condenser_na=0.0))
"""Sheets without grains, and light that stays the same along the beam."""
OPEN = replace(StructuredWorld(BEAMLINE, STILL).state(1.8e9, 1.8e9 + 0.5), shutter_open=True)
SAMPLE_OUT = {"sample_x_um": BEAMLINE.geometry.sample_out_um}
OUT = replace(OPEN, **SAMPLE_OUT)
CO_KA_EV, FE_KA_EV = 6925.0, 6399.0
"""X-ray Data Booklet, table 1-3."""


def at_energy(state, energy_ev):
    """With crystals and zone plate moved to an energy."""
    mono = BEAMLINE.monochromator
    bragg_deg = bragg_angle_deg(energy_ev, mono.d_spacing_angstrom)
    gap_mm = second_crystal_gap_mm(bragg_deg, mono.beam_offset_mm)
    zone_plate_z_mm = BEAMLINE.nominal_zone_plate_z_mm(energy_ev)
    return replace(state, bragg_deg=bragg_deg, second_crystal_gap_mm=gap_mm, zone_plate_z_mm=zone_plate_z_mm)


def line(spectrum, energy_ev):
    """Counts above the background beside it, in 240 eV about an energy; bins are 10 eV."""
    middle = round(energy_ev / 10)
    core = np.asarray(spectrum[middle - 12 : middle + 12], float).sum()
    beside = np.asarray(spectrum[middle - 24 : middle - 12], float).sum()
    return core - 2 * beside


def photons(scope, state, camera=CAMERA):
    return scope.photons(state, camera).astype(float)
