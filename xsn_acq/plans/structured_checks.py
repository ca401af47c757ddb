"""What is checked before a structured-illumination run moves anything, and what it costs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xsn_acq.config import Axis, StructuredBeamline
from xsn_acq.errors import LimitError
from xsn_acq.params import StructuredIllumination
from xsn_acq.params.library import Library, library_refusals
from xsn_acq.plans.checks import focus_faults, folder_faults, general_faults, record_faults
from xsn_acq.plans.element_checks import element_faults
from xsn_acq.plans.estimate import SERIES_OVERHEAD_S, PointsEstimate, move_s
from xsn_acq.plans.feasible import roi_faults, sample_out_faults
from xsn_acq.plans.framing import Framing, framing, run_up_deg, sample_out_um
from xsn_acq.plans.instrument import StructuredInstrument
from xsn_acq.plans.structured_state import StructuredState
from xsn_acq.plans.sweep import place_of, travel_mm
from xsn_acq.units import MM, UM

STEP_OVERHEAD_S = 0.15
"""Arming camera and detector, reading positions, for each pattern in step mode, seconds."""
LINE_OVERHEAD_S = 3.0
"""The same for a line that is flown."""
_NOT_ASSESSED = "adaptive: wanted an assessor of patterns, found none; pass one, or leave adaptive out"
SCALER_BYTES, BIN_BYTES = 11 * 8, 4
"""Of a spectrum."""


def check_structured(
    devices: StructuredInstrument,
    params: StructuredIllumination,
    frame: Framing,
    state: StructuredState,
    folder: Path,
    *,
    assessed: bool = True,
    library: Library | None = None,
) -> None:
    """Refuse a sweep that cannot be taken or that would be worthless.

    ``assessed``: there is an assessor. ``library``: the run whose images are used.

    Raises
    ------
    LimitError
        With every reason; nothing has moved.
    """
    file = devices.file
    faults = [
        *general_faults(devices, params, state),
        *state.beam_faults,
        *focus_faults(file, state),
        *_file_faults(file, params),
        *element_faults(params.elements, state.energy_ev),
        *_library_faults(file, params, frame, state, library),
        *_move_faults(devices, params, state),
        *folder_faults(folder, _disk_bytes(file, params, frame)),
        *(() if assessed or params.adaptive is None else [_NOT_ASSESSED]),
    ]
    if faults:
        raise LimitError("structured_illumination", faults)


def _library_faults(
    file: StructuredBeamline,
    params: StructuredIllumination,
    frame: Framing,
    state: StructuredState,
    library: Library | None,
) -> list[str]:
    """Other patterns than those of the library, or seen otherwise, or images that it lacks."""
    low_ev, high_ev = file.monochromator.energy_low_ev, file.monochromator.energy_high_ev
    if library is None or not low_ev <= state.energy_ev <= high_ev:  # that is told already
        return []
    seen = {
        "energy_ev": state.energy_ev,
        "detector_z_mm": state.detector_z_mm,
        "pixel_size_m": file.pixel_size_m(state.energy_ev, frame.binning, state.detector_z_mm),
    }
    return library_refusals(params, seen, library)


def infeasible_structured(file: StructuredBeamline, params: StructuredIllumination) -> list[str]:
    """List every reason why this beamline cannot take a sweep; nothing is connected."""
    highest_ev = file.monochromator.energy_high_ev
    return [*_file_faults(file, params), *element_faults(params.elements, highest_ev)]


def _file_faults(file: StructuredBeamline, params: StructuredIllumination) -> list[str]:
    """What the beamline file forbids at any energy."""
    frame = framing(file, params)
    return [
        *roi_faults(file, frame),
        *sample_out_faults(file, params),
        *_range_faults(file, params, frame),
        *_blur_faults(file, params, frame),
    ]


def _ranges(
    file: StructuredBeamline, params: StructuredIllumination, frame: Framing
) -> Iterator[tuple[str, Axis, float, float]]:
    """Name, axis, lowest and highest place of each motor that a sweep moves."""
    per_line = params.per_line
    corners = [place_of(params, line * per_line) for line in (0, params.lines - 1)]
    corners += [place_of(params, line * per_line + per_line - 1) for line in (0, params.lines - 1)]
    run_up = _run_up_mm(file, params, frame)
    for name in ("coarse_x_mm", "coarse_y_mm", "fine_x_mm", "fine_y_mm"):
        places = [getattr(corner, name) for corner in corners]
        more = run_up if name == "fine_x_mm" else 0.0
        axis = "sandpaper_" + name.removesuffix("_mm")
        yield axis, getattr(file.axes, axis), min(places) - more, max(places) + more
    for name in ("x_um", "y_um", "pitch_urad", "yaw_urad"):
        places = [getattr(setting, name) for setting in params.settings]
        axis = "condenser_" + name.rpartition("_")[0]
        yield axis, getattr(file.axes, axis), min(places), max(places)


def _run_up_mm(file: StructuredBeamline, params: StructuredIllumination, frame: Framing) -> float:
    """How far the fine sheet goes beyond the first and the last pattern of a line."""
    if params.mode == "step":
        return 0.0
    axis = file.axes.sandpaper_fine_x
    way = run_up_deg(params.sheets.step_mm / frame.period_s, axis.acceleration_s, axis.tolerance)
    return way + params.sheets.step_mm


def _range_faults(file: StructuredBeamline, params: StructuredIllumination, frame: Framing) -> Iterator[str]:
    """Places where a motor cannot go."""
    for name, axis, low, high in _ranges(file, params, frame):
        if not axis.low <= low <= high <= axis.high:
            yield (
                f"{name}: wanted {axis.low:g} to {axis.high:g} {axis.unit}, found {low:.6g} to {high:.6g} "
                f"{axis.unit}; choose fewer patterns or smaller steps"
            )


def _blur_faults(file: StructuredBeamline, params: StructuredIllumination, frame: Framing) -> Iterator[str]:
    """A fine sheet that cannot go so fast, or goes so fast that its pattern is washed out."""
    if params.mode == "step":
        return
    axis, velocity = file.axes.sandpaper_fine_x, params.sheets.step_mm / frame.period_s
    if velocity > axis.max_velocity:
        yield (
            f"sandpaper_fine_x: wanted at most {axis.max_velocity:g} mm/s, found {velocity:.4g} mm/s "
            f"for a step of {params.sheets.step_mm:g} mm in {frame.period_s:.4g} s; choose a smaller step_mm"
        )
    way_um, grain_um = velocity * frame.exposure_s * MM / UM, file.sandpaper_fine.grain_um
    if way_um > grain_um:
        yield (
            f"step_mm: wanted a way of at most one grain, {grain_um:g} um, in an exposure, "
            f"found {way_um:.3g} um: the pattern is washed out; choose a smaller step_mm, or mode: step"
        )


def _move_faults(
    devices: StructuredInstrument, params: StructuredIllumination, state: StructuredState
) -> Iterator[str]:
    """Targets beyond a soft limit of a record, or a motor beyond one, which could not be put back."""
    frame = framing(devices.file, params)
    for name, _, low, high in _ranges(devices.file, params, frame):
        motor = _motor(devices, name)
        yield from record_faults(motor, low, high)
        yield from motor.limit_faults(float(motor.user_readback.get(use_monitor=False)))
    yield from record_faults(devices.sample.x, sample_out_um(devices.file, params))
    yield from devices.sample.x.limit_faults(state.sample_x_um)


def _motor(devices: StructuredInstrument, name: str) -> Any:
    part, _, axis = name.rpartition("_")
    return getattr(getattr(devices, part), axis)


def _disk_bytes(file: StructuredBeamline, params: StructuredIllumination, frame: Framing) -> int:
    spectra = 0 if params.passes == "out" else params.patterns + params.references
    return params.frames * frame.bytes_per_frame + spectra * (file.vortex.bins * BIN_BYTES + SCALER_BYTES)


def estimate_structured(file: StructuredBeamline, params: StructuredIllumination) -> PointsEstimate:
    """Estimate time, disk and dose of a sweep that goes to its end and is not interrupted."""
    frame = framing(file, params)
    way = file.axes.sandpaper_fine_x
    exposures = params.patterns + params.references / params.pattern_passes
    lines = params.lines * len(params.settings)
    if params.mode == "fly":
        one_pass = exposures * frame.period_s + lines * (LINE_OVERHEAD_S + 2 * way.acceleration_s)
    else:
        moves = params.patterns * way.acceleration_s
        one_pass = exposures * (frame.period_s + STEP_OVERHEAD_S) + moves
        one_pass += travel_mm(params) / params.pattern_passes / way.velocity
    out = sample_out_um(file, params) - file.geometry.sample_x_centre_um
    sample_moves = (params.blocks + 1) * move_s(file.axes.sample_x, out) if params.passes != "in" else 0.0
    darks = params.darks * frame.period_s
    duration = params.pattern_passes * one_pass + sample_moves + darks + 3 * SERIES_OVERHEAD_S
    return PointsEstimate(
        frames=params.frames,
        at=f"{params.patterns} patterns, {_passes(params)}",
        shape=frame.shape,
        exposure_s=params.exposure_s,
        duration_s=duration,
        open_shutter_s=0.0 if params.passes == "out" else one_pass,
        disk_bytes=_disk_bytes(file, params, frame),
    )


def _passes(params: StructuredIllumination) -> str:
    return {"pairs": "sample in and out", "in": "sample in", "out": "sample out"}[params.passes]
