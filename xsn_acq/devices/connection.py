"""Wait for the records of devices, and ask again; say which did not answer, and where they were sought."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from epics.ca import CASeverityException, ChannelAccessException, ChannelAccessGetFailure
from ophyd import Device, Signal
from ophyd.signal import EpicsSignalBase
from ophyd.status import StatusBase
from ophyd.utils import DisconnectedError

from xsn_acq.errors import UnansweredError, XsnError

CA_PORT = "5064"
SHORTEST_S = 0.01
"""A read gets at least so many seconds."""
READ_S = 4.0
"""So long a busy IOC may take to answer; a read under way when it dies waits as long, so no longer."""

UNANSWERED = (
    TimeoutError,
    DisconnectedError,
    ChannelAccessException,
    ChannelAccessGetFailure,
    CASeverityException,
)
"""What ophyd and pyepics raise when a record does not answer, or is lost while it is asked."""


def be_patient() -> None:
    """Give reads `READ_S` instead of ophyd's 2 s, which a busy machine exceeds once in some thousand reads.

    ophyd lets this be said before the first signal of a process is made, no later.
    """
    with suppress(RuntimeError):
        EpicsSignalBase.set_defaults(timeout=READ_S)


def connection_faults(devices: Sequence[Device], timeout_s: float) -> list[str]:
    """Wait until every record is connected, all at the same time, and each device answers; what did not.

    One line for each device with records that did not answer, a single one when none answered at all.
    """
    deadline = time.monotonic() + timeout_s
    found = {device.name: list(_records(device)) for device in devices}
    missing = {name: _unconnected(records, deadline) for name, records in found.items()}
    answered_by = max(deadline, time.monotonic() + READ_S)  # one that is away leaves the others their time
    for name, records in found.items():
        missing[name] = missing[name] or _unanswered(records, answered_by)
    sought, silent = sum(map(len, found.values())), sum(map(len, missing.values()))
    if sought and sought == silent:
        first = next(pv for pvs in missing.values() for pv in pvs)
        return [
            f"no record answered within {timeout_s:g} s; sought {first} and {sought - 1} more "
            f"{sought_where(os.environ)}; start the IOC, or set EPICS_CA_ADDR_LIST and EPICS_CA_SERVER_PORT"
        ]
    return [
        f"{name}: {pvs[0]}{f' and {len(pvs) - 1} more' if len(pvs) > 1 else ''} "
        f"did not answer within {timeout_s:g} s; is the IOC running?"
        for name, pvs in missing.items()
        if pvs
    ]


def operation_faults(device: Device, operation: Callable[[], StatusBase], timeout_s: float) -> list[str]:
    """Do an operation once the device answers; what went wrong, one line each, whatever it is.

    As long as there is time it is begun again where a record did not answer or was lost meanwhile: ophyd
    gives up a read after 2 s, and an IOC that has just come back, or is busy, may take longer. It must be one
    that may be done twice.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        left = deadline - time.monotonic()
        silent = connection_faults([device], left)
        try:
            operation().wait(left)
        except Exception as error:
            unanswered = isinstance(error, (UnansweredError, *UNANSWERED))
            if silent or not unanswered or time.monotonic() >= deadline:
                return silent or [_line(device, error)]
        else:
            return silent


def _line(device: Device, error: Exception) -> str:
    """Our own errors name the device."""
    if isinstance(error, XsnError):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"{device.name}: wanted done, found still under way; look at its screen, and try again"
    return f"{device.name}: {str(error) or type(error).__name__}"


def sought_where(environment: Mapping[str, str]) -> str:
    """Where Channel Access looks.

    >>> sought_where({"EPICS_CA_ADDR_LIST": "127.0.0.1", "EPICS_CA_AUTO_ADDR_LIST": "NO"})
    'at 127.0.0.1, port 5064'
    >>> sought_where({"EPICS_CA_SERVER_PORT": "6064"})
    "on this machine's networks, port 6064"
    """
    places = environment.get("EPICS_CA_ADDR_LIST", "").split()
    where = [f"at {', '.join(places)}"] if places else []
    if environment.get("EPICS_CA_AUTO_ADDR_LIST", "YES").upper() != "NO":
        where.append("on this machine's networks")
    port = environment.get("EPICS_CA_SERVER_PORT", CA_PORT)
    return f"{' and '.join(where) or 'nowhere'}, port {port}"


def _records(device: Device) -> Iterator[Signal]:
    """Signals that stand for a record."""
    return (walked.item for walked in device.walk_signals() if hasattr(walked.item, "pvname"))


def _unconnected(records: Sequence[Signal], deadline: float) -> list[str]:
    for record in records:
        left = deadline - time.monotonic()
        try:
            if left > 0:
                record.wait_for_connection(timeout=left)
        except TimeoutError:
            break
    return [str(record.pvname) for record in records if not record.connected]


def _unanswered(records: Sequence[Signal], deadline: float) -> list[str]:
    """The last of connected records, where it is not read in time."""
    return [str(record.pvname) for record in records[-1:] if not _answers(record, deadline)]


def _answers(record: Signal, deadline: float) -> bool:
    """Wait until a connected record is read: by then its IOC has dealt with all that connecting asked of it.

    An IOC that has just come back is connected at once, and may answer its first read seconds later.
    """
    try:
        record.get(use_monitor=False, timeout=max(deadline - time.monotonic(), SHORTEST_S))
    except UNANSWERED:
        return False
    return True
