"""Parts with two states: a command is given in words, the status must say the same."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ophyd import Device
from ophyd.status import StatusBase

from xsn_acq.devices.operation import Turns, in_background, wait_until
from xsn_acq.errors import DeviceError

_TIMEOUT_S = 10.0


class TwoState(Device):
    """A ``command`` and a ``status``; ``words`` maps what we say to (command string, status string).

    Sets are done one after the other, in the order in which they were asked for.
    """

    words: ClassVar[Mapping[str, tuple[str, str]]]
    command: Any
    status: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turns = Turns()

    def set(self, value: str, *, timeout: float | None = None) -> StatusBase:
        """Go to a state; the status ends when the hardware says it is there.

        Raises
        ------
        ValueError
            No such state.
        """
        if value not in self.words:
            raise ValueError(f"{self.name}: {value!r} is not one of {', '.join(self.words)}")
        limit_s = _TIMEOUT_S if timeout is None else timeout
        change = self._turns.after_the_others(lambda: self._change(value, limit_s))
        return in_background(self, "set", change)

    def state(self) -> str:
        """Tell the present state in our words; the record's own word while it is neither."""
        found = self.status.get(use_monitor=False)
        return next((word for word, (_, status) in self.words.items() if status == found), str(found))

    def _change(self, value: str, timeout_s: float) -> None:
        command, wanted = self.words[value]
        self.command.send(command, timeout_s=timeout_s)
        arrived = wait_until(
            lambda: self.status.get() == wanted,
            [self.status],
            device=self.name,
            operation="set",
            timeout_s=timeout_s,
        )
        found = self.state()
        if not arrived or found != value:
            raise DeviceError(self.name, "set", value, found, hint=f"waited {timeout_s} s")
