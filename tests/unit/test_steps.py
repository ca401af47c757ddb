"""Pieces of plans: what must be put back is put back, also when it is broken off."""

import pytest
from bluesky.simulators import RunEngineSimulator
from bluesky.utils import FailedStatus, Msg, RequestAbort
from epics.ca import CASeverityException, ChannelAccessGetFailure
from ophyd.status import StatusBase

from xsn_acq.errors import DeviceError
from xsn_acq.plans.steps import every_one, in_plain_words


class Part:
    """One message, in which errors are raised, one each time it is begun."""

    def __init__(self, *errors):
        self.errors, self.begun, self.done = list(errors), 0, False

    def __call__(self):
        self.begun += 1
        yield Msg("null")
        if self.errors:
            raise self.errors.pop(0)
        self.done = True


def outcome(*parts):
    """What `every_one` returns."""
    errors = []

    def plan():
        errors.extend((yield from every_one(*parts)))

    RunEngineSimulator().simulate_plan(plan())
    return errors


def test_all_are_done_in_order():
    parts = [Part(), Part()]
    assert outcome(*parts) == []
    assert all(part.done for part in parts)


def test_the_others_are_done_when_one_fails():
    error, last = DeviceError("shutter", "set", "closed", "open"), Part()
    assert outcome(Part(error), last) == [error]
    assert last.done


def test_what_an_abort_breaks_off_is_begun_again():
    part = Part(RequestAbort())
    assert outcome(part) == []
    assert part.begun == 2
    assert part.done


def test_what_is_broken_off_twice_is_told():
    part, last = Part(RequestAbort(), RequestAbort()), Part()
    (error,) = outcome(part, last)
    assert "broken off twice" in str(error)
    assert last.done


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError("Failed to connect to SR:Current within 1.00 sec"),
        ChannelAccessGetFailure("Get failed; status code: 192", chid=0, status=192),
        CASeverityException("get", "Virtual circuit disconnect"),
    ],
)
def test_a_record_that_is_lost_while_it_is_read_is_told_in_words(error):
    """All are seen when an IOC dies: not connected, lost with the question under way, or just before."""
    with pytest.raises(DeviceError, match=r"wanted an answer, found .*; is the IOC running\?"):
        RunEngineSimulator().simulate_plan(in_plain_words(Part(error)()))


def ended():
    status = StatusBase()
    status.set_finished()
    return status


def thrown(parts, error, reply):
    """What `every_one` returns when its first message is answered so, and the second gets an error."""
    plan = every_one(*parts)
    try:
        next(plan)
        plan.send(reply)
        plan.throw(error)
        while True:
            plan.send(None)
    except StopIteration as stopped:
        return stopped.value


def setting():
    yield Msg("set")
    yield Msg("wait")


def test_what_the_failure_of_an_operation_before_breaks_off_is_begun_again():
    """Two axes stop together on a dead IOC: bluesky throws the second failure at whatever comes next."""
    mine, other, last = ended(), FailedStatus(ended()), Part()
    assert thrown([setting, last], other, mine) == []
    assert last.done
    own = FailedStatus(mine)
    assert thrown([setting, Part()], own, mine) == [own]
