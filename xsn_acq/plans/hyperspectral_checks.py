"""What is checked before a hyperspectral scan moves anything, and what it costs."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from xsn_acq.config import Beamline
from xsn_acq.errors import LimitError
from xsn_acq.params import HyperspectralTomography, XsnTomography
from xsn_acq.params.progress import Progress
from xsn_acq.plans.beam import Beam
from xsn_acq.plans.checks import cutoff_faults, folder_faults, general_faults, move_faults
from xsn_acq.plans.energy_checks import energies_faults, reach_faults
from xsn_acq.plans.energy_places import change_s
from xsn_acq.plans.estimate import Estimate, cost_line, estimate
from xsn_acq.plans.feasible import infeasible
from xsn_acq.plans.framing import Framing
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.state import State
from xsn_acq.plans.steps import asked

CHANGE_OVERHEAD_S = 1.0
"""Feedback, beam monitor and the checks of an energy change, seconds."""


def check_hyperspectral(
    devices: Instrument,
    params: HyperspectralTomography,
    frame: Framing,
    state: State,
    folder: Path,
    done: Progress,
) -> None:
    """Refuse a hyperspectral scan that cannot be taken as a whole or that would be worthless.

    Raises
    ------
    LimitError
        With every reason; nothing has moved.
    """
    file, theta = devices.file, (state.theta_acceleration_s, state.theta_max_velocity)
    faults = [
        *general_faults(devices, params, state),
        *Beam(devices).source_faults(),
        *cutoff_faults(file, state),
        *_file_faults(file, params, *theta),
        *_place_faults(devices, done),
    ]
    if not faults:
        faults = [
            *reach_faults(devices, params.sequence_ev, state),
            *dict.fromkeys(
                fault for turn in _turns(params) for fault in move_faults(devices, turn, frame, state)
            ),
        ]
    faults += folder_faults(folder, frames_left(params, done) * frame.bytes_per_frame)
    if faults:
        raise LimitError("hyperspectral_tomography", faults)


def infeasible_hyperspectral(file: Beamline, params: HyperspectralTomography) -> list[str]:
    """List every reason why this beamline cannot take a hyperspectral scan; nothing is connected."""
    return list(_file_faults(file, params, None, None))


def frames_left(params: HyperspectralTomography, done: Progress) -> int:
    """Frames still to be taken; each tomogram that is not complete needs darks and flats of its own."""
    left = [params.projections - len(done.at(number).good) for number in range(len(params.sequence_ev))]
    return sum(params.frames - params.projections + missing for missing in left if missing > 0)


def _file_faults(
    file: Beamline,
    params: HyperspectralTomography,
    acceleration_s: float | None,
    max_velocity_deg_s: float | None,
) -> Iterator[str]:
    """What the beamline file says against the energies, and against tomograms forwards and backwards."""
    yield from energies_faults(file, params.sequence_ev)
    for turn in _turns(params):
        faults = infeasible(file, turn, acceleration_s=acceleration_s, max_velocity_deg_s=max_velocity_deg_s)
        yield from faults
        if faults:
            return


def _turns(params: HyperspectralTomography) -> Iterator[XsnTomography]:
    """A tomogram forwards, and one backwards where there is one."""
    yield params.tomogram(0)
    if len(params.sequence_ev) > 1:
        yield params.tomogram(1)


def _place_faults(devices: Instrument, done: Progress) -> Iterator[str]:
    """Motors that no longer stand where the scan began, which would give another image."""
    sample, cutoff, lens = devices.sample, devices.cutoff, devices.zone_plate
    followed = any(entry.zone_plate_x_um is not None for entry in devices.file.calibration.focus)
    sideways = () if followed else (lens.x, lens.y)  # else each energy change sends them where they belong
    for motor in (sample.x, sample.y, sample.z, cutoff.x, cutoff.z, devices.detector.z, *sideways):
        wanted = done.places.get(motor.name)
        found = asked(motor.user_readback)
        if wanted is not None and not abs(found - wanted) <= 2 * motor.axis.tolerance:
            unit = motor.axis.unit
            yield (
                f"{motor.name}: wanted {wanted:.6g} {unit}, as the scan began, found {found:.6g} {unit}; "
                "move it there, or start a new scan"
            )


@dataclass(frozen=True)
class HyperspectralEstimate:
    """What a hyperspectral scan costs: so many times its ``tomogram``, and the energy changes."""

    tomogram: Estimate
    energies: int
    changes_s: float

    @property
    def duration_s(self) -> float:
        """Time of all, seconds."""
        return self.energies * self.tomogram.duration_s + self.changes_s

    def summary(self, *, speed: float = 1.0) -> str:
        """Lines for a person; with the time on the wall where a simulated clock has another ``speed``."""
        one, count = self.tomogram, self.energies
        cost = cost_line(self.duration_s, count * one.open_shutter_s, count * one.disk_bytes, speed)
        return (
            f"{count} tomograms, one at each energy; energy changes take {self.changes_s:.0f} s in all\n"
            f"each: {one.summary(speed=speed)}\nall: {cost}"
        )


def estimate_hyperspectral(file: Beamline, params: HyperspectralTomography) -> HyperspectralEstimate:
    """Estimate time, disk and dose of a scan in which no frame is lost, from its first energy and back."""
    energies = params.sequence_ev
    changes = [change_s(file, before, after) for before, after in pairwise((*energies, energies[0]))]
    return HyperspectralEstimate(
        tomogram=estimate(file, params.tomogram(0)),
        energies=len(energies),
        changes_s=sum(changes) + len(changes) * CHANGE_OVERHEAD_S,
    )
