"""Motion and states over time, gates and pulses, exposures: the arithmetic under the PVs."""

import math

import pytest

from xsn_acq.config import load_beamline
from xsn_acq.sim.ioc.exposures import ExposureTimer
from xsn_acq.sim.ioc.pulses import PulseGenerator, PulseSettings
from xsn_acq.sim.ioc.timeline import AxisMotion, Steps
from xsn_acq.sim.ioc.world import World
from xsn_acq.sim.state import CameraSettings

SETTINGS = CameraSettings(exposure_s=1.0, min_x=0, min_y=0, size_x=64, size_y=64)


def turning(start=0.0, target=100.0, velocity=1.0, acceleration_s=1.0, time_s=0.0):
    axis = AxisMotion(start, -1000.0, 1000.0)
    axis.go(target, velocity=velocity, acceleration_s=acceleration_s, time_s=time_s)
    return axis


def pulse_settings(**changes):
    values = {
        "direction": 1, "gate_source": "Position", "gate_start": 10.0, "gate_width": 5.25, "gate_step": 20.0,
        "gates": 1, "pulse_source": "Position", "pulse_start": 0.0, "pulse_step": 0.5, "pulse_width": 0.001,
        "pulse_max": 10,
    }  # fmt: skip
    return PulseSettings(**(values | changes))


def test_the_past_is_remembered_through_stop_and_new_move():
    axis = turning()
    axis.stop(10.0)
    axis.go(0.0, velocity=2.0, acceleration_s=1.0, time_s=20.0)
    assert axis.position(-5.0) == 0.0
    assert axis.position(10.0) == pytest.approx(9.5)  # half a second lost to acceleration
    assert axis.position(15.0) == pytest.approx(10.0)  # and half a degree to braking
    assert axis.position(100.0) == 0.0
    assert axis.velocity(5.0) == 1.0


def test_a_move_ends_at_the_hard_limit():
    axis = turning(target=5000.0, velocity=100.0)
    assert axis.position(1e6) == 1000.0


@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_pulses_do_not_depend_on_how_often_somebody_looks(pieces):
    generator = PulseGenerator(pulse_settings(), turning(), 1e-4, 0.0)
    pulses = [p for i in range(pieces) for p in generator.advance(40.0 * (i + 1) / pieces)]
    # position = t - 0.5 once the speed of 1 degree a second is reached
    assert [p.time_s for p in pulses] == pytest.approx([10.5 + 0.5 * i for i in range(10)], abs=1e-9)
    assert [p.position for p in pulses] == pytest.approx([10.0 + 0.5 * i for i in range(10)], abs=1e-12)
    assert generator.finished


def test_pulses_going_down():
    settings = pulse_settings(direction=-1, gate_start=-10.0, pulse_max=4)
    generator = PulseGenerator(settings, turning(target=-100.0), 1e-4, 0.0)
    assert [p.position for p in generator.advance(40.0)] == pytest.approx([-10.0, -10.5, -11.0, -11.5])


def test_passing_the_gate_the_wrong_way_fires_nothing():
    generator = PulseGenerator(pulse_settings(), turning(start=30.0, target=0.0), 1e-4, 0.0)
    assert generator.advance(100.0) == []


def test_gates_repeat():
    generator = PulseGenerator(pulse_settings(gates=2, pulse_max=2), turning(), 1e-4, 0.0)
    assert [p.position for p in generator.advance(90.0)] == pytest.approx([10.0, 10.5, 30.0, 30.5])


def test_a_stage_that_stops_in_the_gate_keeps_it_armed():
    axis = turning()
    axis.stop(12.0)
    generator = PulseGenerator(pulse_settings(), axis, 1e-4, 0.0)
    assert len(generator.advance(1000.0)) == 5  # it comes to rest at 12.0 degrees, on the fifth position
    assert not generator.finished


def test_external_pulses_count_only_inside_the_gate():
    generator = PulseGenerator(pulse_settings(pulse_source="External", pulse_max=0), turning(), 1e-4, 0.0)
    generator.external([2.0, 11.0, 12.0, 50.0])
    assert [p.time_s for p in generator.advance(100.0)] == [11.0, 12.0]


def test_a_trigger_during_exposure_or_readout_is_ignored():
    timer = ExposureTimer()
    timer.start(SETTINGS, mode="Rising Edge", readout_s=0.2, count=10, time_s=0.0)
    taken = [timer.trigger(t, 0.001) for t in (1.0, 1.5, 2.1, 2.2, 5.0)]
    assert taken == [True, False, False, True, True]
    assert [shot.begin_s for shot in timer.ready(4.0)] == [1.0, 2.2]
    assert [shot.begin_s for shot in timer.ready(10.0)] == [5.0]


def test_internal_exposures_follow_each_other():
    timer = ExposureTimer()
    timer.start(SETTINGS, mode="Internal", readout_s=0.5, count=3, time_s=100.0)
    assert [shot.begin_s for shot in timer.free_run(500.0)] == [100.0, 101.5, 103.0]


def test_stop_keeps_what_was_read_out():
    timer = ExposureTimer()
    timer.start(SETTINGS, mode="Internal", readout_s=0.5, count=None, time_s=0.0)
    timer.free_run(4.0)
    timer.stop(3.2)
    assert [shot.begin_s for shot in timer.ready(100.0)] == [0.0, 1.5]
    assert timer.free_run(100.0) == []


@pytest.mark.parametrize(("start", "target", "direction"), [(0.0, 30.0, 1), (30.0, 0.0, -1)])
def test_a_pulse_over_a_way_lasts_as_long_as_the_axis_needs_for_it(start, target, direction):
    """A quarter of a degree at 2 degrees a second; a pulse in time is as long as is said."""
    settings = pulse_settings(pulse_width=0.25, direction=direction)
    axis = turning(start=start, target=target, velocity=2.0)
    pulses = PulseGenerator(settings, axis, 1e-4, 0.0).advance(100.0)
    assert [pulse.width_s for pulse in pulses] == pytest.approx([0.125] * 10)
    timed = pulse_settings(pulse_source="Time", pulse_width=0.25, direction=direction)
    assert {pulse.width_s for pulse in PulseGenerator(timed, axis, 1e-4, 0.0).advance(100.0)} == {0.25}


def test_gate_width_is_the_exposure():
    timer = ExposureTimer()
    timer.start(SETTINGS, mode="Exp. Gate", readout_s=0.5, count=1, time_s=0.0)
    timer.trigger(1.0, 0.25)
    (shot,) = timer.ready(10.0)
    assert shot.end_s == 1.25


def test_steps_may_be_announced_ahead_and_withdrawn():
    shutter = Steps(value=False)
    shutter.set(True, 10.0)
    shutter.set(False, 9.0)
    assert not shutter.at(11.0)
    assert shutter.during(0.0, 20.0) == [False, False]


def test_the_beam_during_an_exposure_follows_the_past():
    world = World(load_beamline("pls2-7c-xni"))
    theta = world.axes["sample_theta"]
    theta.go(100.0, velocity=1.0, acceleration_s=1.0, time_s=1000.0)
    world.shutter_open.set(True, 1005.0)
    world.dumped.set(True, 1020.0)
    before = world.state(1004.0, 1006.0)
    assert (before.theta_start_deg, before.theta_end_deg) == pytest.approx((3.5, 5.5))
    assert not before.shutter_open
    open_ = world.state(1006.0, 1008.0)
    assert open_.shutter_open
    assert 0.99 < open_.ring_current_ma / 400.0 <= 1.0
    assert world.state(1021.0, 1022.0).ring_current_ma == 0.0
    assert math.isclose(before.time_s, 1005.0)
