"""What the simulated microscope with structured light can be told to hide: all of it matters."""

from dataclasses import fields, replace

import numpy as np
import pytest

from xsn_acq.cli.main import main
from xsn_acq.config import load_microscope
from xsn_acq.optics.monochromator import bragg_angle_deg
from xsn_acq.sim.boxes import Box
from xsn_acq.sim.cathodes import COBALT
from xsn_acq.sim.hidden import hidden_numbers, hidden_truth
from xsn_acq.sim.ioc.structured_world import StructuredWorld
from xsn_acq.sim.phantoms import Phantom
from xsn_acq.sim.state import CameraSettings
from xsn_acq.sim.structured_microscope import StructuredMicroscope
from xsn_acq.sim.structured_truth import StructuredTruth

BEAMLINE = load_microscope("ssrl-6-2c")
DOT = Phantom("dot", (Box((0.2, -0.1, 0.0), (0.4, 0.4, 0.1), COBALT),))
CAMERA = CameraSettings(0.5, 1600 - 32, 1600 - 32, 64, 64, 4)
NOW_S = 1.8e9
KNOWN = hidden_numbers(StructuredTruth())


def seen(truth):
    """Image and spectrum with nothing in its place, at another energy than the one that truths hold at.

    Drives whose play counts come from above; the feedback does not reach the second crystal's optimum.
    """
    world = StructuredWorld(BEAMLINE, truth)
    there = {
        "bragg": bragg_angle_deg(9100.0, BEAMLINE.monochromator.d_spacing_angstrom),
        "second_crystal_pitch": 80.0,
        "zone_plate_z": BEAMLINE.nominal_zone_plate_z_mm(9100.0),
        "condenser_yaw": 100.0,
        "condenser_pitch": -100.0,
        "pinhole_x": 14.5,
        "sample_x": 0.1,
        "sample_z": 5.0,
    }
    for begin_s, above in ((NOW_S, 0.1), (NOW_S + 100.0, 0.0)):
        for axis, place in there.items():
            world.axes[axis].go(place + above, velocity=1e3, acceleration_s=1e-6, time_s=begin_s)
    state = replace(world.state(NOW_S + 200.0, NOW_S + 200.5), shutter_open=True)
    scope = StructuredMicroscope(BEAMLINE, DOT, truth)
    return [scope.photons(state, CAMERA), scope.arriving(state), scope.spectrum(state, 3, times=100.0)[0]]


@pytest.fixture(scope="module")
def usual():
    return seen(StructuredTruth())


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_each_value_changes_image_or_spectrum(usual, name):
    other = seen(hidden_truth([f"{name}={0.5 * KNOWN[name] or 0.1}"], StructuredTruth()))
    assert not all(np.allclose(a, b, rtol=1e-5, atol=0.0) for a, b in zip(usual, other, strict=True))


def test_no_name_stands_for_two_values():
    truth = StructuredTruth()
    parts = (truth, truth.light, truth.fluorescence, truth.fluorescence.response)
    names = [
        each.name for part in parts for each in fields(part) if isinstance(getattr(part, each.name), float)
    ]
    assert sorted(names) == sorted(KNOWN)


def test_parts_keep_what_they_are_not_told():
    usual = StructuredTruth()
    truth = hidden_truth(["demagnification=20", "tail_share=0.02", "dead_time_ratio=1.1"], usual)
    assert truth.light == replace(usual.light, demagnification=20.0)
    response = replace(usual.fluorescence.response, tail_share=0.02)
    assert truth.fluorescence == replace(usual.fluorescence, response=response)
    assert truth == replace(usual, light=truth.light, fluorescence=truth.fluorescence, dead_time_ratio=1.1)


@pytest.mark.parametrize("name", ["stray_light", "gap_offset_mm", "rotation_roll_deg"])
def test_what_only_another_technique_hides_is_refused(capsys, name):
    assert main(["sim", "ssrl-6-2c", "--port", "1", "--hidden", f"{name}=0.1"]) != 0
    told = capsys.readouterr().err
    assert f"no truth '{name}' on this beamline; known: " in told
    assert "demagnification" in told
    assert len(told.splitlines()) == 1
