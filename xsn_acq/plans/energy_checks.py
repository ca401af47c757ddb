"""What is checked before a run over energies moves anything, and what it costs."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from xsn_acq.config import Beamline
from xsn_acq.config.energy import at_energy, energy_faults
from xsn_acq.errors import LimitError
from xsn_acq.params import CameraParams, EnergyScan
from xsn_acq.plans.beam import Beam
from xsn_acq.plans.checks import cutoff_faults, folder_faults, general_faults, record_faults
from xsn_acq.plans.energy_moves import (
    AxisMove,
    axis_moves,
    collision_faults,
    number_faults,
    place_faults,
    places_of,
    positions,
    targets_at,
)
from xsn_acq.plans.energy_places import EnergyPlace, change_s, energy_places
from xsn_acq.plans.estimate import SERIES_OVERHEAD_S, PointsEstimate, move_s
from xsn_acq.plans.feasible import roi_faults, sample_out_faults
from xsn_acq.plans.framing import Framing, framing
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.places import AxisName
from xsn_acq.plans.state import State
from xsn_acq.plans.stills_checks import POINT_OVERHEAD_S, motor


def check_energy_run(
    plan_name: str,
    devices: Instrument,
    params: CameraParams,
    frame: Framing,
    state: State,
    where: Sequence[EnergyPlace],
    folder: Path,
    *,
    beyond_focus_table: bool = False,
) -> None:
    """Refuse a run over energies that cannot be taken or that would be worthless.

    Raises
    ------
    LimitError
        With every reason; nothing has moved.
    """
    file = devices.file
    faults = [
        *general_faults(devices, params, state),
        *Beam(devices).source_faults(),
        *cutoff_faults(file, state),
        *file_faults(file, params, frame, where, beyond_focus_table=beyond_focus_table),
    ]
    if not faults:
        energies = [place.energy_ev for place in where]
        faults += [*reach_faults(devices, energies, state), *_axis_faults(devices, state, where)]
    frames = params.darks + sum(place.frames for place in where)
    faults += folder_faults(folder, frames * frame.bytes_per_frame)
    if faults:
        raise LimitError(plan_name, faults)


def file_faults(
    file: Beamline,
    params: CameraParams,
    frame: Framing,
    where: Sequence[EnergyPlace],
    *,
    beyond_focus_table: bool = False,
) -> Iterator[str]:
    """What the beamline file says against it."""
    yield from roi_faults(file, frame)
    yield from sample_out_faults(file, params)
    yield from energies_faults(file, energies_of(where), beyond_focus_table=beyond_focus_table)
    for name, targets in _spans(file, where).items():
        axis, low, high = getattr(file.axes, name), min(targets), max(targets)
        if name != "sample_x" and not axis.low <= low <= high <= axis.high:
            yield (
                f"{name}: wanted {axis.low:g} to {axis.high:g} {axis.unit}, "
                f"found {low:.6g} to {high:.6g} {axis.unit}; choose a smaller range"
            )


def energies_faults(
    file: Beamline, energies_ev: Sequence[float], *, beyond_focus_table: bool = False
) -> list[str]:
    """What the beamline file says against energies; of many that one reason forbids, the first is told."""
    for energy in energies_ev:
        faults = energy_faults(file, energy, beyond_focus_table=beyond_focus_table)
        if faults:
            return faults
    return []


def reach_faults(devices: Instrument, energies_ev: Sequence[float], state: State) -> Iterator[str]:
    """What forbids the way through allowed energies and back: a limit, a collision, the harmonic."""
    file, starts = devices.file, positions(devices)
    faults = number_faults(starts)
    if faults:
        yield from faults
        return
    at = {energy: targets_at(at_energy(file, energy, state.detector_z_mm)) for energy in set(energies_ev)}
    here: dict[str, float] = starts
    moves: list[AxisMove] = []
    for targets in (*(at[energy] for energy in energies_ev), starts):
        moves += axis_moves(file, here, targets)
        here = {**here, **targets}
    yield from place_faults(devices, places_of(moves))


def energies_of(where: Sequence[EnergyPlace]) -> tuple[float, ...]:
    """Energies of places, each once."""
    return tuple(dict.fromkeys(place.energy_ev for place in where))


def _spans(file: Beamline, where: Sequence[EnergyPlace]) -> Mapping[AxisName, list[float]]:
    """Where places send each of their motors, the way round by which it comes from its side included."""
    found: dict[AxisName, list[float]] = {}
    for place in where:
        for name, target in place.axes:
            found.setdefault(name, []).extend((target, target - getattr(file.axes, name).backlash))
    return found


def _axis_faults(devices: Instrument, state: State, where: Sequence[EnergyPlace]) -> Iterator[str]:
    """Targets beyond a soft limit of a record, or a motor beyond one, which could not be put back."""
    for name, targets in _spans(devices.file, where).items():
        yield from record_faults(motor(devices, name), *dict.fromkeys((min(targets), max(targets))))
        yield from motor(devices, name).limit_faults(state.position(name))
        if name == "zone_plate_z":
            yield from collision_faults(devices, min(targets))


def infeasible_energy_scan(file: Beamline, params: EnergyScan) -> list[str]:
    """List every reason why this beamline cannot take an energy scan; nothing is connected."""
    faults = energies_faults(file, params.sequence_ev)
    if faults:
        return faults
    where, frame = energy_places(params, file, file.geometry.sample_x_centre_um), framing(file, params)
    return [*region_faults(params, frame), *file_faults(file, params, frame, where)]


def region_faults(params: EnergyScan, frame: Framing) -> Iterator[str]:
    """Regions that do not lie in the frame."""
    ny, nx = frame.shape
    for name, (x, y, width, height) in params.regions.items():
        if min(x, y) < 0 or min(width, height) < 1 or x + width > nx or y + height > ny:
            yield (
                f"regions.{name}: wanted pixels within the binned frame of {nx} x {ny}, found columns {x} to "
                f"{x + width - 1} and rows {y} to {y + height - 1}; move it"
            )


def estimate_energy_scan(file: Beamline, params: EnergyScan) -> PointsEstimate:
    """Estimate time, disk and dose of an energy scan in which nothing is interrupted."""
    where = energy_places(params, file, file.geometry.sample_x_centre_um)
    return estimate_places(file, params, where)


def estimate_places(file: Beamline, params: CameraParams, where: Sequence[EnergyPlace]) -> PointsEstimate:
    """Estimate time, disk and dose of frames at places."""
    frame = framing(file, params)
    frames = params.darks + sum(place.frames for place in where)
    moves = sum(_between_s(file, before, after) for before, after in pairwise(where))
    exposed = sum(place.frames for place in where if place.kind == "projection") * frame.period_s
    return PointsEstimate(
        frames=frames,
        at=f"{len(energies_of(where))} energies",
        shape=frame.shape,
        exposure_s=params.exposure_s,
        duration_s=frames * frame.period_s + moves + len(where) * POINT_OVERHEAD_S + 2 * SERIES_OVERHEAD_S,
        open_shutter_s=exposed,
        disk_bytes=frames * frame.bytes_per_frame,
    )


def _between_s(file: Beamline, before: EnergyPlace, after: EnergyPlace) -> float:
    """Time of the slowest axis between two places, seconds."""
    start, end = dict(before.axes), dict(after.axes)
    times = [
        move_s(getattr(file.axes, name), end[name] - start[name])
        for name in end
        if name in start and end[name] != start[name]
    ]
    if before.energy_ev != after.energy_ev:
        times.append(change_s(file, before.energy_ev, after.energy_ev))
    return max(times, default=0.0)
