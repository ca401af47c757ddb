"""Focus scans at several energies, as one run: flats and the zone plate along the beam at each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xsn_acq.config import Beamline
from xsn_acq.errors import LimitError
from xsn_acq.params import FocusScan
from xsn_acq.plans.energy_checks import (
    check_energy_run,
    energies_faults,
    estimate_places,
    file_faults,
)
from xsn_acq.plans.energy_places import EnergyPlace
from xsn_acq.plans.energy_run import EnergyRun
from xsn_acq.plans.estimate import PointsEstimate
from xsn_acq.plans.framing import framing, sample_out_um
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.places import AxisName, focus_positions_mm, opened_cutoff_um
from xsn_acq.plans.state import read_state
from xsn_acq.plans.steps import Plan
from xsn_acq.plans.stills_checks import estimate_stills, infeasible_stills


def scan_focus_over_energies(
    plan_name: str,
    devices: Instrument,
    params: FocusScan,
    *,
    folder: Path,
    md: Mapping[str, Any] | None = None,
) -> Plan:
    """Take darks, then at each energy flats and the sample with the zone plate at each of its positions.

    Parameters
    ----------
    plan_name : str
        For the start document.
    devices, params, folder, md
        See `xsn_acq.plans.calibrations.take_stills`; the focus table needs not reach the energies.

    Raises
    ------
    LimitError
        Before anything moved, with every reason.
    EnergyChangeError
        An energy change failed: which axis, and how the instrument was left.
    DeviceError
        A device failed; the hardware has been left safe and the run is marked.

    Notes
    -----
    Streams: ``darks``, ``stills`` (frames), ``points`` (see `xsn_acq.plans.energy_rows.EnergyPoint`),
    ``energy_changes``. All ends where it was, the energy too.
    """
    faults = energies_faults(devices.file, params.rising_ev, beyond_focus_table=True)
    if faults:
        raise LimitError(plan_name, faults)
    frame, state = framing(devices.file, params), read_state(devices)
    where = focus_places(params, devices.file, state.detector_z_mm, state.sample_x_um)
    check_energy_run(plan_name, devices, params, frame, state, where, folder, beyond_focus_table=True)
    run = EnergyRun(
        plan_name, "calibration", devices, params, frame, state, where, folder, beyond_focus_table=True
    )
    yield from run.run(md)


def focus_places(
    params: FocusScan, file: Beamline, detector_z_mm: float, sample_x_um: float
) -> tuple[EnergyPlace, ...]:
    """Places of a focus scan over energies: at each the flats, then the zone plate upwards.

    Parameters
    ----------
    params, file
    detector_z_mm, sample_x_um : float
        Where the detector stands, and the sample in the beam.
    """
    edge: tuple[AxisName, float] = ("cutoff_x", opened_cutoff_um(file, params.opened_um))
    into: tuple[AxisName, float] = ("sample_x", sample_x_um)
    out: tuple[AxisName, float] = ("sample_x", sample_out_um(file, params))
    found: list[EnergyPlace] = []
    for energy in params.rising_ev:
        positions = focus_positions_mm(params, file, energy, detector_z_mm)
        found.append(EnergyPlace(energy, "flat", params.flats, (edge, out, ("zone_plate_z", positions[0]))))
        found += [
            EnergyPlace(energy, "projection", params.frames_per_point, (edge, into, ("zone_plate_z", z)))
            for z in positions
        ]
    return tuple(found)


def estimate_focus_scan(file: Beamline, params: FocusScan) -> PointsEstimate:
    """Estimate time, disk and dose of a focus scan in which nothing is interrupted."""
    if not params.energies_ev:
        return estimate_stills(file, params)
    return estimate_places(file, params, _usual_places(file, params))


def infeasible_focus_scan(file: Beamline, params: FocusScan) -> list[str]:
    """List every reason why this beamline cannot take a focus scan; nothing is connected."""
    if not params.energies_ev:
        return infeasible_stills(file, params)
    faults = energies_faults(file, params.rising_ev, beyond_focus_table=True)
    if faults:
        return faults
    where = _usual_places(file, params)
    return list(file_faults(file, params, framing(file, params), where, beyond_focus_table=True))


def _usual_places(file: Beamline, params: FocusScan) -> tuple[EnergyPlace, ...]:
    return focus_places(params, file, 0.0, file.geometry.sample_x_centre_um)
