"""How much of the beam the condenser of the simulated microscope with structured light gets."""

from dataclasses import replace

import pytest

from xsn_acq.config import load_microscope
from xsn_acq.optics.monochromator import bragg_angle_deg, second_crystal_gap_mm
from xsn_acq.sim.boxes import Box
from xsn_acq.sim.cathodes import COBALT
from xsn_acq.sim.ioc.structured_world import StructuredWorld
from xsn_acq.sim.phantoms import Phantom
from xsn_acq.sim.state import CameraSettings
from xsn_acq.sim.structured_microscope import StructuredMicroscope
from xsn_acq.sim.structured_truth import StructuredTruth

BEAMLINE, TRUTH = load_microscope("ssrl-6-2c"), StructuredTruth(pattern_shift_nm=0.0)
DOT = Phantom("dot", (Box((0.2, -0.1, 0.0), (0.4, 0.4, 0.1), COBALT),))
CAMERA = CameraSettings(0.5, 1600 - 32, 1600 - 32, 64, 64, 4)
OPEN = replace(StructuredWorld(BEAMLINE, TRUTH).state(1.8e9, 1.8e9 + 0.5), shutter_open=True)


@pytest.fixture(scope="module")
def scope():
    return StructuredMicroscope(BEAMLINE, DOT, TRUTH)


def light(scope, state):
    """Light in the image and in the spectrum."""
    return [float(scope.photons(state, CAMERA).sum(dtype=float)), float(scope.arriving(state).sum())]


def test_as_the_crystals_gap_goes_off_the_light_goes_past_the_condenser(scope):
    aligned = light(scope, OPEN)
    off, far = (
        light(scope, replace(OPEN, second_crystal_gap_mm=OPEN.second_crystal_gap_mm + gap_mm))
        for gap_mm in (0.1, 1.0)
    )
    # 2 gap cos(12.69 degrees) = 195.1 um of 200 um: exp(-0.9755^2 / 2)
    assert [a / b for a, b in zip(off, aligned, strict=True)] == pytest.approx([0.6214] * 2, rel=1e-3)
    assert max(a / b for a, b in zip(far, aligned, strict=True)) < 1e-9


def test_a_gap_that_follows_the_bragg_angle_keeps_the_light(scope):
    mono = BEAMLINE.monochromator
    bragg = bragg_angle_deg(8000.0, mono.d_spacing_angstrom)
    gap_mm = second_crystal_gap_mm(bragg, mono.beam_offset_mm)
    left = replace(OPEN, bragg_deg=bragg)
    followed = replace(left, second_crystal_gap_mm=gap_mm)
    past, on = light(scope, left), light(scope, followed)
    # ideal gaps are 10.2504 mm at 9000 eV and 10.3201 mm at 8000 eV: 135.1 um of 200 um, exp(-0.6757^2 / 2)
    assert [a / b for a, b in zip(past, on, strict=True)] == pytest.approx([0.7959] * 2, rel=1e-3)
