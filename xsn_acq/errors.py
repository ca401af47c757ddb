"""The error tree.

::

    XsnError
    ├── ConfigError        a beamline or parameter file is wrong: every fault is listed
    ├── ConnectError       devices that did not answer, all of them
    ├── DeviceError        a device did not do what was asked: wanted, found, unit
    │   └── UnansweredError  a record of it did not answer, or was lost meanwhile
    ├── EnergyChangeError  an energy change failed: what became of it
    ├── LimitError         refused before anything moved
    ├── LedgerError        frames, pulses and angles do not agree and could not be repaired
    ├── StorageError       a journal, catalogue or frame file cannot be read or written
    ├── ReconstructionError  the data cannot be reconstructed as asked
    └── CalibrationError   a calibration scan does not show what it was made for

Every message is one line: what, where, wanted, found, unit, what to do.
"""

from collections.abc import Iterable


class XsnError(Exception):
    """Base of all errors this package raises on purpose; the command line prints them in one line."""


class _ListedError(XsnError):
    """An error that carries faults: a single one in the same line, several in a line each."""

    def __init__(self, what: str, faults: Iterable[str]) -> None:
        self.what = what
        self.faults = tuple(faults)
        single = len(self.faults) == 1
        head = (
            [f"{what}: {self.faults[0]}"] if single else [f"{what}: {len(self.faults)} faults", *self.faults]
        )
        super().__init__("\n  ".join(head))


class ConfigError(_ListedError):
    """A beamline or parameter file is wrong; ``faults`` has one line for each fault."""


class ConnectError(_ListedError):
    """Some devices did not answer; ``faults`` has one line for each of them."""


class LimitError(_ListedError):
    """The run is refused before anything moved; ``faults`` has one line for each reason."""


class DeviceError(XsnError):
    """A device did not do what was asked.

    Parameters
    ----------
    device, operation : str
        Who was asked, and for what.
    wanted, found : object
        The value asked for and the value seen.
    unit : str
        Unit of both; empty when they have none.
    hint : str
        What to do about it.
    """

    def __init__(
        self, device: str, operation: str, wanted: object, found: object, unit: str = "", hint: str = ""
    ) -> None:
        self.device = device
        self.operation = operation
        self.wanted = wanted
        self.found = found
        self.unit = unit
        suffix = f" {unit}" if unit else ""
        tail = f"; {hint}" if hint else ""
        values = f"wanted {_shown(wanted)}{suffix}, found {_shown(found)}{suffix}"
        super().__init__(f"{device}: {operation}: {values}{tail}")


class SpoiltFramesError(DeviceError):
    """Frames without a ledger were interrupted by a pause or a loss of beam."""


class UnansweredError(DeviceError):
    """A record did not answer, or was lost while it was asked; asked again it may."""

    def __init__(self, device: str, operation: str, wanted: object, found: object) -> None:
        super().__init__(device, operation, wanted, found, hint="is the IOC running?")


def _shown(value: object) -> object:
    """Six decimals of a number are finer than any device, in its unit."""
    return round(value, 6) if isinstance(value, float) else value


class EnergyChangeError(XsnError):
    """An energy change failed: which axis, wanted, found, unit, and how the instrument was left."""


class LedgerError(XsnError):
    """Pulses, frames and angles do not agree and could not be repaired."""


class StorageError(XsnError):
    """A journal, catalogue or frame file cannot be read or written."""


class ReconstructionError(XsnError):
    """The data cannot be reconstructed as asked."""


class CalibrationError(XsnError):
    """A calibration scan does not show what it was made for; the message says what to scan instead."""
