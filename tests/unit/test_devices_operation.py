"""Signals that read back, operations that fail with the cause."""

import math
import threading
import time

import pytest
from ophyd import Signal

from tests.unit.fake_devices import FakeChecked, lose
from xsn_acq.devices.checked import agrees
from xsn_acq.devices.operation import Turns, in_background, wait_until
from xsn_acq.errors import DeviceError

QUICK_S = 0.05


@pytest.fixture
def signal():
    made = FakeChecked("X", name="x", tolerance=0.01)
    made.sim_put(0.0)
    return made


@pytest.mark.parametrize(
    ("wanted", "found", "tolerance", "same"),
    [
        (1.0, 1.0, None, True),
        (1.0, 1.0000001, None, True),
        (1.0, 1.001, None, False),
        (1.0, 1.001, 0.01, True),
        (1.0, math.nan, 1e9, False),
        (0, 0, None, True),
        ("Internal", "Internal", None, True),
        ("Internal", "Rising Edge", None, False),
        (None, 1, None, False),
    ],
)
def test_agrees(wanted, found, tolerance, same):
    assert agrees(wanted, found, tolerance) is same


def test_set_ends_when_the_value_reads_back(signal):
    signal.set(1.0).wait(1)
    assert signal.get() == 1.0


def test_set_fails_when_another_value_reads_back(signal):
    signal.after_put = lambda value: signal.sim_put(value / 2)
    with pytest.raises(DeviceError, match=r"x: set: wanted 4\.0, found 2\.0"):
        signal.set(4.0, timeout=QUICK_S).wait(1)


def test_set_waits_for_a_readback_that_comes_late(signal):
    signal.after_put = lambda value: threading.Timer(QUICK_S, signal.sim_put, [value]).start()
    signal.set(4.0).wait(1)
    assert signal.get() == 4.0


def test_set_fails_when_the_record_dies_and_the_put_still_reports_success(signal):
    """pyepics calls back a put whose IOC has died as if it had succeeded."""
    signal.after_put = lambda value: lose(signal)
    with pytest.raises(DeviceError, match="x: set: wanted connected, found x lost"):
        signal.set(4.0).wait(1)


def test_set_fails_at_once_when_the_record_dies_without_answering(signal):
    signal.after_put = lambda value: None
    signal.put = lambda value, **_: threading.Timer(QUICK_S, lose, [signal]).start()
    begin = time.monotonic()
    with pytest.raises(DeviceError, match="lost"):
        signal.set(4.0, timeout=10).wait(5)
    assert time.monotonic() - begin < 1.0  # far below the 10 s it was given: the loss itself ends it


def test_apply_writes_only_what_differs(signal):
    written = []
    signal.after_put = lambda value: (written.append(value), signal.sim_put(value))
    signal.apply(0.005)  # within the tolerance of 0.01
    assert written == []
    signal.apply(0.5)
    assert written == [0.5]


def test_wait_until_is_false_at_its_deadline():
    assert not wait_until(lambda: False, [], device="d", operation="o", timeout_s=QUICK_S)


def test_wait_until_looks_again_when_a_signal_changes():
    flag = Signal(name="flag", value=0)
    threading.Timer(QUICK_S, flag.put, [1]).start()
    begin = time.monotonic()
    assert wait_until(lambda: flag.get() == 1, [flag], device="d", operation="o", timeout_s=5)
    assert time.monotonic() - begin < 0.4  # before the 0.5 s at which it would look by itself


def test_wait_until_lets_go_of_its_signals():
    flag = Signal(name="flag", value=0)
    wait_until(lambda: False, [flag], device="d", operation="o", timeout_s=0.0)
    assert not any(flag._callbacks.values())


def test_a_foreign_error_is_wrapped_with_device_and_operation():
    def work():
        raise TimeoutError("no answer from 7C:X")

    status = in_background(Signal(name="device"), "prepare", work)
    with pytest.raises(DeviceError, match="device: prepare: wanted done, found TimeoutError: no answer"):
        status.wait(1)


def test_operations_in_turn_do_not_overtake_and_outlive_a_failure():
    turns, done, go_on = Turns(), [], threading.Event()

    def first():
        go_on.wait(1)
        done.append("first")
        raise ValueError

    failing = turns.start(Signal(name="x"), "first", first)
    others = [
        turns.start(Signal(name="x"), word, lambda word=word: done.append(word))
        for word in ("second", "third")
    ]
    assert done == []
    go_on.set()
    for status in others:
        status.wait(1)
    assert done == ["first", "second", "third"]
    with pytest.raises(DeviceError):
        failing.wait(1)


def test_sets_of_a_signal_are_done_in_order(signal):
    written, go_on = [], threading.Event()

    def write(value):
        if not written:
            go_on.wait(1)
        written.append(value)
        signal.sim_put(value)

    signal.after_put = write
    statuses = [signal.set(value) for value in (1.0, 2.0, 3.0)]
    go_on.set()
    for status in statuses:
        status.wait(1)
    assert written == [1.0, 2.0, 3.0]
