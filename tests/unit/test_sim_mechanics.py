"""Scales that are off and drives with play: what is true differs from what the readings say."""

import math
from dataclasses import replace

import numpy as np
import pytest

from xsn_acq.config import load_beamline
from xsn_acq.sim.alignment import Alignment
from xsn_acq.sim.illumination import outline
from xsn_acq.sim.ioc.world import World
from xsn_acq.sim.motion import Trajectory
from xsn_acq.sim.nominal import nominal_state
from xsn_acq.sim.source import beam, undulator_light
from xsn_acq.sim.truth import Truth

BEAMLINE = load_beamline("pls2-7c-xni")
STATE = replace(nominal_state(BEAMLINE), shutter_open=True)
HC_EV_ANGSTROM = 12398.41984
AXIS_UM = np.linspace(-40.0, 40.0, 9)
FAST = {"velocity": 1.0, "acceleration_s": 0.1}


@pytest.mark.parametrize("offset_deg", [0.004, -0.01])
def test_the_energy_is_that_of_the_true_angle(offset_deg):
    found = Alignment(BEAMLINE, Truth(bragg_offset_deg=offset_deg), STATE).energy_ev
    angle = math.asin(HC_EV_ANGSTROM / 8300.0 / (2 * 3.1356)) + math.radians(offset_deg)
    assert found == pytest.approx(HC_EV_ANGSTROM / (2 * 3.1356 * math.sin(angle)), rel=1e-7)
    # about -590 eV a degree: dE / E = -cot(theta) dtheta
    assert found - 8300.0 == pytest.approx(-8300.0 / math.tan(angle) * math.radians(offset_deg), rel=1e-3)


def test_an_angle_off_by_its_offset_is_right_again_where_the_reading_is_off():
    truth = Truth(bragg_offset_deg=0.02)
    moved = replace(STATE, bragg_deg=STATE.bragg_deg - 0.02)
    assert Alignment(BEAMLINE, truth, moved).energy_ev == pytest.approx(8300.0)
    assert beam(BEAMLINE, truth, moved) == pytest.approx(beam(BEAMLINE, Truth(), STATE))
    # the exit stays where it is, for the second crystal stands right for the true angle
    assert outline(BEAMLINE, truth, moved, AXIS_UM, AXIS_UM) == pytest.approx(
        outline(BEAMLINE, Truth(), STATE, AXIS_UM, AXIS_UM)
    )


def test_the_gap_is_right_where_its_reading_is_off():
    truth = Truth(gap_offset_mm=0.03)
    aligned = beam(BEAMLINE, Truth(), STATE)
    off = replace(STATE, gap_mm=STATE.gap_mm - 0.03)
    assert beam(BEAMLINE, truth, off) == pytest.approx(aligned)
    light = undulator_light(BEAMLINE, Truth(), STATE.gap_mm + 0.03, 8300.0)
    assert light < 0.9
    assert beam(BEAMLINE, truth, STATE) == pytest.approx(light * aligned)


PLAY = Truth(bragg_play_deg=0.002, gap_play_mm=0.01, zone_plate_play_mm=0.005)


@pytest.mark.parametrize(
    ("axis", "field", "play"),
    [("bragg", "bragg_deg", 0.002), ("gap", "gap_mm", 0.01), ("zone_plate_z", "zone_plate_z_mm", 0.005)],
)
def test_play_shows_after_a_motion_down_and_the_past_keeps_it(axis, field, play):
    world = World(BEAMLINE, PLAY)
    motion = world.gap if axis == "gap" else world.axes[axis]
    begin = motion.position(0.0)
    plans = [(10.0, -0.2), (20.0, 0.1), (30.0, 0.1), (40.0, -0.1)]
    for time_s, to in plans:
        motion.go(begin + to, time_s=time_s, **FAST)

    def slack(time_s):
        return getattr(world.state(time_s, time_s), field) - motion.position(time_s)

    moments = [5.0, 15.0, 25.0, 35.0, 45.0]
    # at rest at first; down; up; told to go where it is; down: what was true then stays true
    assert [slack(t) for t in moments] == pytest.approx([0.0, play, 0.0, 0.0, play], abs=1e-12)
    assert slack(10.05) == pytest.approx(play, abs=1e-12)  # on its way
    assert slack(20.05) == pytest.approx(0.0, abs=1e-12)


def test_other_axes_have_no_play():
    worn, tight = World(BEAMLINE, PLAY), World(BEAMLINE)
    for world in (worn, tight):
        for name, motion in world.axes.items():
            if name not in ("bragg", "zone_plate_z"):
                motion.go(motion.position(0.0) - 1.0, time_s=0.0, **FAST)
    assert worn.state(50.0, 51.0) == tight.state(50.0, 51.0)


def test_a_stop_on_the_way_down_leaves_it_down_and_a_way_back_turns_it():
    world = World(BEAMLINE, PLAY)
    motion = world.axes["zone_plate_z"]
    begin = motion.position(0.0)
    motion.go(begin - 5.0, time_s=0.0, **FAST)
    motion.stop(2.0)
    assert motion.heading(3.0) == -1
    motion.go(begin + 5.0, time_s=10.0, **FAST)
    motion.go(begin - 5.0, time_s=11.0, **FAST)  # it brakes first, still going up
    assert [motion.heading(t) for t in (10.5, 11.05, 11.2)] == [1, 1, -1]


def test_direction_of_a_move_that_overshoots():
    move = Trajectory(start=0.0, target=0.5, velocity=2.0, acceleration_s=1.0, t0=5.0, initial_velocity=2.0)
    assert move.direction(5.0) == 0
    assert move.direction(5.5) == 1
    assert move.direction(100.0) == -1
