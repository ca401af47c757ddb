"""What an energy change asks of devices: motors that settle and do not stall, feedback, beam monitor."""

import math
import threading
import time
from types import SimpleNamespace

import pytest

from tests.unit.fake_devices import fake
from tests.unit.test_devices_motor import AXIS, Bench
from xsn_acq.config import load_beamline
from xsn_acq.devices.beam_monitor import BeamMonitor
from xsn_acq.devices.monochromator import DoubleCrystal
from xsn_acq.devices.motor import Motor
from xsn_acq.devices.operation import Progress, wait_steady
from xsn_acq.errors import DeviceError

FILE = load_beamline("pls2-7c-xni")
SETTLE_S, STALL_S = 0.05, 0.1
ENOUGH_S = 2.0


@pytest.mark.parametrize(
    ("true", "steady_s", "least_s"), [(True, 0.05, 0.05), (True, 0.0, 0.0), (False, 0.05, 0.2)]
)
def test_steady_is_what_stays_so_for_a_time(true, steady_s, least_s):
    begin = time.monotonic()
    found = wait_steady(lambda: true, (), steady_s=steady_s, device="d", operation="o", timeout_s=0.2)
    assert found is true
    assert time.monotonic() - begin >= least_s


def test_what_leaves_its_band_begins_anew(monkeypatch):
    """By a clock that goes on 10 ms at each look: in its band, once outside, then in it for good."""
    clock = SimpleNamespace(now_s=0.0, looks=0)

    def monotonic():
        clock.now_s += 0.01
        return clock.now_s

    def in_its_band():
        clock.looks += 1
        return clock.looks != 4

    monkeypatch.setattr("xsn_acq.devices.operation.time", SimpleNamespace(monotonic=monotonic))
    assert wait_steady(in_its_band, (), steady_s=0.045, device="d", operation="o", timeout_s=ENOUGH_S)
    assert clock.looks == 10  # from the fifth on, 50 ms: more than 45


def test_progress_is_any_change():
    now = SimpleNamespace(s=0.0)
    progress, told = Progress(5.0, clock=lambda: now.s), []
    for now.s, position in (
        (0.0, 1.0),
        (4.0, 1.0),
        (4.5, 1.1),
        (9.0, 1.1),
        (9.4, 1.1),
        (9.6, 1.1),
        (9.7, 1.0),
    ):
        told.append(progress.stalled(position))
    assert told == [False, False, False, False, False, True, False]


def motor_bench(**facts):
    """A bench whose motor has other facts."""
    made = Bench()
    made.motor.axis = type("Axis", (), {**vars(AXIS), **facts})()
    return made


def test_a_move_ends_when_it_has_settled():
    bench = motor_bench(settle_s=SETTLE_S)
    begin = time.monotonic()
    bench.motor.set(12.0).wait(ENOUGH_S)
    assert time.monotonic() - begin >= SETTLE_S


def test_a_motor_that_drifts_off_has_not_arrived(monkeypatch):
    """It is there when it is asked, and no longer when it is looked at."""
    monkeypatch.setattr("xsn_acq.devices.motor._SETTLE_TIMEOUT_S", 0.1)
    bench = motor_bench(settle_s=SETTLE_S)
    bench.ends_at = lambda target: 12.5
    asked = iter((0.0, 12.0))
    bench.motor._readback_now = lambda: next(asked, 12.5)
    with pytest.raises(DeviceError, match=r"found 12\.5 um; did not stay there for 0\.05 s"):
        bench.motor.set(12.0).wait(ENOUGH_S)


def test_a_motor_that_stands_still_fails_soon():
    bench = motor_bench(stall_s=STALL_S)
    bench.hold, stopped = True, []
    bench.motor.motor_stop.put = lambda *args, **_: stopped.append(args)
    with pytest.raises(
        DeviceError, match=r"wanted 12\.0 um, found 0\.0 um; does not move after 0\.1 s; stopped"
    ):
        bench.motor.set(12.0).wait(ENOUGH_S)
    assert stopped


def test_a_motor_that_does_not_know_where_it_is_stays_there():
    bench = Bench()
    bench.motor.user_readback.sim_put(math.nan)
    with pytest.raises(DeviceError, match="its readback is not a number"):
        bench.motor.set(12.0).wait(ENOUGH_S)
    assert bench.answer is None


def fails(status):
    with pytest.raises(DeviceError) as caught:
        status.wait(ENOUGH_S)
    return str(caught.value)


@pytest.fixture
def mono():
    axes = {
        name: getattr(FILE.axes, name) for name in ("bragg", "second_crystal_gap", "second_crystal_pitch")
    }
    made = fake(DoubleCrystal, axes=axes, feedback="FB:", d_spacing_angstrom=3.1356, lock_s=0.1, name="mono")
    made.feedback.command.sim_put("Off")
    made.feedback.locked.sim_put("No")
    return made


def test_the_feedback_is_on_when_it_holds_the_beam(mono):
    status = mono.feedback.set("on")
    threading.Timer(0.05, mono.feedback.locked.sim_put, ["Yes"]).start()
    status.wait(ENOUGH_S)
    assert mono.feedback.is_locked
    mono.feedback.set("off").wait(ENOUGH_S)
    assert not mono.feedback.is_locked


def test_a_feedback_that_finds_no_beam_fails_in_its_time(mono):
    begin = time.monotonic()
    assert fails(mono.feedback.set("on")) == (
        "mono_feedback: lock: wanted Yes, found No; waited 0.1 s; is there beam on the crystals?"
    )
    assert time.monotonic() - begin < 1.0  # far below the 10 s of switching it


def test_the_beam_monitor_counts_for_the_time_asked_for():
    monitor = fake(BeamMonitor, "I0:", name="beam_monitor")
    for name, value in (("preset_s", 1.0), ("count_now", "Done"), ("counts", 0.0)):
        getattr(monitor, name).sim_put(value)
    monitor.count_now.after_put = lambda value: monitor.counts.sim_put(1e5 * monitor.preset_s.get())
    monitor.count(0.25).wait(ENOUGH_S)
    assert monitor.preset_s.get() == 0.25
    assert monitor.rate() == 1e5
    monitor.preset_s.sim_put(0.5)
    monitor.trigger().wait(ENOUGH_S)
    assert monitor.counts.get() == 5e4


def test_limits_of_several_places_are_asked_for_once():
    motor = fake(Motor, "M", axis=AXIS, name="m")
    motor.low_limit_travel.sim_put(-90.0)
    motor.high_limit_travel.sim_put(90.0)
    assert motor.limit_faults(0.0, 50.0) == []
    assert len(motor.limit_faults(0.0, -95.0, 101.0, math.nan)) == 4  # 101 passes both limits
