"""Beam: every loss is counted, the wait lasts until optics have settled, young frames stay in doubt."""

import math
import time
from itertools import islice

import pytest
from bluesky.utils import Msg
from fake_instrument import FILE, instrument

from xsn_acq.plans.beam import LOOK_S, Beam, Confirmed

SETTLE_S = 1.0


@pytest.fixture
def clock(monkeypatch):
    """Time goes on by one look for each look."""
    now = [0.0]
    monkeypatch.setattr("xsn_acq.plans.beam.time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def devices():
    made = instrument()
    made.file = FILE.model_copy(update={"ring": FILE.ring.model_copy(update={"settle_s": SETTLE_S})})
    return made


def looks(plan, clock, most=50):
    """How many looks a wait takes, at most so many."""
    begun = clock[0]
    for _ in islice(plan, most):
        clock[0] += LOOK_S
    return round((clock[0] - begun) / LOOK_S)


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda made: setattr(made.ring.current, "value", math.nan), "found nan mA"),
        (lambda made: setattr(made.ring.current, "value", 49.9), "wanted 50 mA or more, found 49.9 mA"),
        (lambda made: setattr(made.front_end_shutter, "word", "closed"), "wanted open, found closed"),
        (lambda made: setattr(made.mono.feedback, "is_locked", False), "wanted locked"),
    ],
)
def test_what_is_wrong_with_the_beam_is_told_and_waited_for(devices, clock, caplog, spoil, fault):
    beam = Beam(devices)
    assert beam.faults() == []
    spoil(devices)
    (line,) = beam.faults()
    assert fault in line
    assert looks(beam.wait(), clock) == 50
    assert [record.getMessage() for record in caplog.records] == [f"waiting for beam: {line}"]


def test_with_beam_nothing_is_waited_for(devices, clock):
    assert looks(Beam(devices).wait(), clock) == 0


@pytest.mark.parametrize("value", [0.0, math.nan])
def test_a_loss_that_is_over_counts_and_optics_settle(devices, clock, value):
    beam = Beam(devices)
    with beam.watched():
        devices.ring.current.look(value=value)
        devices.ring.current.look(value=400.0)
        devices.front_end_shutter.status.look(value="Open")
        assert beam.losses == 1
        devices.front_end_shutter.status.look(value="Closed")
        assert beam.losses == 2
    assert looks(beam.wait(), clock) * LOOK_S >= SETTLE_S
    assert looks(beam.wait(), clock) == 0  # once for each loss


def test_the_beam_is_shut_off_once_before_anything_is_waited_for(devices, clock):
    beam, rest = Beam(devices), Msg("rest")

    def resting():
        yield rest

    assert list(beam.wait(resting)) == []
    with beam.watched():
        devices.ring.current.look(value=0.0)  # and it is back already
    messages = []
    for message in beam.wait(resting):
        messages.append(message)
        clock[0] += LOOK_S
    assert messages[0] is rest
    assert {message.command for message in messages[1:]} == {"sleep"}
    assert len(messages) > 1


def test_a_loss_while_the_optics_settle_begins_it_anew(devices, clock):
    beam = Beam(devices)
    with beam.watched():
        devices.ring.current.look(value=0.0)
        waiting = beam.wait()
        assert looks(waiting, clock, most=4) == 4
        devices.ring.current.look(value=0.0)
        assert looks(waiting, clock) * LOOK_S >= SETTLE_S


@pytest.mark.parametrize(("at", "confirmed"), [(0.5, 0), (1.0, 3), (1.5, 3), (2.0, 7)], ids=str)
def test_frames_are_beyond_doubt_when_all_is_well_later(at, confirmed):
    frames = Confirmed(late_s=1.0)
    frames.look(3, 0.0)
    frames.look(7, 1.0) if at > 1.0 else None
    assert frames.look(9, at) == confirmed


@pytest.mark.parametrize("steady", [True, False])
def test_what_may_be_told_late_is_waited_for(devices, steady):
    """Flats that ended before the ring told of the loss."""
    beam = Beam(devices)
    confirming = beam.confirm(beam.losses, since_s=time.monotonic())
    (message,) = islice(confirming, 1)
    assert 0 <= message.args[0] <= devices.file.ring.late_s
    devices.mono.feedback.is_locked = steady
    with pytest.raises(StopIteration) as ended:
        next(confirming)
    assert ended.value.value is steady
