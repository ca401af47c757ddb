"""Pieces plans are made of: a device's operation as a message, moves that outlive a pause, clear errors."""

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bluesky import plan_stubs as bps
from bluesky.utils import FailedStatus, Msg, RunEngineControlException, short_uid
from ophyd.status import StatusBase

from xsn_acq.devices.connection import UNANSWERED
from xsn_acq.errors import DeviceError, UnansweredError, XsnError

logger = logging.getLogger(__name__)

Plan = Generator[Msg, Any, Any]

MOST_BROKEN_OFF = 2
"""So often a part of what is put back may be broken off by an abort."""
MOST_FOREIGN = 20
"""The same for failures of operations before it; there are no more of them than devices."""

POLL_S = 0.1
"""Between looks at what sends no message when it changes, seconds."""


def asked(signal: Any) -> float:
    """Value of a record now, asked for over the network: a monitor may have been lost."""
    return float(signal.get(use_monitor=False))


class Step:
    """An operation of a device that bluesky has no message for; it travels as a ``trigger`` message."""

    parent = None

    def __init__(self, name: str, action: Callable[[], StatusBase]) -> None:
        self.name = name
        self._action = action

    def __repr__(self) -> str:
        return f"Step({self.name!r})"

    def trigger(self) -> StatusBase:
        """Do it."""
        return self._action()


def step(name: str, action: Callable[[], StatusBase]) -> Plan:
    """Do an operation of a device and wait for its end."""
    yield from finished(bps.trigger(Step(name, action), wait=True))


def finished(operation: Plan) -> Plan:
    """Wait for the status of a bluesky stub, also when a pause made the RunEngine forget to."""
    status = yield from operation
    while status is not None and not status.done:
        yield from bps.sleep(POLL_S)


def stop(motor: Any) -> Plan:
    """Stop a motor and wait until it stands; the move it was making ends without a complaint."""
    yield from step(f"{motor.name} stop", motor.stand)


def shut(shutter: Any) -> None:
    """Tell a shutter to close and do not wait: for `Interruption.making_safe`."""

    def tell(status: StatusBase) -> None:
        if status.exception() is not None:
            logger.error("after a pause: %s", status.exception())

    shutter.set("closed").add_callback(tell)


class Interruption:
    """Notices when the RunEngine pauses or suspends, which stops every motor that was moved.

    Nothing is replayed: the plan is not rewindable, it sees here that it was interrupted and goes on.
    """

    def __init__(self) -> None:
        self._pauses = 0
        self._make_safe: Callable[[], object] | None = None

    def watch(self) -> Plan:
        """Make this known to the RunEngine, which tells what it has seen of pauses."""
        yield Msg("null", self)

    def pause(self) -> None:
        """Take note of a pause, and make safe what must not wait for its end; called by the RunEngine."""
        self._pauses += 1
        if self._make_safe is not None:
            self._make_safe()

    @contextmanager
    def making_safe(self, action: Callable[[], object]) -> Iterator[None]:
        """Within this context ``action()`` is called at once at each pause; it must not wait."""
        self._make_safe = action
        try:
            yield
        finally:
            self._make_safe = None

    def resume(self) -> None:
        """Go on; called by the RunEngine."""

    @property
    def pauses(self) -> int:
        """How often there was a pause."""
        return self._pauses


def move(device: Any, target: Any, interruption: Interruption) -> Plan:
    """Set a device and wait until it is there; a move that a pause stopped is made again."""
    while True:
        pauses = interruption.pauses
        yield from finished(bps.abs_set(device, target, wait=True))
        if interruption.pauses == pauses:
            return


def meanwhile(device: Any, target: Any, interruption: Interruption, plan: Plan) -> Plan:
    """Set a device, do ``plan``, wait until the device is there; the plan's result."""
    pauses, group = interruption.pauses, short_uid("meanwhile")
    status = yield from bps.abs_set(device, target, group=group)
    result = yield from plan
    yield from bps.wait(group)
    while status is not None and not status.done:
        yield from bps.sleep(POLL_S)
    if interruption.pauses != pauses:
        yield from move(device, target, interruption)
    return result


def move_together(targets: Sequence[tuple[Any, Any]], interruption: Interruption) -> Plan:
    """Set devices at the same time and wait until all are there; after a pause all are set again."""
    while targets:
        pauses, group = interruption.pauses, short_uid("together")
        statuses = []
        for device, target in targets:
            statuses.append((yield from bps.abs_set(device, target, group=group)))
        yield from bps.wait(group)
        while not all(status is None or status.done for status in statuses):
            yield from bps.sleep(POLL_S)
        if interruption.pauses == pauses:
            return


def in_plain_words(plan: Plan) -> Plan:
    """Raise the device's own error where bluesky only says that a status failed, or no record answers."""
    try:
        return (yield from plan)
    except FailedStatus as error:
        if isinstance(error.__cause__, XsnError):
            raise error.__cause__ from None
        raise
    except UNANSWERED as error:
        raise UnansweredError("instrument", "read", "an answer", error) from error


def every_one(*parts: Callable[[], Plan]) -> Plan:
    """Run all parts, the later ones also when an earlier one fails; the errors, in order.

    A part that an abort breaks off is begun again: what must be put back is put back. So is one that the
    failure of an operation before it breaks off, which bluesky throws at whatever comes next.
    """
    errors: list[Exception] = []
    for part in parts:
        begun, broken_off, foreign = _Begun(), 0, 0
        while broken_off < MOST_BROKEN_OFF:
            begun.foreign = False
            try:
                yield from in_plain_words(begun.noted(part()))
            except RunEngineControlException:
                broken_off += 1
                continue
            except Exception as error:
                if begun.foreign and foreign < MOST_FOREIGN:
                    foreign += 1
                    continue
                errors.append(error)
            break
        else:
            errors.append(DeviceError("plan", "put back", "done", "broken off twice"))
    return errors


class _Begun:
    """Operations that a plan has begun; ``foreign`` once the failure of another one was thrown at it."""

    def __init__(self) -> None:
        self.foreign = False
        self._statuses: list[StatusBase] = []

    def noted(self, plan: Plan) -> Plan:
        """The plan, its operations noted."""
        try:
            message = next(plan)
            while True:
                try:
                    reply = yield message
                except Exception as error:
                    self.foreign = self.foreign or self._is_foreign(error)
                    message = plan.throw(error)
                else:
                    if isinstance(reply, StatusBase):
                        self._statuses.append(reply)
                    message = plan.send(reply)
        except StopIteration as ended:
            return ended.value

    def _is_foreign(self, error: Exception) -> bool:
        return isinstance(error, FailedStatus) and not any(error.args[0] is each for each in self._statuses)
