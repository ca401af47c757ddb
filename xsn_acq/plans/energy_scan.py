"""Images of a sample that stays put, at a list of energies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xsn_acq.errors import LimitError
from xsn_acq.params import EnergyScan
from xsn_acq.plans.energy_checks import check_energy_run, energies_faults
from xsn_acq.plans.energy_places import energy_places
from xsn_acq.plans.energy_run import EnergyRun
from xsn_acq.plans.framing import framing
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.state import read_state
from xsn_acq.plans.steps import Plan


def energy_scan(
    devices: Instrument, params: EnergyScan, *, folder: Path, md: Mapping[str, Any] | None = None
) -> Plan:
    """Take darks, then flats and images at each energy, all in one file.

    Parameters
    ----------
    devices : Instrument
        The instrument.
    params : EnergyScan
        What to take.
    folder : Path
        Frames go to ``folder/<first 8 of the run's uid>/<stream>.h5``.
    md : mapping, optional
        More for the start document.

    Raises
    ------
    LimitError
        Before anything moved, with every reason.
    EnergyChangeError
        An energy change failed: which axis, and how the instrument was left. No frame was taken there.
    DeviceError
        A device failed; the hardware has been left safe and the run is marked.

    Notes
    -----
    Streams: ``darks``, ``stills`` (frames), ``points`` (see `xsn_acq.plans.energy_rows.EnergyPoint`),
    ``energy_changes``. A point that was interrupted by a pause or a loss of beam is taken again, and those
    before it of which it is not beyond doubt that they had beam. All ends where it was, the energy too.
    """
    yield from scan_energies("energy_scan", "xanes", devices, params, folder=folder, md=md)


def scan_energies(
    plan_name: str,
    technique: str,
    devices: Instrument,
    params: EnergyScan,
    *,
    folder: Path,
    md: Mapping[str, Any] | None = None,
) -> Plan:
    """Do what `energy_scan` does under another name, for another use."""
    faults = energies_faults(devices.file, params.sequence_ev)
    if faults:
        raise LimitError(plan_name, faults)
    frame, state = framing(devices.file, params), read_state(devices)
    where = energy_places(params, devices.file, state.sample_x_um)
    check_energy_run(plan_name, devices, params, frame, state, where, folder)
    yield from EnergyRun(plan_name, technique, devices, params, frame, state, where, folder).run(md)
