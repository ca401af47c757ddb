"""What is checked before a calibration moves anything, and what it costs."""

from collections.abc import Iterator
from pathlib import Path

from xsn_acq.config import Beamline
from xsn_acq.devices.motor import Motor
from xsn_acq.errors import LimitError
from xsn_acq.params import StillsParams
from xsn_acq.plans.checks import (
    cutoff_faults,
    focus_faults,
    folder_faults,
    general_faults,
    record_faults,
    source_faults,
)
from xsn_acq.plans.estimate import SERIES_OVERHEAD_S, PointsEstimate, move_s
from xsn_acq.plans.feasible import roi_faults, sample_out_faults
from xsn_acq.plans.framing import Framing, framing, sample_out_um
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.places import AxisName, Places, places
from xsn_acq.plans.state import State

POINT_OVERHEAD_S = 0.3
"""Arming the camera and reading positions at each point, seconds."""


def motor(devices: Instrument, axis: AxisName) -> Motor:
    """Motor of an axis of the beamline file."""
    motors: dict[AxisName, Motor] = {
        "cutoff_x": devices.cutoff.x,
        "cutoff_z": devices.cutoff.z,
        "zone_plate_z": devices.zone_plate.z,
        "sample_x": devices.sample.x,
        "sample_theta": devices.sample.theta,
    }
    return motors[axis]


def places_now(file: Beamline, params: StillsParams, state: State | None = None) -> Places:
    """Where a calibration takes its stills with the instrument as it stands, or with all in its usual place.

    An energy that is none of the monochromator's is refused elsewhere; the usual one stands for it.
    """
    mono, usual = file.monochromator, file.calibration.knife_edge.energy_ev
    energy = usual if state is None else state.energy_ev
    return places(
        params,
        file,
        energy_ev=energy if mono.energy_low_ev <= energy <= mono.energy_high_ev else usual,
        detector_z_mm=0.0 if state is None else state.detector_z_mm,
        sample_x_um=file.geometry.sample_x_centre_um if state is None else state.sample_x_um,
    )


def check_stills(
    plan_name: str,
    devices: Instrument,
    params: StillsParams,
    frame: Framing,
    state: State,
    where: Places,
    folder: Path,
) -> None:
    """Refuse a calibration that cannot be taken or that would be worthless.

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
        *(() if "zone_plate_z" in where.axes else focus_faults(file, state)),
        *(() if "cutoff_z" in where.axes else cutoff_faults(file, state)),
        *_file_faults(file, params, frame, where),
        *_move_faults(devices, params, state, where),
        *folder_faults(folder, params.frames * frame.bytes_per_frame),
    ]
    if faults:
        raise LimitError(plan_name, faults)


def infeasible_stills(file: Beamline, params: StillsParams) -> list[str]:
    """List every reason why this beamline cannot take a calibration; nothing is connected."""
    return list(_file_faults(file, params, framing(file, params), places_now(file, params)))


def _file_faults(file: Beamline, params: StillsParams, frame: Framing, where: Places) -> Iterator[str]:
    """What the beamline file says against it."""
    yield from roi_faults(file, frame)
    yield from sample_out_faults(file, params)
    for name in where.axes:
        axis = getattr(file.axes, name)
        low, high = where.span(name)
        if not axis.low <= low <= high <= axis.high:
            yield (
                f"{name}: wanted {axis.low:g} to {axis.high:g} {axis.unit}, "
                f"found {low:.6g} to {high:.6g} {axis.unit}; choose a smaller range"
            )


def _move_faults(devices: Instrument, params: StillsParams, state: State, where: Places) -> Iterator[str]:
    """Targets beyond a soft limit of a record, or a motor beyond one, which could not be put back."""
    for name in where.axes:
        yield from record_faults(motor(devices, name), *where.span(name))
        yield from motor(devices, name).limit_faults(state.position(name))
    yield from record_faults(devices.sample.x, sample_out_um(devices.file, params))
    if "sample_x" not in where.axes:
        yield from devices.sample.x.limit_faults(state.sample_x_um)


def estimate_stills(file: Beamline, params: StillsParams) -> PointsEstimate:
    """Estimate time, disk and dose of a calibration in which nothing is interrupted."""
    frame, where = framing(file, params), places_now(file, params)
    scan = params.places * (POINT_OVERHEAD_S + params.frames_per_point * frame.period_s)
    scan += where.travel_s(file) + SERIES_OVERHEAD_S
    series = 1 + (params.flats_taken > 0)
    stills = (params.darks + params.flats_taken) * frame.period_s + series * SERIES_OVERHEAD_S
    out = sample_out_um(file, params) - file.geometry.sample_x_centre_um
    ways = 2 * move_s(file.axes.sample_x, out)
    return PointsEstimate(
        frames=params.frames,
        at=f"{params.places} points",
        shape=frame.shape,
        exposure_s=params.exposure_s,
        duration_s=scan + stills + ways,
        open_shutter_s=0.0 if params.sample_out else scan,
        disk_bytes=params.frames * frame.bytes_per_frame,
    )
