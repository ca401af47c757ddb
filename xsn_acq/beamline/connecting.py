"""Build the instrument of a beamline file; connect all, collect every failure."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import overload

from ophyd import Device

from xsn_acq.beamline.full_field import FullFieldInstrument
from xsn_acq.beamline.schlieren import Instrument, schlieren_instrument
from xsn_acq.beamline.speckle import SpeckleInstrument, speckle_instrument
from xsn_acq.beamline.structured import StructuredInstrument, structured_instrument
from xsn_acq.config import AnyBeamline, Beamline, SpeckleBeamline, StructuredBeamline
from xsn_acq.devices.connection import be_patient, connection_faults
from xsn_acq.devices.motor import Motor
from xsn_acq.errors import ConnectError

AnyInstrument = Instrument | StructuredInstrument | SpeckleInstrument


@overload
def build(file: Beamline) -> Instrument: ...
@overload
def build(file: StructuredBeamline) -> StructuredInstrument: ...
@overload
def build(file: SpeckleBeamline) -> SpeckleInstrument: ...
def build(file: AnyBeamline) -> AnyInstrument:
    """Make every device; nothing is waited for."""
    be_patient()
    if isinstance(file, Beamline):
        return schlieren_instrument(file)
    if isinstance(file, StructuredBeamline):
        return structured_instrument(file)
    return speckle_instrument(file)


@overload
@contextmanager
def connected(file: Beamline, timeout_s: float = 10.0) -> Iterator[Instrument]: ...
@overload
@contextmanager
def connected(file: StructuredBeamline, timeout_s: float = 10.0) -> Iterator[StructuredInstrument]: ...
@overload
@contextmanager
def connected(file: SpeckleBeamline, timeout_s: float = 10.0) -> Iterator[SpeckleInstrument]: ...
@contextmanager
def connected(file: AnyBeamline, timeout_s: float = 10.0) -> Iterator[AnyInstrument]:
    """Build every device and wait for its records; let them go at the end.

    Raises
    ------
    ConnectError
        See `connect`.
    """
    instrument = build(file)
    try:
        connect(instrument, timeout_s)
    except ConnectError:
        destroy(instrument)
        raise  # a Ctrl-C ends the program; to let go what is just connecting can crash libca
    try:
        yield instrument
    finally:
        destroy(instrument)


def connect(instrument: FullFieldInstrument, timeout_s: float = 10.0) -> None:
    """Wait for every record; all are sought at the same time.

    Raises
    ------
    ConnectError
        One line for each device with records that did not answer, a single one when none did; one for each
        motor in the wrong unit.
    """
    faults = connection_faults(instrument.devices(), timeout_s)
    if not faults:
        faults = [fault for motor in instrument.motors() for fault in _unit_faults(motor)]
    if faults:
        raise ConnectError(f"beamline {instrument.file.name}", faults)


def baseline(instrument: FullFieldInstrument) -> list[Device]:
    """Devices to be read at the start and end of every run."""
    flyers = instrument.flyers()
    return [device for device in instrument.devices() if device not in flyers]


def destroy(instrument: FullFieldInstrument) -> None:
    """Let every record go."""
    for device in instrument.devices():
        device.destroy()


def _unit_faults(motor: Motor) -> list[str]:
    unit = motor.motor_egu.get()
    if unit == motor.axis.unit:
        return []
    return [f"{motor.name}: {motor.prefix} is in {unit!r}, the beamline file says {motor.axis.unit!r}"]
