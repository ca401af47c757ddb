"""Operations on devices: straight-line code in its own thread, a status for its end, waits on conditions.

A classic ophyd put ends in success when its IOC dies, a move stopped from a panel too. Here an operation
reads back what it asked for, over the network, and its status fails with a `DeviceError` that says what was
wanted and found.
"""

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ophyd import Device, Signal, get_cl
from ophyd.status import Status, StatusBase

from xsn_acq.devices.connection import UNANSWERED
from xsn_acq.errors import DeviceError, UnansweredError, XsnError

LOOK_AGAIN_S = 0.1
"""A waiting operation looks at its condition at least this often, also when no monitor wakes it."""


class Completion:
    """A put callback: ``done`` once the record has processed the put; ``woken`` wakes who waits for it."""

    def __init__(self) -> None:
        self.woken = threading.Event()
        self.done = False

    def __call__(self, **_: Any) -> None:
        """Take the answer of the record."""
        self.done = True
        self.woken.set()


@contextmanager
def _waking(woken: threading.Event, signals: Iterable[Signal]) -> Iterator[None]:
    """Set the event whenever one of the signals changes value or connection."""

    def wake(**_: Any) -> None:
        woken.set()

    kinds = [(signal, kind) for signal in signals for kind in (signal.SUB_VALUE, signal.SUB_META)]
    numbers = [(signal, signal.subscribe(wake, event_type=kind, run=False)) for signal, kind in kinds]
    try:
        yield
    finally:
        for signal, number in numbers:
            signal.unsubscribe(number)


def require_connected(device: str, operation: str, signals: Iterable[Signal]) -> None:
    """Check that every signal has its record.

    Raises
    ------
    UnansweredError
        Naming the first record that does not answer.
    """
    for signal in signals:
        if not signal.connected:
            raise UnansweredError(
                device, operation, "connected", f"{getattr(signal, 'pvname', signal.name)} lost"
            )


def wait_until(
    condition: Callable[[], bool],
    signals: Iterable[Signal],
    *,
    device: str,
    operation: str,
    timeout_s: float | None,
    woken: threading.Event | None = None,
    look_again_s: float = LOOK_AGAIN_S,
) -> bool:
    """Block until ``condition()`` is true; False after ``timeout_s`` seconds (None: no limit).

    The condition is looked at again whenever one of the signals changes or ``woken`` is set, and every
    ``look_again_s`` seconds.

    Raises
    ------
    UnansweredError
        As soon as a signal loses its connection; what ``condition`` raises passes through.
    """
    watched = tuple(signals)
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    event = threading.Event() if woken is None else woken
    with _waking(event, watched):
        while True:
            event.clear()
            require_connected(device, operation, watched)
            if condition():
                return True
            left = look_again_s if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return False
            event.wait(min(left, look_again_s))


def wait_steady(
    condition: Callable[[], bool],
    signals: Iterable[Signal],
    *,
    steady_s: float,
    device: str,
    operation: str,
    timeout_s: float,
) -> bool:
    """Block until ``condition()`` has been true for ``steady_s`` seconds on end; False after ``timeout_s``.

    Raises
    ------
    DeviceError
        See `wait_until`.
    """
    watched = tuple(signals)
    deadline = time.monotonic() + timeout_s
    event, since = threading.Event(), math.inf
    with _waking(event, watched):
        while True:
            event.clear()
            require_connected(device, operation, watched)
            now = time.monotonic()
            since = min(since, now) if condition() else math.inf
            if now - since >= steady_s:
                return True
            if now >= deadline:
                return False
            event.wait(min(max(steady_s - (now - since), 0.0), LOOK_AGAIN_S))


class Progress:
    """Whether a readback that should change has stayed the same for longer than ``stall_s`` seconds."""

    def __init__(self, stall_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stall_s, self._clock = stall_s, clock
        self._position, self._since = math.nan, clock()

    def stalled(self, position: float) -> bool:
        """Take in where it is now."""
        if position != self._position:
            self._position, self._since = position, self._clock()
        return self._clock() - self._since > self._stall_s


def in_background(
    device: Device | Signal, operation: str, work: Callable[[], None], *, status: StatusBase | None = None
) -> StatusBase:
    """Run ``work`` in its own thread; the status ends when it returns, or fails with what it raised.

    Errors that are not ours (a Channel Access time-out, say) are wrapped in a `DeviceError`.
    """
    outcome = Status(device) if status is None else status

    def run() -> None:
        try:
            work()
        except XsnError as error:
            outcome.set_exception(error)
        except Exception as error:
            kind = UnansweredError if isinstance(error, UNANSWERED) else DeviceError
            wrapped = kind(device.name, operation, "done", f"{type(error).__name__}: {error}")
            wrapped.__cause__ = error
            outcome.set_exception(wrapped)
        else:
            outcome.set_finished()

    get_cl().thread_class(target=run, name=f"{device.name} {operation}", daemon=True).start()
    return outcome


class Turns:
    """Operations that must not overtake each other: done in the order in which they were asked for.

    An abort lets a plan go on to its cleanup while an operation is still under way: the file would be opened
    after it was closed.
    """

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._last = threading.Event()
        self._last.set()

    def start(
        self,
        device: Device | Signal,
        operation: str,
        work: Callable[[], None],
        status: StatusBase | None = None,
    ) -> StatusBase:
        """`in_background`, but ``work`` begins when all that was started before has ended."""
        mine = threading.Event()
        with self._asking:
            before, self._last = self._last, mine

        def in_turn() -> None:
            before.wait()
            try:
                work()
            finally:
                mine.set()

        try:
            return in_background(device, operation, in_turn, status=status)
        except RuntimeError:  # no more threads: let the others go on
            mine.set()
            raise
