"""Where an energy scan takes its frames: flats and images at each energy, in the order of least motion."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from xsn_acq.config import Beamline
from xsn_acq.config.energy import at_energy
from xsn_acq.params import EnergyScan
from xsn_acq.plans.energy_moves import axis_moves, targets_at, travel_s
from xsn_acq.plans.framing import sample_out_um
from xsn_acq.plans.places import AxisName, opened_cutoff_um

Kind = Literal["flat", "projection"]


@dataclass(frozen=True)
class EnergyPlace:
    """Frames of one kind at one energy; ``axes`` are further motors and where they go."""

    energy_ev: float
    kind: Kind
    frames: int
    axes: tuple[tuple[AxisName, float], ...]


def energy_places(params: EnergyScan, file: Beamline, sample_x_um: float) -> tuple[EnergyPlace, ...]:
    """Places of an energy scan in the order in which they are visited.

    At every second energy with flats the sample comes first, so that it moves out once for two of them.

    Parameters
    ----------
    params, file
    sample_x_um : float
        Where the sample is in the beam.
    """
    out = sample_out_um(file, params)
    opened: tuple[tuple[AxisName, float], ...] = ()
    if params.opened_um is not None:
        opened = (("cutoff_x", opened_cutoff_um(file, params.opened_um)),)
    found: list[EnergyPlace] = []
    flat_first = True
    with_flats = set(flats_at(params, file))
    for number, energy in enumerate(params.sequence_ev):
        flat = EnergyPlace(energy, "flat", params.flats, (*opened, ("sample_x", out)))
        image = EnergyPlace(
            energy, "projection", params.frames_per_energy, (*opened, ("sample_x", sample_x_um))
        )
        if number not in with_flats:
            found.append(image)
            continue
        found += (flat, image) if flat_first else (image, flat)
        flat_first = not flat_first
    return tuple(found)


def flats_at(params: EnergyScan, file: Beamline) -> tuple[int, ...]:
    """Numbers of the energies at which flats are taken: first, last, and where the rule asks for new."""
    energies = params.sequence_ev
    if params.flats_at_each:
        return tuple(range(len(energies)))
    far = float("inf") if params.flats_every_ev is None else params.flats_every_ev
    late = float("inf") if params.flats_every_s is None else params.flats_every_s
    found, age_s = [0], 0.0
    for number, (before, energy) in enumerate(pairwise(energies), start=1):
        age_s += params.frames_per_energy * params.exposure_s + change_s(file, before, energy)
        if abs(energy - energies[found[-1]]) > far or age_s > late or number == len(energies) - 1:
            found.append(number)
            age_s = 0.0
    return tuple(found)


def change_s(file: Beamline, before_ev: float, after_ev: float) -> float:
    """Time of the axes from one energy to another, seconds."""
    here, there = (targets_at(at_energy(file, energy)) for energy in (before_ev, after_ev))
    return travel_s(file, axis_moves(file, here, there))
