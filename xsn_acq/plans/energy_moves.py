"""What an energy change moves, worked out before anything does: targets, approach, every reason to refuse."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from xsn_acq.config import Beamline
from xsn_acq.config.energy import AtEnergy, at_energy, clearance_mm, energy_faults
from xsn_acq.devices.motor import Motor
from xsn_acq.errors import LimitError
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.steps import asked

GAP = "undulator_gap"
NEGLIGIBLE = 0.1
"""A move is left out that is smaller than this share of the axis' tolerance."""


@dataclass(frozen=True)
class AxisMove:
    """One axis: from ``start`` to ``target``, over ``via`` first where it would come from the wrong side."""

    axis: str
    start: float
    target: float
    via: float | None
    unit: str


@dataclass(frozen=True)
class EnergyMoves:
    """An energy change as planned."""

    from_ev: float
    at: AtEnergy
    moves: tuple[AxisMove, ...]

    @property
    def between(self) -> str:
        """Both energies, for a person."""
        return f"{self.from_ev:.1f} and {self.at.energy_ev:.1f} eV"

    def metadata(self) -> dict[str, Any]:
        """What was decided, for the start document."""
        return {
            "from_ev": self.from_ev,
            "to_ev": self.at.energy_ev,
            "decided": asdict(self.at),
            "moves": [asdict(move) for move in self.moves],
        }


def axis_move(axis: str, start: float, target: float, unit: str, backlash: float) -> AxisMove:
    """Move that ends upwards, or downwards where ``backlash`` is negative.

    >>> axis_move("bragg", 13.7, 13.8, "deg", 0.01).via is None
    True
    >>> axis_move("bragg", 13.8, 13.7, "deg", 0.01).via
    13.69
    """
    wrong_way = (target - start) * backlash < 0
    return AxisMove(axis, start, target, round(target - backlash, 9) if wrong_way else None, unit)


def energy_motors(devices: Instrument) -> dict[str, Motor]:
    """Motors that an energy change moves, by the names of the beamline file; the undulator is none."""
    return {
        "bragg": devices.mono.bragg,
        "second_crystal_gap": devices.mono.second_crystal_gap,
        "zone_plate_x": devices.zone_plate.x,
        "zone_plate_y": devices.zone_plate.y,
        "zone_plate_z": devices.zone_plate.z,
    }


def positions(devices: Instrument) -> dict[str, float]:
    """Where the axes of an energy change stand, asked now."""
    here = {name: asked(motor.user_readback) for name, motor in energy_motors(devices).items()}
    return {**here, GAP: asked(devices.undulator.gap)}


def plan_energy(
    devices: Instrument, energy_ev: float, *, beyond_focus_table: bool = False, reference: str = "energy"
) -> EnergyMoves:
    """Plan the change to an energy; nothing moves.

    Parameters
    ----------
    devices, energy_ev
    beyond_focus_table : bool
        Whether the focus need not be known there.
    reference : str
        What is refused, in the error.

    Raises
    ------
    LimitError
        With every reason: the energy, a limit of the beamline file or of a record, the dead band or harmonic
        of the undulator, a zone plate that would touch something, an axis that does not know where it is.
    """
    file = devices.file
    faults = energy_faults(file, energy_ev, beyond_focus_table=beyond_focus_table)
    if faults:
        raise LimitError(f"{reference} to {energy_ev:g} eV", faults)
    here, detector_z = positions(devices), asked(devices.detector.z.user_readback)
    faults = number_faults({**here, "detector_z": detector_z})
    if not faults:
        at = at_energy(file, energy_ev, detector_z)
        moves = axis_moves(file, here, targets_at(at))
        faults = list(place_faults(devices, {"zone_plate_z": {at.zone_plate_z_mm}} | places_of(moves)))
    if faults:
        raise LimitError(f"{reference} to {energy_ev:g} eV", faults)
    return EnergyMoves(asked(devices.mono.energy_ev), at, moves)


def targets_at(at: AtEnergy) -> dict[str, float]:
    """Where an energy wants the axes; one that may stay is not named."""
    targets = {
        "bragg": at.bragg_deg,
        "second_crystal_gap": at.second_crystal_gap_mm,
        "zone_plate_x": at.zone_plate_x_um,
        "zone_plate_y": at.zone_plate_y_um,
        "zone_plate_z": at.zone_plate_z_mm,
        GAP: at.undulator_gap_mm,
    }
    return {name: target for name, target in targets.items() if target is not None}


def axis_moves(
    file: Beamline, here: Mapping[str, float], targets: Mapping[str, float]
) -> tuple[AxisMove, ...]:
    """Moves from where the axes stand to their targets; those that make no difference are left out."""
    moves = []
    for name, target in targets.items():
        unit, tolerance, backlash = axis_facts(file, name)
        if not abs(target - here[name]) <= NEGLIGIBLE * tolerance:
            moves.append(axis_move(name, here[name], target, unit, backlash))
    return tuple(moves)


def travel_s(file: Beamline, moves: tuple[AxisMove, ...]) -> float:
    """Time of the slowest of the moves at the axes' own speeds, settling included, seconds."""
    return max((_axis_s(file, move) for move in moves), default=0.0)


def _axis_s(file: Beamline, move: AxisMove) -> float:
    places = [move.start, *([] if move.via is None else [move.via]), move.target]
    lengths = [abs(there - here) for here, there in pairwise(places)]
    if move.axis == GAP:
        source = file.undulator
        return sum(length / source.gap_speed_mm_s + source.gap_settle_s for length in lengths)
    axis = getattr(file.axes, move.axis)
    return float(sum(length / axis.velocity + axis.acceleration_s + axis.settle_s for length in lengths))


def axis_facts(file: Beamline, name: str) -> tuple[str, float, float]:
    """Unit, tolerance and backlash of an axis."""
    if name == GAP:
        return "mm", file.undulator.gap_tolerance_mm, file.undulator.gap_backlash_mm
    axis = getattr(file.axes, name)
    return axis.unit, axis.tolerance, axis.backlash


def number_faults(places: Mapping[str, float]) -> list[str]:
    """Axes that do not know where they are."""
    return [
        f"{name} reads {place}; wanted a number; look at its record"
        for name, place in places.items()
        if not math.isfinite(place)
    ]


def places_of(moves: Iterable[AxisMove]) -> dict[str, set[float]]:
    """Where moves send the axes, the turning points beyond their targets too."""
    found: dict[str, set[float]] = {}
    for move in moves:
        found.setdefault(move.axis, set()).update(
            {move.target} if move.via is None else {move.via, move.target}
        )
    return found


def place_faults(devices: Instrument, places: Mapping[str, Collection[float]]) -> Iterator[str]:
    """Why the axes may not go to places: limits, the harmonic and dead band of the undulator, a collision."""
    harmonic, wanted = int(asked(devices.undulator.harmonic)), devices.file.undulator.harmonic
    if harmonic != wanted:
        yield f"undulator: wanted harmonic {wanted}, found {harmonic}; set it, or the beamline file's"
    motors = energy_motors(devices)
    for name, axis_places in places.items():
        ends = sorted({min(axis_places), max(axis_places)})
        if name == GAP:
            yield from dict.fromkeys(fault for end in ends for fault in devices.undulator.gap_faults(end))
        else:
            yield from motors[name].limit_faults(*ends)
    if "zone_plate_z" in places:
        yield from collision_faults(devices, min(places["zone_plate_z"]))


def collision_faults(devices: Instrument, zone_plate_z_mm: float) -> Iterator[str]:
    """The zone plate would come too near to the sample or the pinhole."""
    least = devices.file.zone_plate.clearance_mm
    left = clearance_mm(devices.file, zone_plate_z_mm, asked(devices.sample.z.user_readback))
    if not left >= least:
        yield (
            f"zone_plate_z: wanted {least:g} mm or more to sample and pinhole, found {left:.3f} mm at "
            f"{zone_plate_z_mm:.4f} mm; choose higher energies, or move the sample upstream"
        )
