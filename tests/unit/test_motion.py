import math

import numpy as np
import pytest

from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.motion import Trajectory

MOVES = {
    "long": {"target": 10.0},
    "triangular": {"target": 1.0},
    "backwards": {"target": -7.0},
    "under way": {"target": 10.0, "initial_velocity": 1.0},
    "wrong way": {"target": -3.0, "initial_velocity": 2.0},
    "too fast to stop": {"target": 0.5, "initial_velocity": 2.0},
    "faster than cruise": {"target": 20.0, "initial_velocity": 5.0},
}


def trajectory(**kw):
    return Trajectory(start=0.0, velocity=2.0, acceleration_s=1.0, t0=5.0, **kw)


@pytest.mark.parametrize("kw", MOVES.values(), ids=MOVES)
def test_moves_are_continuous_and_end_at_the_target(kw):
    move = trajectory(**kw)
    times = np.linspace(4.0, move.end_time + 1, 4001)
    position = np.array([move.position(t) for t in times])
    velocity = np.array([move.velocity_at(t) for t in times])
    step = times[1] - times[0]
    fastest = max(2.0, abs(kw.get("initial_velocity", 0.0)))
    assert position[-1] == kw["target"]
    assert move.position(move.end_time - 1e-9) == pytest.approx(kw["target"], abs=1e-8)
    assert np.abs(np.diff(position)).max() <= fastest * step * (1 + 1e-9)  # no jump in position
    inside = (times[1:] > 5.0 + step) & (times[1:] < move.end_time - step)
    # no jump in velocity: the acceleration is 2
    assert np.abs(np.diff(velocity))[inside].max() <= 2.0 * step * (1 + 1e-6)
    travelled = np.sum(0.5 * (velocity[1:] + velocity[:-1])[inside]) * step
    assert travelled == pytest.approx(kw["target"], abs=3 * step * fastest)  # trapezoidal rule, two steps cut


def test_times_of_a_known_move():
    move = trajectory(target=10.0)
    assert move.end_time == 5.0 + 10.0 / 2.0 + 1.0
    assert move.position(6.0) == 1.0
    assert move.velocity_at(7.0) == 2.0
    assert not move.moving(4.9)
    assert move.moving(5.0)
    assert not move.moving(11.0)


@pytest.mark.parametrize("kw", MOVES.values(), ids=MOVES)
def test_crossing_time_is_when_the_motor_is_there(kw):
    move = trajectory(**kw)
    for fraction in (0.0, 0.01, 0.3, 0.77, 0.999, 1.0):
        position = fraction * kw["target"]
        time = move.crossing_time(position)
        assert time is not None
        assert move.position(time) == pytest.approx(position, abs=1e-9)  # float64 rounding only


def test_crossing_is_the_first_one_and_none_outside():
    there_and_back = trajectory(target=-3.0, initial_velocity=2.0)
    assert there_and_back.crossing_time(0.5) < 6.0  # on the way out, not on the way back
    assert there_and_back.crossing_time(1.5) is None
    assert trajectory(target=10.0).crossing_time(-0.1) is None
    assert trajectory(target=10.0).crossing_time(10.1) is None


def test_pulse_train_of_a_tomogram_is_evenly_spaced_at_epoch_times():
    move = Trajectory(start=-1.0, target=361.0, velocity=0.2, acceleration_s=0.5, t0=1.8e9)
    times = np.array([move.crossing_time(0.4 * k) for k in range(900)])
    assert np.diff(times) == pytest.approx(2.0, abs=1e-6)  # float64 at 1.8e9 s resolves 2.4e-7 s


@pytest.mark.parametrize("when", [5.2, 6.5, 8.0, 10.5])
def test_stop_brakes_from_where_the_motor_is(when):
    move = trajectory(target=10.0)
    stop = move.stopped(when)
    speed = move.velocity_at(when)
    assert stop.position(when) == pytest.approx(move.position(when), abs=1e-12)
    assert stop.velocity_at(when) == pytest.approx(speed, abs=1e-12)
    assert stop.end_time == pytest.approx(when + speed / 2.0, abs=1e-6)  # v / a
    assert stop.target == pytest.approx(move.position(when) + speed**2 / 4.0)  # v^2 / 2a


def test_a_stop_at_rest_stays():
    rest = Trajectory.at_rest(3.0, 7.0)
    assert rest.end_time == 7.0
    assert rest.stopped(9.0).position(20.0) == 3.0


def test_a_motor_without_speed_is_refused():
    with pytest.raises(ValueError, match="must both be above 0"):
        Trajectory(start=0.0, target=1.0, velocity=0.0, acceleration_s=1.0, t0=0.0)


def test_clock_runs_speed_times_as_fast():
    real = [50.0]
    clock = SimClock(10.0, monotonic=lambda: real[0], epoch_s=1000.0)
    real[0] = 53.0
    assert clock.now() == 1030.0
    assert clock.elapsed() == 30.0
    assert clock.wall_delay(5.0) == 0.5
    assert clock.wall_delay(-5.0) == 0.0


@pytest.mark.parametrize("speed", [0.0, 0.49, math.inf, math.nan])
def test_a_clock_on_which_moves_would_fail_is_refused(speed):
    with pytest.raises(ValueError, match=r"speed: wanted 0\.5 times real time or more"):
        SimClock(speed)
    assert SimClock(0.5).speed == 0.5
