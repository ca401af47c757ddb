"""What the beamline file alone says against a tomogram: nothing is connected, nothing moves."""

import math
from collections.abc import Iterator

from xsn_acq.config import FullField, TurningBeamline
from xsn_acq.params import FlyTomography, FrameParams
from xsn_acq.plans.framing import Framing, framing, sample_out_um, sweep

ENCODER_TOLERANCE = 0.01
"""Largest resolution of the rotation stage, in steps."""


def infeasible(
    file: TurningBeamline,
    params: FlyTomography,
    *,
    acceleration_s: float | None = None,
    max_velocity_deg_s: float | None = None,
) -> list[str]:
    """List every reason why this beamline cannot take the tomogram; empty when it can.

    Parameters
    ----------
    file : Beamline or SpeckleBeamline
        The instrument.
    params : FlyTomography
        What to take.
    acceleration_s, max_velocity_deg_s : float, optional
        Of the rotation stage, as its record has them; none takes the file's. A greatest speed of 0 is none.
    """
    frame, axis = framing(file, params), file.axes.sample_theta
    most = min(axis.max_velocity, max_velocity_deg_s or axis.max_velocity)
    acceleration = axis.acceleration_s if acceleration_s is None else acceleration_s
    return [
        *roi_faults(file, frame),
        *_axis_faults(file, frame),
        *_speed_faults(most, params, frame),
        *_step_faults(file, params),
        *_turn_faults(file, params, frame, acceleration),
        *sample_out_faults(file, params),
    ]


def roi_faults(file: FullField, frame: Framing) -> Iterator[str]:
    """The region does not lie on the sensor."""
    min_x, min_y, size_x, size_y = frame.roi
    for axis, start, size, most in (
        ("x", min_x, size_x, file.detection.sensor_columns),
        ("y", min_y, size_y, file.detection.sensor_rows),
    ):
        if start + size > most:
            yield f"roi.{axis}: wanted at most {most} px, found {start} + {size} px; make it smaller"


def _axis_faults(file: TurningBeamline, frame: Framing) -> Iterator[str]:
    """The region lies beside the rotation axis, about which images are flipped."""
    first, last = frame.roi[0], frame.roi[0] + frame.roi[2] - 1
    axis = file.calibration.rotation_axis.column
    if last < file.detection.sensor_columns and not first <= axis <= last:
        yield (
            f"roi.x: wanted the rotation axis in it, column {axis:g} of the sensor, found columns {first} to "
            f"{last}; move it"
        )


def _speed_faults(most: float, params: FlyTomography, frame: Framing) -> Iterator[str]:
    """The rotation stage cannot turn as fast."""
    velocity = frame.rhythm(params).velocity_deg_s
    if velocity > most:
        exposure_s = math.ceil(1000 * (params.step_deg / most - frame.readout_s)) / 1000
        yield (
            f"sample_theta: wanted {velocity:.4g} deg/s, its greatest speed is {most:g} deg/s; "
            f"take more projections, or an exposure above {exposure_s:g} s"
        )


def _step_faults(file: FullField, params: FlyTomography) -> Iterator[str]:
    """The encoder cannot tell the angles apart."""
    finest = file.axes.sample_theta.resolution / ENCODER_TOLERANCE
    if params.step_deg < finest:
        yield (
            f"sample_theta: wanted steps of {finest:g} deg or more, found {params.step_deg:.3g} deg; "
            "take fewer projections"
        )


def _turn_faults(
    file: FullField, params: FlyTomography, frame: Framing, acceleration_s: float
) -> Iterator[str]:
    """The rotation stage cannot turn as far, the run-up included."""
    axis = file.axes.sample_theta
    turn = sweep(frame.rhythm(params), params.start_deg, params.projections, acceleration_s, axis.tolerance)
    if not all(axis.low <= place <= axis.high for place in (turn.begin_deg, turn.end_deg)):
        yield (
            f"sample_theta: wanted {axis.low:g} to {axis.high:g} deg, "
            f"found {turn.begin_deg:.2f} to {turn.end_deg:.2f} deg with the run-up; "
            "choose another start_deg or a smaller span_deg"
        )


def sample_out_faults(file: FullField, params: FrameParams) -> Iterator[str]:
    """The sample cannot go as far out."""
    axis, out = file.axes.sample_x, sample_out_um(file, params)
    if not axis.low <= out <= axis.high:
        yield (
            f"sample_x: wanted {axis.low:g} to {axis.high:g} um, found {out:g} um for the flats; "
            "choose another sample_out_um"
        )
