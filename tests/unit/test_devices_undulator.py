"""The undulator: its moves end at the target, or fail with what was found and why."""

import math
import threading
import time

import pytest

from tests.unit.fake_devices import fake
from xsn_acq.config import load_beamline
from xsn_acq.devices.undulator import Undulator
from xsn_acq.errors import DeviceError, LimitError

FILE = load_beamline("pls2-7c-xni")
SETTLE_S, STALL_S = 0.05, 0.1
ENOUGH_S = 2.0


class UndulatorBench:
    """An undulator whose moves end at once where ``ends_at`` says; ``hold`` leaves it busy."""

    def __init__(self, **facts):
        source = FILE.undulator
        values = {"low_mm": 5.0, "high_mm": 30.0, "speed_mm_s": 0.5, "tolerance_mm": 0.001} | facts
        self.undulator = fake(Undulator, "U:", suffixes=dict(source.suffixes), name="undulator", **values)
        for name, value in (
            ("gap", 8.0),
            ("gap_set", 8.0),
            ("busy", 0),
            ("device_busy", 0),
            ("deadband", 0.0),
        ):
            getattr(self.undulator, name).sim_put(value)
        self.ends_at, self.hold, self.answer = lambda target: target, False, None
        self.started, self.stopped = threading.Event(), []
        self.undulator.start_now.put = self._start
        self.undulator.stop_now.put = self._stop

    def _start(self, value, *, callback, **_):
        self.undulator.busy.sim_put(1)
        self.answer = callback
        self.started.set()
        if not self.hold:
            self.finish(self.ends_at(self.undulator.gap_set.get()))

    def finish(self, gap):
        self.undulator.gap.sim_put(gap)
        self.undulator.busy.sim_put(0)
        self.answer()

    def _stop(self, *args, **_):
        self.stopped.append(args)
        if self.answer is not None:
            self.finish(self.undulator.gap.get())


def fails(status):
    with pytest.raises(DeviceError) as caught:
        status.wait(ENOUGH_S)
    return str(caught.value)


def test_the_gap_ends_at_its_target():
    bench = UndulatorBench(settle_s=SETTLE_S)
    begin = time.monotonic()
    bench.undulator.set(7.5).wait(ENOUGH_S)
    assert time.monotonic() - begin >= SETTLE_S
    assert bench.undulator.gap.get() == 7.5


@pytest.mark.parametrize("gap", [4.9, 30.1, math.nan])
def test_a_gap_beyond_the_limits_is_refused(gap):
    bench = UndulatorBench()
    with pytest.raises(LimitError, match=r"is outside 5\.0 to 30\.0 mm"):
        bench.undulator.set(gap)
    assert bench.answer is None


def test_a_dead_band_is_refused():
    bench = UndulatorBench()
    bench.undulator.deadband.sim_put(0.01)
    with pytest.raises(LimitError, match=r"dead band is 0\.01 mm and must be 0"):
        bench.undulator.set(7.5)


def test_a_gap_that_ends_elsewhere_fails(monkeypatch):
    monkeypatch.setattr("xsn_acq.devices.undulator._ARRIVAL_S", 0.05)
    bench = UndulatorBench()
    bench.ends_at = lambda target: target + 0.0011
    assert fails(bench.undulator.set(7.5)) == (
        "undulator: set gap: wanted 7.5 mm, found 7.5011 mm; stopped before it arrived"
    )


def test_a_gap_that_drifts_off_has_not_arrived(monkeypatch):
    monkeypatch.setattr("xsn_acq.devices.undulator._SETTLE_TIMEOUT_S", 0.1)
    bench = UndulatorBench(settle_s=SETTLE_S)
    bench.ends_at = lambda target: 7.6
    asked = iter((8.0, 7.5))
    bench.undulator._gap_now = lambda: next(asked, 7.6)
    assert "found 7.6 mm; did not stay there for 0.05 s" in fails(bench.undulator.set(7.5))


def test_a_gap_that_is_busy_and_does_not_move_is_stopped():
    bench = UndulatorBench(stall_s=STALL_S)
    bench.hold = True
    assert fails(bench.undulator.set(7.5)) == (
        "undulator: set gap: wanted 7.5 mm, found 8.0 mm; busy, but the gap does not move for 0.1 s; "
        "stopped: are the brakes on?"
    )
    assert bench.stopped


def test_a_gap_that_takes_too_long_is_stopped():
    bench = UndulatorBench()
    bench.hold = True
    assert "still busy after 0.1 s; stopped" in fails(bench.undulator.set(7.5, timeout=0.1))
    assert bench.stopped


def test_a_stop_that_is_meant_ends_the_move_well():
    bench = UndulatorBench()
    bench.hold = True
    status = bench.undulator.set(7.5)
    assert bench.started.wait(ENOUGH_S)
    bench.undulator.stand().wait(ENOUGH_S)
    status.wait(ENOUGH_S)
    assert bench.undulator.gap.get() == 8.0


def test_any_other_stop_fails_the_move(monkeypatch):
    monkeypatch.setattr("xsn_acq.devices.undulator._ARRIVAL_S", 0.05)
    bench = UndulatorBench()
    bench.hold = True
    status = bench.undulator.set(7.5)
    assert bench.started.wait(ENOUGH_S)
    bench.undulator.stop()
    assert "stopped before it arrived" in fails(status)


def test_a_gap_that_is_stopped_before_it_starts_does_not_start():
    """The stop of an abort comes while the set point is still being written."""
    bench = UndulatorBench()
    writing, go_on = threading.Event(), threading.Event()

    def write(value):
        writing.set()
        go_on.wait(ENOUGH_S)
        bench.undulator.gap_set.sim_put(value)

    bench.undulator.gap_set.after_put = write
    status = bench.undulator.set(7.5)
    assert writing.wait(ENOUGH_S)
    bench.undulator.stop(success=True)
    go_on.set()
    status.wait(ENOUGH_S)
    assert not bench.started.is_set()
    bench.undulator.set(7.4).wait(ENOUGH_S)  # it may be moved again
    assert bench.undulator.gap.get() == 7.4


def test_a_gap_that_does_not_know_where_it_is_stays_there():
    bench = UndulatorBench()
    bench.undulator.gap.sim_put(math.nan)
    assert "the gap readback is not a number" in fails(bench.undulator.set(7.5))
    assert not bench.started.is_set()
