"""Where the gap of the undulator is scanned, what is checked before, and what it costs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from xsn_acq.config import Beamline
from xsn_acq.config.energy import gap_mm
from xsn_acq.errors import LimitError
from xsn_acq.params import UndulatorCalibration
from xsn_acq.plans.checks import energy_faults, number_faults
from xsn_acq.plans.energy_checks import energies_faults, reach_faults
from xsn_acq.plans.energy_moves import GAP, place_faults
from xsn_acq.plans.energy_places import change_s
from xsn_acq.plans.estimate import cost_line
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.state import State

COUNT_OVERHEAD_S = 0.1
"""Starting gap and counter, and reading them, at each gap, seconds."""


@dataclass(frozen=True)
class GapPlace:
    """A gap at an energy."""

    energy_ev: float
    gap_mm: float


def gap_places(file: Beamline, params: UndulatorCalibration) -> tuple[GapPlace, ...]:
    """Places of the scans, rising at each energy about the gap that the tables give it.

    Raises
    ------
    ValueError
        No gap gives the harmonic an energy.
    """
    off_mm = np.linspace(-params.half_range_mm, params.half_range_mm, params.points)
    return tuple(
        GapPlace(energy, round(gap_mm(file, energy) + float(off), 6))
        for energy in params.sequence_ev
        for off in off_mm
    )


def check_gap_scans(devices: Instrument, params: UndulatorCalibration, state: State) -> None:
    """Refuse gap scans that cannot be taken. The gap need not fit the energy now.

    Raises
    ------
    LimitError
        With every reason; nothing has moved.
    """
    file = devices.file
    faults = [
        *number_faults(state),
        *state.beam_faults,
        *energy_faults(file, state),
        *infeasible_undulator_calibration(file, params),
    ]
    if not faults:
        ends = _ends_mm(file, gap_places(file, params))
        faults = [*reach_faults(devices, params.sequence_ev, state), *place_faults(devices, {GAP: ends})]
    if faults:
        raise LimitError("undulator_calibration", dict.fromkeys(faults))


def infeasible_undulator_calibration(file: Beamline, params: UndulatorCalibration) -> list[str]:
    """List every reason why this beamline cannot scan these gaps; nothing is connected."""
    faults = energies_faults(file, params.once_ev, beyond_focus_table=True)
    return faults or list(_gap_faults(file, params))


def _gap_faults(file: Beamline, params: UndulatorCalibration) -> Iterator[str]:
    source = file.undulator
    low, high = _ends_mm(file, gap_places(file, params))
    if not source.gap_low_mm <= low <= high <= source.gap_high_mm:
        yield (
            f"undulator gap: wanted {source.gap_low_mm:g} to {source.gap_high_mm:g} mm, found {low:.4f} to "
            f"{high:.4f} mm; choose a smaller half_range_mm"
        )


def _ends_mm(file: Beamline, where: Sequence[GapPlace]) -> tuple[float, float]:
    """Smallest and largest gap, the approach included."""
    gaps, backlash = [place.gap_mm for place in where], file.undulator.gap_backlash_mm
    return min(gaps) - max(backlash, 0.0), max(gaps) - min(backlash, 0.0)


@dataclass(frozen=True)
class GapEstimate:
    """What gap scans cost; the shutter stays shut and no frame is taken."""

    points: int
    energies: int
    count_s: float
    duration_s: float

    def summary(self, *, speed: float = 1.0) -> str:
        """Lines for a person; with the time on the wall where a simulated clock has another ``speed``."""
        return (
            f"{self.points} gaps at each of {self.energies} energies, each counted for {self.count_s:g} s\n"
            f"{cost_line(self.duration_s, 0.0, 0, speed)}"
        )


def estimate_undulator_calibration(file: Beamline, params: UndulatorCalibration) -> GapEstimate:
    """Estimate the time of gap scans in which nothing is interrupted."""
    source, energies = file.undulator, params.sequence_ev
    each = params.points * (params.count_s + source.gap_settle_s + COUNT_OVERHEAD_S)
    each += (4 * params.half_range_mm + 2 * abs(source.gap_backlash_mm)) / source.gap_speed_mm_s
    changes = sum(change_s(file, before, after) for before, after in pairwise(energies))
    return GapEstimate(params.points, len(energies), params.count_s, each * len(energies) + changes)
