"""The calibrations of the microscope: stills over a list of positions, each analysed when it has ended."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xsn_acq.params import (
    FindRotationAxis,
    FocusScan,
    FoucaultTest,
    KnifeEdgeScan,
    PixelSize,
    StillsParams,
)
from xsn_acq.plans.focus_energies import scan_focus_over_energies
from xsn_acq.plans.framing import framing
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.state import read_state
from xsn_acq.plans.steps import Plan
from xsn_acq.plans.stills_checks import check_stills, places_now
from xsn_acq.plans.stills_run import StillsRun

Metadata = Mapping[str, Any] | None


def knife_edge(devices: Instrument, params: KnifeEdgeScan, *, folder: Path, md: Metadata = None) -> Plan:
    """Scan the cutoff filter across the pupil and back, sample out; see `take_stills`."""
    yield from take_stills("knife_edge", devices, params, folder=folder, md=md)


def foucault_test(devices: Instrument, params: FoucaultTest, *, folder: Path, md: Metadata = None) -> Plan:
    """Scan the cutoff filter across the pupil in several planes, sample out; see `take_stills`."""
    yield from take_stills("foucault_test", devices, params, folder=folder, md=md)


def focus_scan(devices: Instrument, params: FocusScan, *, folder: Path, md: Metadata = None) -> Plan:
    """Scan the zone plate along the beam about the focus known so far.

    Where the instrument stands, see `take_stills`; with energies at each of them, see
    `xsn_acq.plans.focus_energies.scan_focus_over_energies`.
    """
    if params.energies_ev:
        yield from scan_focus_over_energies("focus_scan", devices, params, folder=folder, md=md)
    else:
        yield from take_stills("focus_scan", devices, params, folder=folder, md=md)


def find_rotation_axis(
    devices: Instrument, params: FindRotationAxis, *, folder: Path, md: Metadata = None
) -> Plan:
    """Take stills at pairs of angles half a turn apart; see `take_stills`."""
    yield from take_stills("find_rotation_axis", devices, params, folder=folder, md=md)


def pixel_size(devices: Instrument, params: PixelSize, *, folder: Path, md: Metadata = None) -> Plan:
    """Displace the sample by known steps; see `take_stills`."""
    yield from take_stills("pixel_size", devices, params, folder=folder, md=md)


def take_stills(
    plan_name: str, devices: Instrument, params: StillsParams, *, folder: Path, md: Metadata = None
) -> Plan:
    """Take darks, flats unless the sample is out anyway, and frames at rest at each place of a calibration.

    Parameters
    ----------
    plan_name : str
        For the start document.
    devices : Instrument
        The instrument.
    params : StillsParams
        What to take.
    folder : Path
        Frames go to ``folder/<first 8 of the run's uid>/<stream>.h5``.
    md : mapping, optional
        More for the start document.

    Raises
    ------
    LimitError
        Before anything moved, with every reason.
    DeviceError
        A device failed; the hardware has been left safe and the run is marked.

    Notes
    -----
    Streams: ``darks``, ``flats``, ``stills`` (frames), ``points`` (see `xsn_acq.plans.points.Point`). A point
    that was interrupted by a pause or a loss of beam is taken again, and those before it of which it is not
    beyond doubt that they had beam. All motors end where they were.
    """
    frame = framing(devices.file, params)
    state = read_state(devices)
    where = places_now(devices.file, params, state)
    check_stills(plan_name, devices, params, frame, state, where, folder)
    yield from StillsRun(plan_name, devices, params, frame, state, where, folder).run(md)
