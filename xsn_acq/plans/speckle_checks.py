"""What is checked before speckle microtomography moves anything."""

import math
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from xsn_acq.config import SpeckleBeamline
from xsn_acq.devices.pco_edge_driver import PcoEdgeDriver
from xsn_acq.errors import ConfigError, LimitError
from xsn_acq.params import SpeckleTomography
from xsn_acq.params.progress import Progress
from xsn_acq.plans.camera_faults import camera_faults
from xsn_acq.plans.checks import folder_faults, general_faults, move_faults, record_faults
from xsn_acq.plans.feasible import infeasible
from xsn_acq.plans.framing import Framing, framing, sample_out_um
from xsn_acq.plans.instrument import SpeckleInstrument
from xsn_acq.plans.speckle_places import place_faults
from xsn_acq.plans.speckle_state import SpeckleState, beta_over_delta, one_position
from xsn_acq.units import MM, UM

FEW_GRAINS = 3
"""Positions of the diffuser nearer to each other than so many grains show nearly the same speckle."""


def check_speckle(
    devices: SpeckleInstrument,
    params: SpeckleTomography,
    frame: Framing,
    state: SpeckleState,
    folder: Path,
    done: Progress,
    *,
    first: int = 0,
) -> None:
    """Refuse tomograms that cannot be taken as a whole or that would be worthless.

    ``first``: the position that is taken next; those before it need no space any more.

    Raises
    ------
    LimitError
        With every reason; nothing has moved.
    """
    turns = _turns(params, frame)
    moves = (fault for turn in turns for fault in move_faults(devices, turn, frame, state))
    faults = [
        *general_faults(devices, params, state),
        *state.beam_faults,
        *_file_faults(devices.file, params, (state.theta_acceleration_s, state.theta_max_velocity)),
        *dict.fromkeys(moves),
        *_record_faults(devices, params),
        *place_faults(devices, done),
        *_distance_faults(devices.file, state),
        *folder_faults(folder, frames_left(params, done, first) * frame.bytes_per_frame),
    ]
    if faults:
        raise LimitError("speckle_tomography", faults)


def infeasible_speckle(file: SpeckleBeamline, params: SpeckleTomography) -> list[str]:
    """List every reason why this beamline cannot take the tomograms; nothing is connected."""
    return list(_file_faults(file, params, (None, None)))


def frames_left(params: SpeckleTomography, done: Progress, first: int = 0) -> int:
    """Frames still to be taken from ``first`` on; an incomplete tomogram needs all but projections anew."""
    left = [params.projections - len(done.at(number).good) for number in range(first, len(params.places_mm))]
    return sum(params.frames - params.projections + missing for missing in left if missing > 0)


def _turns(params: SpeckleTomography, frame: Framing) -> list[SpeckleTomography]:
    """A tomogram forwards, and one backwards where there is one."""
    return [one_position(params, frame, number) for number in range(min(2, len(params.places_mm)))]


def _file_faults(
    file: SpeckleBeamline, params: SpeckleTomography, theta: tuple[float | None, float | None]
) -> Iterator[str]:
    """What the beamline file says; ``theta``: acceleration time and greatest speed as the record has them."""
    frame = framing(file, params)
    turns = (
        infeasible(file, turn, acceleration_s=theta[0], max_velocity_deg_s=theta[1])
        for turn in _turns(params, frame)
    )
    yield from next((faults for faults in turns if faults), [])
    yield from camera_faults(PcoEdgeDriver.limits, file.detection, frame)
    yield from _out_faults(file, params, frame)
    yield from _sheet_faults(file, params, frame)
    yield from _step_faults(file, params)
    yield from _material_faults(file, params)


def _out_faults(file: SpeckleBeamline, params: SpeckleTomography, frame: Framing) -> Iterator[str]:
    """A sample as wide as the field would be seen in flats and references."""
    out, centre = sample_out_um(file, params), file.geometry.sample_x_centre_um
    least = file.field_um(frame.roi[2])
    if abs(out - centre) < least:
        yield (
            f"sample_out_um: wanted {least:g} um or more from {centre:g} um, the width of the field, so that "
            f"flats have no sample, found {out:g} um; choose one further out"
        )


def _sheet_faults(file: SpeckleBeamline, params: SpeckleTomography, frame: Framing) -> Iterator[str]:
    """The sheet of the diffuser does not cover the field at a position, or covers some of it when out."""
    sheet, pixel_mm = file.diffuser, file.pixel_size_m(1) / MM
    axes = (
        ("x", file.axes.diffuser_x, sheet.width_mm, frame.roi[2] * pixel_mm),
        ("y", file.axes.diffuser_y, sheet.height_mm, frame.roi[3] * pixel_mm),
    )
    for index, (name, axis, size, field) in enumerate(axes):
        low, high = max(axis.low, (field - size) / 2), min(axis.high, (size - field) / 2)
        beyond = [place[index] for place in params.places_mm if not low <= place[index] <= high]
        if beyond:
            yield (
                f"diffuser_{name}: wanted {low:g} to {high:g} mm, where the sheet covers the field of "
                f"{field:.3g} mm, found {', '.join(f'{place:g}' for place in beyond)} mm; choose others"
            )
    field = axes[0][-1]
    if abs(sheet.x_out_mm) < (sheet.width_mm + field) / 2:
        yield (
            f"diffuser.x_out_mm: wanted {(sheet.width_mm + field) / 2:g} mm or more from the middle, so that "
            f"flats have no diffuser, found {sheet.x_out_mm:g} mm; choose another in the beamline file"
        )


def _step_faults(file: SpeckleBeamline, params: SpeckleTomography) -> Iterator[str]:
    """Two positions are so near to each other that their speckle tells the same."""
    nearest_mm = min((math.dist(*pair) for pair in combinations(params.places_mm, 2)), default=math.inf)
    least_mm = FEW_GRAINS * file.diffuser.grain_um * UM / MM
    if nearest_mm < least_mm:
        yield (
            f"diffuser positions: wanted {least_mm:g} mm or more between them, {FEW_GRAINS} grains of "
            f"{file.diffuser.grain_um:g} um, found {nearest_mm:g} mm; choose a greater step_mm"
        )


def _material_faults(file: SpeckleBeamline, params: SpeckleTomography) -> Iterator[str]:
    """The tables do not know the sample's material."""
    try:
        beta_over_delta(params, file.energy_range_ev[0])
    except ConfigError:
        known = "as SiO2 or, of window glass, Si0.72Na0.28Ca0.1Mg0.04O1.72"
        yield f"material: wanted a chemical formula, {known}, found {params.material}; or leave it out"


def _distance_faults(file: SpeckleBeamline, state: SpeckleState) -> Iterator[str]:
    """The sample's z stage has it in the diffuser, or behind it."""
    most_um = file.geometry.sample_to_diffuser_mm * MM / UM
    if state.sample_z_um >= most_um:
        yield (
            f"sample_z: wanted less than {most_um:g} um, where the diffuser stands, found "
            f"{state.sample_z_um:g} um; move it upstream"
        )


def _record_faults(devices: SpeckleInstrument, params: SpeckleTomography) -> Iterator[str]:
    """Places of the diffuser beyond a soft limit of its records."""
    diffuser, places = devices.diffuser, params.places_mm
    out = devices.file.diffuser.x_out_mm
    yield from record_faults(diffuser.x, out, *dict.fromkeys(x for x, _ in places))
    yield from record_faults(diffuser.y, *dict.fromkeys(y for _, y in places))
