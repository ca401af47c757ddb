"""Signals that read back, over the network, what they were asked to be."""

import math
import time
from typing import Any

from ophyd import EpicsSignal, EpicsSignalRO
from ophyd.status import Status, StatusBase

from xsn_acq.devices.operation import Completion, Turns, require_connected, wait_until
from xsn_acq.errors import DeviceError

WRITE_TIMEOUT_S = 10.0
_RELATIVE = 1e-6


def agrees(wanted: object, found: object, tolerance: float | None) -> bool:
    """Whether a readback is what was asked for; numbers within ``tolerance`` (or a millionth when None).

    Examples
    --------
    >>> agrees("Internal", "Rising Edge", None), agrees(1.0, 1.0000001, None), agrees(1.0, 1.1, 0.2)
    (False, True, True)
    """
    if isinstance(wanted, str) or isinstance(found, str):
        return str(wanted) == str(found)
    if not (isinstance(wanted, (int, float)) and isinstance(found, (int, float))):
        return bool(wanted == found)
    limit = _RELATIVE * abs(wanted) if tolerance is None else tolerance
    return math.isfinite(found) and abs(found - wanted) <= limit


class Checked:
    """What `CheckedSignal` adds to an ophyd signal; ``set`` fails when connection or readback fail."""

    name: str
    put: Any
    get: Any
    connected: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._band = kwargs.get("tolerance")
        self._turns = Turns()

    def set(
        self, value: object, *, timeout: float | None = None, settle_time: float | None = None
    ) -> StatusBase:
        """Write and read back; the status fails with `DeviceError` unless the record then shows the value.

        Sets are done in the order in which they were asked for.
        """
        status = Status(self, settle_time=settle_time)
        limit = WRITE_TIMEOUT_S if timeout is None else timeout
        return self._turns.start(self, "set", lambda: self.apply(value, timeout_s=limit, force=True), status)

    def apply(self, value: object, *, timeout_s: float = WRITE_TIMEOUT_S, force: bool = False) -> None:
        """Blocking `set`; without ``force`` nothing is written when the record already shows the value.

        Raises
        ------
        DeviceError
            The record does not answer, or reads back something else.
        """
        if not force and self.shows(value):
            return
        self.apply_shown(value, value, timeout_s=timeout_s)

    def apply_shown(self, value: object, shown: object, *, timeout_s: float = WRITE_TIMEOUT_S) -> None:
        """Write ``value`` and wait until the record shows ``shown``.

        Raises
        ------
        DeviceError
            The record does not answer, or reads back something else.
        """
        deadline = time.monotonic() + timeout_s
        self.send(value, timeout_s=timeout_s)
        arrived = wait_until(
            lambda: self.shows(shown),
            [self],
            device=self.name,
            operation="set",
            timeout_s=max(0.0, deadline - time.monotonic()),
        )
        if not arrived:
            raise DeviceError(
                self.name, "set", shown, self.get(use_monitor=False), hint=f"looked for {timeout_s} s"
            )

    def send(self, value: object, *, timeout_s: float = WRITE_TIMEOUT_S) -> None:
        """Write and wait until the record has processed it, without looking at the readback.

        Raises
        ------
        DeviceError
            The record does not answer.
        """
        require_connected(self.name, "set", [self])
        answer = Completion()
        self.put(value, use_complete=True, callback=answer)
        if not wait_until(
            lambda: answer.done,
            [self],
            device=self.name,
            operation="set",
            timeout_s=timeout_s,
            woken=answer.woken,
        ):
            raise DeviceError(self.name, "set", value, f"no answer in {timeout_s} s")

    def shows(self, value: object) -> bool:
        """Whether the record, asked now, reads back ``value``."""
        return agrees(value, self.get(use_monitor=False), self._band)


class CheckedSignal(Checked, EpicsSignal):
    """A record; written and read at the same name."""


class CheckedSignalWithRBV(Checked, EpicsSignal):
    """An areaDetector pair: ``X`` is written, ``X_RBV`` is read."""

    def __init__(self, prefix: str, **kwargs: Any) -> None:
        super().__init__(f"{prefix}_RBV", write_pv=prefix, **kwargs)


class FrameCounter(EpicsSignalRO):
    """A number that changes with every frame: asked for when wanted, for a monitor costs CPU at each."""

    def __init__(self, prefix: str, **kwargs: Any) -> None:
        super().__init__(prefix, auto_monitor=False, **kwargs)
