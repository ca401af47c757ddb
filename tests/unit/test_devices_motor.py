"""Moves that fail unless they end at the target; derived readings."""

import math
import threading
from types import SimpleNamespace

import pytest

from tests.unit.fake_devices import fake, lose
from xsn_acq.config import load_beamline
from xsn_acq.devices.cutoff import CutoffFilter
from xsn_acq.devices.monochromator import DoubleCrystal
from xsn_acq.devices.motor import Motor
from xsn_acq.devices.shutter import Shutter
from xsn_acq.errors import DeviceError, LimitError
from xsn_acq.optics.monochromator import bragg_angle_deg

AXIS = SimpleNamespace(pv="M", unit="um", low=-100.0, high=100.0, tolerance=0.02, settle_s=0.0, stall_s=5.0)


def at_rest(motor, position=0.0):
    values = {
        "user_readback": position,
        "user_setpoint": position,
        "velocity": 100.0,
        "acceleration": 0.1,
        "low_limit_travel": -90.0,
        "high_limit_travel": 200.0,
        "low_limit_switch": 0,
        "high_limit_switch": 0,
        "motor_done_move": 1,
        "set_use_switch": 0,
        "mode": "Go",
    }
    for name, value in values.items():
        getattr(motor, name).sim_put(value)


class Bench:
    """A motor whose moves end where ``ends_at`` says; ``hold`` keeps a move from ending."""

    def __init__(self):
        self.motor = fake(Motor, "M", axis=AXIS, name="m")
        at_rest(self.motor)
        self.ends_at = lambda target: target
        self.hold = False
        self.answer = None
        self.motor.user_setpoint.put = self._put

    def _put(self, value, *, callback, **_):
        self.motor.motor_done_move.sim_put(0)
        self.answer = callback
        if not self.hold:
            self.finish(self.ends_at(value))

    def finish(self, position):
        self.motor.user_readback.sim_put(position)
        self.motor.motor_done_move.sim_put(1)
        self.answer()


@pytest.fixture
def bench():
    return Bench()


def test_a_move_ends_at_its_target(bench):
    bench.motor.set(12.0).wait(1)
    assert bench.motor.position == 12.0


@pytest.mark.parametrize("off", [0.019, -0.019])
def test_a_move_may_end_within_the_tolerance(bench, off):
    bench.ends_at = lambda target: target + off
    bench.motor.set(12.0).wait(1)


def test_a_move_that_ends_elsewhere_fails(bench):
    bench.ends_at = lambda target: target - 0.5
    with pytest.raises(DeviceError, match=r"m: move: wanted 12\.0 um, found 11\.5 um; stopped short"):
        bench.motor.set(12.0).wait(1)


def test_a_move_that_ends_at_nan_fails(bench):
    bench.ends_at = lambda target: math.nan
    with pytest.raises(DeviceError, match="found nan"):
        bench.motor.set(12.0).wait(1)


def test_a_move_that_ends_on_a_switch_says_so(bench):
    bench.motor.high_limit_switch.sim_put(1)
    bench.ends_at = lambda target: 11.0
    with pytest.raises(DeviceError, match="high limit switch"):
        bench.motor.set(12.0).wait(1)


def test_a_stop_that_is_meant_ends_the_move_well(bench):
    bench.hold = True
    status = bench.motor.set(12.0)
    while bench.answer is None:
        threading.Event().wait(0.001)
    bench.motor.stop(success=True)
    bench.finish(3.0)
    status.wait(1)


def test_a_move_that_is_stopped_before_it_begins_does_not_begin(bench):
    """The stop of an aborted plan comes while the move is still being looked at."""
    looked, go_on = threading.Event(), threading.Event()

    def look(target):
        looked.set()
        go_on.wait(1)

    bench.motor._refuse_when_held = look
    status = bench.motor.set(12.0)
    assert looked.wait(1)
    bench.motor.stop(success=True)
    go_on.set()
    status.wait(1)
    assert bench.answer is None
    bench.motor.set(12.0).wait(1)  # it may be moved again
    assert bench.answer is not None


def test_a_move_that_never_ends_fails_and_stops_the_motor(bench):
    bench.hold = True
    stopped = []
    bench.motor.motor_stop.put = lambda *args, **_: stopped.append(args)
    with pytest.raises(DeviceError, match="still not done"):
        bench.motor.set(12.0, timeout=0.05).wait(1)
    assert stopped


def test_a_record_that_dies_fails_the_move(bench):
    bench.hold = True
    status = bench.motor.set(12.0)
    threading.Timer(0.05, lose, [bench.motor.motor_done_move]).start()
    with pytest.raises(DeviceError, match="lost"):
        status.wait(1)


@pytest.mark.parametrize(
    ("target", "faults"),
    [
        (101.0, ["beamline file"]),  # the record would allow 200
        (-95.0, ["soft limits"]),  # the file would allow -100
        (-101.0, ["beamline file", "soft limits"]),
        (math.nan, ["not a number"]),
        (math.inf, ["not a number"]),
    ],
)
def test_limits_are_refused_before_anything_moves(bench, target, faults):
    with pytest.raises(LimitError) as caught:
        bench.motor.set(target)
    assert len(caught.value.faults) == len(faults)
    assert all(word in line for word, line in zip(faults, caught.value.faults, strict=True))
    assert bench.answer is None


def test_equal_record_limits_mean_no_limits(bench):
    bench.motor.low_limit_travel.sim_put(0.0)
    bench.motor.high_limit_travel.sim_put(0.0)
    bench.motor.set(50.0).wait(1)


@pytest.mark.parametrize(
    ("signal", "value", "hint"), [("mode", "Stop", "SPMG"), ("set_use_switch", 1, "SET")]
)
def test_a_record_that_is_held_is_not_moved(bench, signal, value, hint):
    getattr(bench.motor, signal).sim_put(value)
    with pytest.raises(DeviceError, match=hint):
        bench.motor.set(12.0).wait(1)
    assert bench.answer is None


def test_energy_follows_the_bragg_angle():
    file = load_beamline("pls2-7c-xni")
    axes = {
        name: getattr(file.axes, name) for name in ("bragg", "second_crystal_gap", "second_crystal_pitch")
    }
    spacing = file.monochromator.d_spacing_angstrom
    mono = fake(DoubleCrystal, axes=axes, feedback="FB:", d_spacing_angstrom=spacing, lock_s=1.0, name="mono")
    mono.bragg.user_readback.sim_put(bragg_angle_deg(8333.0, spacing))
    assert mono.energy_ev.get() == pytest.approx(8333.0, rel=1e-12)  # same formula, rounding only
    mono.bragg.user_readback.sim_put(0.0)
    assert math.isnan(mono.energy_ev.get())


def test_edge_frequency_is_that_of_the_beamline_file():
    file = load_beamline("pls2-7c-xni")
    made = fake(
        CutoffFilter,
        axes={"x": file.axes.cutoff_x, "z": file.axes.cutoff_z},
        edge_zero_um=file.geometry.cutoff_x_zero_um,
        lens_diameter_um=file.zone_plate.diameter_um,
        outermost_zone_width_nm=file.zone_plate.outermost_zone_width_nm,
        name="cutoff",
    )
    made.x.user_readback.sim_put(12.0)
    wanted = 1e-6 * file.cutoff_frequency_per_m(12.0, 8333.0)
    assert made.edge_frequency_per_um.get() == pytest.approx(wanted, rel=1e-12)  # rounding only


def test_a_shutter_that_does_not_follow_fails():
    shutter = fake(Shutter, "S:", name="shutter")
    shutter.status.sim_put("Closed")
    with pytest.raises(DeviceError, match="shutter: set: wanted open, found closed"):
        shutter.set("open", timeout=0.05).wait(1)
    shutter.command.after_put = lambda value: shutter.status.sim_put("Open")
    shutter.set("open").wait(1)
    assert shutter.is_open
    with pytest.raises(ValueError, match="'ajar' is not one of open, closed"):
        shutter.set("ajar")


def test_a_shutter_that_hangs_while_it_opens_is_shut_at_once():
    """A pause does not wait for an opening that never ends; the opening ends without a complaint."""
    shutter = fake(Shutter, "S:", name="shutter")
    shutter.status.sim_put("Moving")
    commands, sent = [], threading.Event()

    def follow(command):
        commands.append(command)
        sent.set()
        if command == "Close":
            shutter.status.sim_put("Closed")

    shutter.command.after_put = follow
    opening = shutter.set("open")
    assert sent.wait(1)
    asked = [opening, *(shutter.set(word) for word in ("closed", "open", "closed"))]
    for status in asked:
        status.wait(1)
    assert commands[0] == "Open"
    assert commands[-1] == "Close"
    assert shutter.state() == "closed"
