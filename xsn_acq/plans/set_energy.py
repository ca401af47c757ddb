"""The plan that goes to a photon energy, as a run without frames."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bluesky import plan_stubs as bps
from bluesky import preprocessors as bpp
from bluesky.utils import RunEngineControlException

from xsn_acq.config import Beamline
from xsn_acq.config.energy import AtEnergy, at_energy
from xsn_acq.errors import LimitError
from xsn_acq.params import ChangeEnergy
from xsn_acq.plans.beam import Beam
from xsn_acq.plans.checks import number_faults
from xsn_acq.plans.energy_change import EnergyChanger
from xsn_acq.plans.energy_checks import energies_faults
from xsn_acq.plans.energy_moves import EnergyMoves, plan_energy
from xsn_acq.plans.energy_places import change_s
from xsn_acq.plans.energy_rows import EnergyChangeRow
from xsn_acq.plans.estimate import shown_time
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.record import Rows
from xsn_acq.plans.state import read_state
from xsn_acq.plans.steps import Interruption, Plan, in_plain_words

PLAN_NAME = "change_energy"


def change_energy(
    devices: Instrument, params: ChangeEnergy, *, folder: Path, md: Mapping[str, Any] | None = None
) -> Plan:
    """Go to a photon energy and stay there.

    Parameters
    ----------
    devices : Instrument
        The instrument.
    params : ChangeEnergy
        Which energy.
    folder : Path
        For frames; there are none.
    md : mapping, optional
        More for the start document.

    Raises
    ------
    LimitError
        Before anything moved, with every reason.
    EnergyChangeError
        It failed: which axis, and how the instrument was left.

    Notes
    -----
    The start document's ``energy_change`` says what was decided, the stream ``energy_changes`` where the axes
    were then found (`xsn_acq.plans.energy_rows.EnergyChangeRow`).
    """
    state, beam = read_state(devices), Beam(devices)
    faults = [*number_faults(state), *beam.source_faults(), *state.left_behind]
    if faults:
        raise LimitError(f"{PLAN_NAME} to {params.energy_ev:g} eV", faults)
    planned = plan_energy(devices, params.energy_ev, reference=PLAN_NAME)
    start = {
        "plan_name": PLAN_NAME,
        "params": params.model_dump(mode="json"),
        "beamline": devices.file.model_dump(mode="json"),
        "note": params.note,
        "energy_change": planned.metadata(),
        **(md or {}),
    }
    change = _change(devices, planned, beam, start)
    yield from in_plain_words(bpp.rewindable_wrapper(change, False))


def _change(devices: Instrument, planned: EnergyMoves, beam: Beam, start: Mapping[str, Any]) -> Plan:
    """The run; one that fails is closed with its reason."""
    interruption, rows = Interruption(), Rows("energy_changes", EnergyChangeRow)

    def measured() -> Plan:
        yield from interruption.watch()
        yield from rows.declare()
        with beam.watched():
            change = yield from EnergyChanger(devices, interruption, beam).change(planned.at.energy_ev)
        rows.push([EnergyChangeRow.of(change)])
        yield from rows.emit()

    def close_after(error: Exception) -> Plan:
        if isinstance(error, RunEngineControlException):
            reason = f"broken off: between {planned.between}, shutter shut, feedback off"
            yield from bps.close_run(exit_status=error.exit_status, reason=reason)
        else:
            yield from bps.close_run(exit_status="fail", reason=str(error))

    yield from bps.open_run(dict(start))
    yield from bpp.contingency_wrapper(
        in_plain_words(measured()), except_plan=close_after, else_plan=bps.close_run
    )


def infeasible_energy(file: Beamline, params: ChangeEnergy) -> list[str]:
    """List every reason why this beamline cannot give an energy; nothing is connected."""
    return energies_faults(file, [params.energy_ev])


@dataclass(frozen=True)
class EnergyChangeEstimate:
    """Where the axes go, and how long that takes from the energy the beamline is aligned at."""

    at: AtEnergy
    from_ev: float
    duration_s: float

    def summary(self, *, speed: float = 1.0) -> str:
        """Lines for a person; with the time on the wall where a simulated clock has another ``speed``."""
        at = self.at
        wall = (
            "" if speed == 1.0 else f" ({shown_time(self.duration_s / speed)} at {speed:g} times real time)"
        )
        return (
            f"{at.energy_ev:g} eV: bragg {at.bragg_deg:.5f} deg, undulator gap {at.undulator_gap_mm:.4f} mm, "
            f"zone_plate_z {at.zone_plate_z_mm:.4f} mm, magnification {at.magnification:.2f}\n"
            f"time {shown_time(self.duration_s)}{wall} from {self.from_ev:g} eV"
        )


def estimate_energy(file: Beamline, params: ChangeEnergy) -> EnergyChangeEstimate:
    """Estimate an energy change from the energy at which the knife edge was calibrated."""
    start = file.calibration.knife_edge.energy_ev
    return EnergyChangeEstimate(
        at_energy(file, params.energy_ev), start, change_s(file, start, params.energy_ev)
    )
