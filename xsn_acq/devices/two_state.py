"""Parts with two states: a command is given in words, the status must say the same."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ophyd import Device
from ophyd.status import StatusBase

from xsn_acq.devices.operation import Completion, in_background, require_connected, wait_until
from xsn_acq.errors import DeviceError

_TIMEOUT_S = 10.0


class TwoState(Device):
    """A ``command`` and a ``status``; ``words`` maps what we say to (command string, status string).

    A set is sent at once, also while an earlier one is under way: that one then ends without a complaint.
    """

    words: ClassVar[Mapping[str, tuple[str, str]]]
    command: Any
    status: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sending = threading.Lock()
        self._asked = 0

    def set(self, value: str, *, timeout: float | None = None) -> StatusBase:
        """Go to a state; the status ends when the hardware says it is there, or another set overtakes it.

        Raises
        ------
        ValueError
            No such state.
        """
        if value not in self.words:
            raise ValueError(f"{self.name}: {value!r} is not one of {', '.join(self.words)}")
        with self._sending:
            self._asked += 1
            mine = self._asked
        limit_s = _TIMEOUT_S if timeout is None else timeout
        return in_background(self, "set", lambda: self._change(value, limit_s, lambda: self._asked != mine))

    def state(self) -> str:
        """Tell the present state in our words; the record's own word while it is neither."""
        found = self.status.get(use_monitor=False)
        return next((word for word, (_, status) in self.words.items() if status == found), str(found))

    def _change(self, value: str, timeout_s: float, overtaken: Callable[[], bool]) -> None:
        command, wanted = self.words[value]
        signals = (self.command, self.status)
        require_connected(self.name, "set", signals)
        answer = Completion()
        with self._sending:
            if not overtaken():
                self.command.put(command, use_complete=True, callback=answer)
        arrived = wait_until(
            lambda: overtaken() or (answer.done and self.status.get(use_monitor=False) == wanted),
            signals,
            device=self.name,
            operation="set",
            timeout_s=timeout_s,
            woken=answer.woken,
        )
        if overtaken():
            return
        found = self.state()
        if not arrived or found != value:
            raise DeviceError(self.name, "set", value, found, hint=f"waited {timeout_s} s")
