"""What is checked before anything moves: every reason to refuse a run, all at once."""

import math
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from xsn_acq.config import Beamline, FullField, Microscope
from xsn_acq.config.energy import energy_of_gap_ev
from xsn_acq.devices.motor import Motor
from xsn_acq.errors import LimitError
from xsn_acq.params import FlyTomography, FrameParams, XsnTomography
from xsn_acq.plans.feasible import infeasible
from xsn_acq.plans.framing import Framing, sample_out_um, sweep
from xsn_acq.plans.instrument import FullFieldInstrument, Instrument
from xsn_acq.plans.state import FullFieldState, MicroscopeState, State, TurningState
from xsn_acq.units import MM

DISK_MARGIN = 1.1
"""Free disk wanted, times the size of all frames."""
FOCUS_TOLERANCE = 0.25
"""How far the zone plate may be from focus, in depths of focus lambda / NA^2."""
CUTOFF_TOLERANCE = 0.01
"""How far the edge's frequency may run across the field, as a fraction of the illumination's width."""


def check_before(
    devices: Instrument, params: XsnTomography, frame: Framing, state: State, folder: Path
) -> None:
    """Refuse a tomogram that cannot be taken or that would be worthless.

    Raises
    ------
    LimitError
        With every reason; nothing has moved.
    """
    file = devices.file
    faults = [
        *general_faults(devices, params, state),
        *state.beam_faults,
        *source_faults(file, state),
        *focus_faults(file, state),
        *cutoff_faults(file, state),
        *infeasible(
            file,
            params,
            acceleration_s=state.theta_acceleration_s,
            max_velocity_deg_s=state.theta_max_velocity,
        ),
        *move_faults(devices, params, frame, state),
        *folder_faults(folder, params.frames * frame.bytes_per_frame),
    ]
    if faults:
        raise LimitError("xsn_tomography", faults)


def general_faults(devices: FullFieldInstrument, params: FrameParams, state: FullFieldState) -> Iterator[str]:
    """What forbids every run: the wrong energy, the sample left outside, something at work.

    That gap and feedback are right matters only to runs that do not set them: see `source_faults`.
    """
    yield from number_faults(state)
    yield from sample_faults(devices.file, params, state)
    yield from energy_faults(devices.file, state)
    yield from state.left_behind


def number_faults(state: FullFieldState) -> Iterator[str]:
    """Values that are not numbers."""
    for field in fields(state):
        value = getattr(state, field.name)
        if isinstance(value, float) and not math.isfinite(value):
            yield f"{field.name} reads {value}; wanted a number; look at its record"


def sample_faults(file: FullField, params: FrameParams, state: FullFieldState) -> Iterator[str]:
    """The shutter is in no state, or the sample was left where flats are taken."""
    if state.shutter not in ("open", "closed"):
        yield f"shutter: wanted open or closed, found {state.shutter}; look at its status"
    out = sample_out_um(file, params)
    if file.geometry.is_out(state.sample_x_um, out):
        found = f"found it at {state.sample_x_um:.1f} um, near {out:g} um where flats are taken"
        back = f"caput {file.axes.sample_x.pv} {file.geometry.sample_x_centre_um:g}"
        yield f"sample_x: wanted the sample in the beam, {found}; was a run killed? Move it back: {back}"


def energy_faults(file: FullField, state: FullFieldState) -> Iterator[str]:
    """The energy is none of the monochromator's."""
    low, high = file.energy_range_ev
    if math.isfinite(state.energy_ev) and not low <= state.energy_ev <= high:
        yield f"energy: wanted {low} to {high} eV, found {state.energy_ev:.1f} eV; move the monochromator"


def focus_faults(file: Microscope, state: MicroscopeState) -> Iterator[str]:
    """The zone plate is not where the energy wants it."""
    if any(energy_faults(file, state)) or not math.isfinite(state.energy_ev):
        return
    wanted = file.zone_plate_z_mm(state.energy_ev, state.detector_z_mm)
    tolerance = FOCUS_TOLERANCE * file.depth_of_focus_m(state.energy_ev) / MM
    if abs(state.zone_plate_z_mm - wanted) > tolerance:
        yield (
            f"zone_plate_z: wanted {wanted:.4f} +- {tolerance:.4f} mm for focus at {state.energy_ev:.1f} eV, "
            f"found {state.zone_plate_z_mm:.4f} mm; move it there"
        )


def cutoff_faults(file: Beamline, state: State) -> Iterator[str]:
    """The cutoff filter is so far from the pupil plane that its edge is another at the field's two sides."""
    if any(energy_faults(file, state)) or not math.isfinite(state.energy_ev):
        return
    tolerance = CUTOFF_TOLERANCE * file.cutoff_depth_mm(state.energy_ev)
    if abs(state.cutoff_z_mm - file.cutoff_z_mm) > tolerance:
        yield (
            f"cutoff_z: wanted {file.cutoff_z_mm:.3f} +- {tolerance:.3f} mm, the plane of the pupil, "
            f"found {state.cutoff_z_mm:.3f} mm; move it there"
        )


def source_faults(file: Beamline, state: State) -> Iterator[str]:
    """The undulator does not give the monochromator's energy: more than half a harmonic's width off."""
    source = file.undulator
    if state.gap_deadband_mm != 0.0:
        yield f"undulator: wanted dead band 0, found {state.gap_deadband_mm} mm; set it to 0"
    if not (math.isfinite(state.gap_mm) and math.isfinite(state.energy_ev)):
        return
    given = energy_of_gap_ev(file, state.gap_mm)
    tolerance = state.energy_ev / (2 * source.harmonic * source.periods)
    if abs(given - state.energy_ev) > tolerance:
        yield (
            f"undulator gap: wanted harmonic {source.harmonic} at {state.energy_ev:.1f} +- {tolerance:.1f} "
            f"eV, found {given:.1f} eV at {state.gap_mm:.4f} mm; run change_energy"
        )


def move_faults(
    devices: FullFieldInstrument, params: FlyTomography, frame: Framing, state: TurningState
) -> Iterator[str]:
    """Targets beyond a soft limit of a record, or a sample that stands beyond a limit."""
    file, sample = devices.file, devices.sample
    turn = sweep(
        frame.rhythm(params),
        params.start_deg,
        params.projections,
        state.theta_acceleration_s,
        file.axes.sample_theta.tolerance,
    )
    yield from record_faults(sample.theta, turn.begin_deg, turn.end_deg)
    yield from record_faults(sample.x, sample_out_um(file, params))
    yield from sample.x.limit_faults(state.sample_x_um)


def record_faults(motor: Motor, *targets: float) -> Iterator[str]:
    """Of targets that the beamline file allows; what it does not is told already."""
    for target in targets:
        if motor.axis.low <= target <= motor.axis.high:
            yield from motor.limit_faults(target)


def folder_faults(folder: Path, wanted_bytes: int) -> Iterator[str]:
    """The folder cannot be made or written, or has too little space."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{uuid.uuid4().hex}"
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield f"folder {folder}: wanted a folder to write frames to, found: {error.strerror}; choose another"
        return
    wanted = wanted_bytes * DISK_MARGIN
    if free < wanted:
        yield (
            f"folder {folder}: wanted {wanted / 1e9:.2f} GB free, found {free / 1e9:.2f} GB; "
            "make space or choose another"
        )
