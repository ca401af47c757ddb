"""The hardware of the simulated 6C over time."""

import pytest

from xsn_acq.config import load_microscope
from xsn_acq.sim.ioc.server import _usual_truth
from xsn_acq.sim.ioc.speckle_world import SpeckleWorld
from xsn_acq.sim.speckle_truth import SpeckleTruth

BEAMLINE = load_microscope("pls2-6c")
NOW_S = 1.8e9


@pytest.fixture
def world():
    return SpeckleWorld(BEAMLINE, NOW_S - 100.0)


def go(world, axis, target, time_s, velocity=1.0):
    world.axes[axis].go(target, velocity=velocity, acceleration_s=1e-6, time_s=time_s)


def test_everything_starts_where_the_file_says(world):
    state = world.state(NOW_S, NOW_S + 0.1)
    assert BEAMLINE.multilayer.energy_ev(state.multilayer_1_deg) == pytest.approx(10_000.0)
    assert state.multilayer_2_deg == state.multilayer_1_deg
    assert (state.diffuser_x_mm, state.sample_x_um) == (0.0, BEAMLINE.geometry.sample_x_centre_um)
    assert (state.front_end_open, state.shutter_open) == (True, False)
    assert state.age_s == pytest.approx(100.05)
    for name, axis in world.axes.items():
        limits = getattr(BEAMLINE.axes, name)
        assert limits.low <= axis.position(NOW_S) <= limits.high, name


def test_theta_counts_at_both_ends_all_else_in_the_middle(world):
    for axis in ("sample_theta", "diffuser_x", "diffuser_y", "sample_z"):
        go(world, axis, 4.0, NOW_S)
    state = world.state(NOW_S + 1.0, NOW_S + 2.0)
    assert (state.theta_start_deg, state.theta_end_deg) == pytest.approx((1.0, 2.0), abs=1e-5)
    found = (state.diffuser_x_mm, state.diffuser_y_mm, state.sample_z_um)
    assert found == pytest.approx((1.5, 1.5, 1.5), abs=1e-5)


def test_a_shutter_that_moves_lets_no_exposure_through(world):
    world.shutter_open.set(True, NOW_S + 0.5)
    seen = [world.state(NOW_S + begin, NOW_S + begin + 0.1).shutter_open for begin in (0.3, 0.45, 0.6)]
    assert seen == [False, False, True]


def test_what_it_hides_when_nothing_is_said():
    assert _usual_truth(BEAMLINE) == SpeckleTruth()
    assert type(_usual_truth(load_microscope("ssrl-6-2c"))).__name__ == "StructuredTruth"
    assert type(_usual_truth(load_microscope("pls2-7c-xni"))).__name__ == "Truth"
