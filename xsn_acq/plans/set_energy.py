"""The plan that goes to a photon energy, as a run without frames."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from xsn_acq.plans.run import Run
from xsn_acq.plans.state import read_state
from xsn_acq.plans.steps import Plan

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
    yield from _EnergyChangeRun(devices, params, planned).run(md)


class _EnergyChangeRun(Run[Instrument]):
    """The run; what it changes is put back by the change itself, if it fails."""

    def __init__(self, devices: Instrument, params: ChangeEnergy, planned: EnergyMoves) -> None:
        super().__init__(devices, params)
        self._planned = planned

    def start(self) -> dict[str, Any]:
        """Name, and what was decided."""
        return {"plan_name": PLAN_NAME, "energy_change": self._planned.metadata()}

    def measure(self) -> Plan:
        """Change the energy; what was found then, as a row."""
        rows = Rows("energy_changes", EnergyChangeRow)
        yield from rows.declare()
        changer = EnergyChanger(self._devices, self._interruption, self._beam)
        change = yield from changer.change(self._planned.at.energy_ev)
        rows.push([EnergyChangeRow.of(change)])
        yield from rows.emit()

    def parts_to_put_back(self) -> tuple[Callable[[], Plan], ...]:
        """Nothing: it stays."""
        return ()

    def how_far(self) -> str:
        """Between which energies."""
        return f"between {self._planned.between}, shutter shut, feedback off"


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
