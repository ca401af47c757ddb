"""Operations on devices: straight-line code in its own thread, a status for its end, waits on conditions.

A classic ophyd put ends in success when its IOC dies, a move stopped from a panel too. Here an operation reads back
what it asked for, over the network, and its status fails with a `DeviceError` that says what was wanted and found.
"""

import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from ophyd import Device, Signal, get_cl
from ophyd.status import DeviceStatus, StatusBase

from xsn_acq.errors import DeviceError, XsnError

LOOK_AGAIN_S = 0.5
"""A waiting operation looks at its condition at least this often, also when no monitor wakes it."""


class Changes:
    """Wakes a waiting thread when one of the signals changes value or connection; use as a context."""

    def __init__(self, signals: Iterable[Signal]) -> None:
        self._signals = tuple(signals)
        self._event = threading.Event()
        self._subscriptions: list[tuple[Signal, int]] = []

    def __enter__(self) -> Self:
        for signal in self._signals:
            for kind in (signal.SUB_VALUE, signal.SUB_META):
                self._subscriptions.append((signal, signal.subscribe(self._wake, event_type=kind, run=False)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for signal, number in self._subscriptions:
            signal.unsubscribe(number)
        self._subscriptions.clear()

    def _wake(self, **_: Any) -> None:
        self._event.set()

    def wake(self, **_: Any) -> None:
        """Wake the waiting thread, for instance from a put callback."""
        self._event.set()

    def wait(self, timeout_s: float) -> None:
        """Return at the next change, or after ``timeout_s`` seconds."""
        self._event.wait(timeout_s)
        self._event.clear()


def require_connected(device: str, operation: str, signals: Iterable[Signal]) -> None:
    """Check that every signal has its record.

    Raises
    ------
    DeviceError
        Naming the first record that does not answer.
    """
    for signal in signals:
        if not signal.connected:
            raise DeviceError(
                device,
                operation,
                "connected",
                f"{getattr(signal, 'pvname', signal.name)} lost",
                hint="is the IOC running?",
            )


def wait_until(
    condition: Callable[[], bool],
    signals: Iterable[Signal],
    *,
    device: str,
    operation: str,
    timeout_s: float | None,
    changes: Changes | None = None,
) -> bool:
    """Block until ``condition()`` is true; False when ``timeout_s`` seconds have passed first (None: no limit).

    The condition is looked at again whenever one of the signals changes.

    Raises
    ------
    DeviceError
        As soon as a signal loses its connection; what ``condition`` raises passes through.
    """
    watched = tuple(signals)
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    with changes or Changes(watched) as woken:
        while True:
            require_connected(device, operation, watched)
            if condition():
                return True
            left = LOOK_AGAIN_S if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return False
            woken.wait(min(left, LOOK_AGAIN_S))


def in_background(
    device: Device | Signal, operation: str, work: Callable[[], None], *, status: StatusBase | None = None
) -> StatusBase:
    """Run ``work`` in its own thread; the status ends when it returns, or fails with what it raised.

    Errors that are not ours (a Channel Access time-out, say) are wrapped in a `DeviceError`.
    """
    outcome = DeviceStatus(device) if status is None else status

    def run() -> None:
        try:
            work()
        except XsnError as error:
            outcome.set_exception(error)
        except Exception as error:
            wrapped = DeviceError(device.name, operation, "done", f"{type(error).__name__}: {error}")
            wrapped.__cause__ = error
            outcome.set_exception(wrapped)
        else:
            outcome.set_finished()

    get_cl().thread_class(target=run, name=f"{device.name} {operation}", daemon=True).start()
    return outcome
