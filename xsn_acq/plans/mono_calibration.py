"""The monochromator's energy scale: an energy scan over an absorption edge whose energy is tabulated."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xsn_acq.config import Beamline
from xsn_acq.errors import LimitError
from xsn_acq.optics.edges import edge_energy_ev
from xsn_acq.params import MonoCalibration
from xsn_acq.plans.energy_checks import infeasible_energy_scan
from xsn_acq.plans.energy_scan import scan_energies
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.steps import Plan

BESIDE_EDGE_EV = 10.0
"""So far to both sides of the tabulated edge the scan must reach."""


def mono_calibration(
    devices: Instrument, params: MonoCalibration, *, folder: Path, md: Mapping[str, Any] | None = None
) -> Plan:
    """Take images and flats at energies about the edge of an element in the beam.

    See `xsn_acq.plans.energy_scan.energy_scan` for parameters, errors and streams.
    """
    faults = edge_faults(params)
    if faults:
        raise LimitError("mono_calibration", faults)
    yield from scan_energies("mono_calibration", "calibration", devices, params, folder=folder, md=md)


def infeasible_mono_calibration(file: Beamline, params: MonoCalibration) -> list[str]:
    """List every reason why this beamline cannot take the scan; nothing is connected."""
    return [*edge_faults(params), *infeasible_energy_scan(file, params)]


def edge_faults(params: MonoCalibration) -> list[str]:
    """The scan does not reach beyond the edge on both sides.

    Raises
    ------
    ConfigError
        The element has no such edge.
    """
    edge = edge_energy_ev(params.element, params.edge)
    low, high = min(params.once_ev), max(params.once_ev)
    if low <= edge - BESIDE_EDGE_EV and high >= edge + BESIDE_EDGE_EV:
        return []
    return [
        f"energies: wanted from {edge - BESIDE_EDGE_EV:g} or less to {edge + BESIDE_EDGE_EV:g} eV or more, "
        f"about {params.element} {params.edge} at {edge:g} eV, found {low:g} to {high:g} eV; scan further"
    ]
