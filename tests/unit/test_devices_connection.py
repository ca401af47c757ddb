"""Records that do not answer: one line for each device, a single one when none does."""

from threading import Event
from types import SimpleNamespace

import pytest
from ophyd.status import StatusBase
from ophyd.utils import ReadOnlyError

from xsn_acq.devices.connection import READ_S, connection_faults, operation_faults, sought_where
from xsn_acq.errors import DeviceError, UnansweredError


class Record:
    def __init__(self, pvname, connected):
        self.pvname, self.connected = pvname, connected is not False
        self.busy, self.slow = connected == "busy", connected == "slow"

    def wait_for_connection(self, timeout):
        assert 0 < timeout <= 0.1
        if not self.connected:
            Event().wait(timeout)
            raise TimeoutError

    def get(self, use_monitor, timeout):
        assert not use_monitor
        assert 0 < timeout <= READ_S
        if self.busy or (self.slow and timeout < 1.0):
            raise TimeoutError


def device(name, **records):
    walked = [SimpleNamespace(item=Record(pv, there)) for pv, there in records.items()]
    soft = SimpleNamespace(item=SimpleNamespace(name="soft", connected=True))
    return SimpleNamespace(name=name, walk_signals=lambda: [*walked, soft])


def test_nothing_to_tell_when_all_answer():
    assert connection_faults([device("ring", Current=True), device("shutter", Sts=True)], 0.1) == []


def test_an_ioc_that_is_connected_but_answers_nothing_yet_is_waited_for():
    (line,) = connection_faults([device("ring", Current=True), device("sample", a=True, b="busy")], 0.1)
    assert line == "sample: b did not answer within 0.1 s; is the IOC running?"


def test_every_device_with_silent_records_is_named():
    devices = [
        device("ring", Current=True),
        device("shutter", Sts=False),
        device("camera", a=False, b=True, c=False),
    ]
    assert connection_faults(devices, 0.1) == [
        "shutter: Sts did not answer within 0.1 s; is the IOC running?",
        "camera: a and 1 more did not answer within 0.1 s; is the IOC running?",
    ]


def test_one_that_is_away_does_not_take_the_time_of_those_that_answer():
    """The wait for the first leaves nothing of the time; the others get that of a read all the same."""
    (line,) = connection_faults([device("ring", Current=False), device("sample", a="slow")], 0.1)
    assert line.startswith("ring: Current did not answer")


def test_when_none_answers_one_line_says_where_they_were_sought(monkeypatch):
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "10.0.0.1 10.0.0.2")
    monkeypatch.setenv("EPICS_CA_AUTO_ADDR_LIST", "NO")
    monkeypatch.setenv("EPICS_CA_SERVER_PORT", "6064")
    (line,) = connection_faults([device("ring", Current=False), device("camera", a=False, b=False)], 0.1)
    assert "sought Current and 2 more at 10.0.0.1, 10.0.0.2, port 6064; start the IOC" in line


@pytest.mark.parametrize(
    ("environment", "where"),
    [
        ({}, "on this machine's networks, port 5064"),
        ({"EPICS_CA_ADDR_LIST": "a"}, "at a and on this machine's networks, port 5064"),
        ({"EPICS_CA_AUTO_ADDR_LIST": "no"}, "nowhere, port 5064"),
    ],
)
def test_where(environment, where):
    assert sought_where(environment) == where


def test_what_is_made_safe_does_not_stop_at_an_error_of_any_kind():
    """A gateway that lets nobody write: told, and the next part is tried."""

    def refused():
        raise ReadOnlyError("theta.STOP")

    done = StatusBase()
    done.set_finished()
    answering, silent = device("theta", Stop=True), device("camera", Acquire=False)
    assert operation_faults(answering, refused, 0.1) == ["theta: theta.STOP"]
    assert operation_faults(answering, lambda: done, 0.1) == []
    (line,) = operation_faults(silent, refused, 0.1)
    assert line.startswith("no record answered")


class Part:
    """What `make_safe` does with a device: fails with each of these in turn, then ends well."""

    def __init__(self, *errors):
        self.errors, self.begun = list(errors), 0

    def __call__(self):
        self.begun += 1
        status = StatusBase()
        if self.errors:
            status.set_exception(self.errors.pop(0))
        else:
            status.set_finished()
        return status


def test_what_a_slow_ioc_does_not_answer_at_once_is_asked_again():
    """ophyd gives up a read after 2 s; an IOC that has just come back, on a busy machine, may take longer."""
    slow = UnansweredError("camera", "close", "done", "ReadTimeoutError: within 2.00 sec")
    part = Part(slow, UnansweredError("camera", "close", "connected", "Capture lost"))
    assert operation_faults(device("camera", Capture=True), part, 0.1) == []
    assert part.begun == 3


def test_what_never_answers_is_told_when_the_time_is_over():
    slow = UnansweredError("camera", "close", "done", "ReadTimeoutError: within 2.00 sec")
    part = Part(*[slow] * 1_000_000)
    assert operation_faults(device("camera", Capture=True), part, 0.05) == [str(slow)]


def test_what_fails_otherwise_is_not_tried_again():
    """A file that lacks frames is closed by then: a second look would find nothing wrong."""
    lacking = DeviceError("camera", "close", 12, 11, "frames written", "the file lacks frames")
    part = Part(lacking)
    assert operation_faults(device("camera", Capture=True), part, 0.1) == [str(lacking)]
    assert part.begun == 1
