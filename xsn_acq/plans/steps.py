"""Pieces plans are made of: a device's operation as a message, moves that outlive a pause, clear errors."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from bluesky import plan_stubs as bps
from bluesky.utils import FailedStatus, Msg
from ophyd.status import StatusBase
from ophyd.utils import DisconnectedError

from xsn_acq.errors import DeviceError, XsnError

Plan = Generator[Msg, Any, Any]

POLL_S = 0.1
"""Between looks at what sends no message when it changes, seconds."""
STOP_TIMEOUT_S = 10.0


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
    """Stop a motor and wait until it stands; the move it was making ends without a complaint.

    Raises
    ------
    DeviceError
        It still moves after 10 s.
    """

    def ask() -> StatusBase:
        motor.stop(success=True)
        done = StatusBase()
        done.set_finished()
        return done

    yield from step(f"{motor.name} stop", ask)
    until = time.monotonic() + STOP_TIMEOUT_S
    while motor.moving:
        if time.monotonic() > until:
            raise DeviceError(motor.name, "stop", "at rest", f"moving after {STOP_TIMEOUT_S} s")
        yield from bps.sleep(POLL_S)


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


def in_plain_words(plan: Plan) -> Plan:
    """Raise the device's own error where bluesky only says that a status failed, or ophyd that time is up."""
    try:
        return (yield from plan)
    except FailedStatus as error:
        if isinstance(error.__cause__, XsnError):
            raise error.__cause__ from None
        raise
    except (TimeoutError, DisconnectedError) as error:
        raise DeviceError("instrument", "read", "an answer", error, hint="is the IOC running?") from error


def every_one(*plans: Plan) -> Plan:
    """Run all plans, the later ones also when an earlier one fails; the errors, in order."""
    errors: list[Exception] = []
    for plan in plans:
        try:
            yield from in_plain_words(plan)
        except Exception as error:
            errors.append(error)
    return errors
