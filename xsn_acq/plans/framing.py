"""What follows from parameters and beamline file alone: frame shape, frame period, velocity, run-up."""

from dataclasses import dataclass

from xsn_acq.config import FullField
from xsn_acq.params import FlyTomography, FrameParams
from xsn_acq.plans.rows import Rhythm

PERIOD_MARGIN = 0.002
"""Slack of the frame period for a stage whose velocity varies a little, as a fraction of the exposure."""
MIN_PERIOD_MARGIN_S = 0.001
RUN_UP_MARGIN_S = 0.25
"""Time at constant velocity before the first pulse and after the last exposure, seconds."""
RUN_UP_TOLERANCES = 10
"""The same as a distance: so many tolerances of the stage, where it turns slowly."""


@dataclass(frozen=True)
class Framing:
    """How the camera takes its frames.

    ``roi`` is (min_x, min_y, size_x, size_y) in unbinned pixels, ``shape`` the binned frame (ny, nx).
    """

    roi: tuple[int, int, int, int]
    binning: int
    shape: tuple[int, int]
    bytes_per_frame: int
    exposure_s: float
    readout_s: float
    period_s: float

    def rhythm(self, params: FlyTomography) -> Rhythm:
        """How the projections are spaced in angle and time."""
        return Rhythm(
            first_deg=params.start_deg,
            step_deg=params.direction * params.step_deg,
            count=params.projections,
            exposure_s=self.exposure_s,
            readout_s=self.readout_s,
            period_s=self.period_s,
            phase_free=params.trigger == "free_running",
        )

    def axis_column(self, sensor_column: float) -> float:
        """Column of the binned frame, pixel centres at integers, of a column of the unbinned sensor."""
        return (sensor_column - self.roi[0] - (self.binning - 1) / 2) / self.binning


def framing(file: FullField, params: FrameParams) -> Framing:
    """Frame shape and timing.

    The readout takes as long as the rows of the region need. A triggered camera gets a period a little longer
    than exposure and readout: a pulse that comes too early is ignored. A free-running one has no slack.
    """
    detection = file.detection
    full = (0, 0, detection.sensor_columns, detection.sensor_rows)
    roi = params.roi.as_tuple() if params.roi else full
    shape = (roi[3] // params.binning, roi[2] // params.binning)
    readout = detection.full_readout_s(params.port) * roi[3] / detection.sensor_rows
    margin = max(MIN_PERIOD_MARGIN_S, PERIOD_MARGIN * params.exposure_s)
    return Framing(
        roi=roi,
        binning=params.binning,
        shape=shape,
        bytes_per_frame=shape[0] * shape[1] * params.bytes_per_pixel,
        exposure_s=params.exposure_s,
        readout_s=readout,
        period_s=params.exposure_s + readout + (margin if params.triggered else 0.0),
    )


def sample_out_um(file: FullField, params: FrameParams) -> float:
    """Position of sample_x with the sample out of the beam, um."""
    return file.geometry.sample_out_um if params.sample_out_um is None else params.sample_out_um


def run_up_deg(velocity_deg_s: float, acceleration_s: float, tolerance_deg: float) -> float:
    """Rotation from rest to the first pulse: v^2 / (2 a) with a = v / acceleration time, and a margin.

    Parameters
    ----------
    velocity_deg_s : float
        Scan velocity, degrees per second.
    acceleration_s : float
        Time to reach it (the motor record's ACCL), seconds.
    tolerance_deg : float
        How far the stage may be from where it says it is, degrees.

    Examples
    --------
    >>> run_up_deg(0.2, 0.5, 0.001)
    0.1
    """
    margin = max(velocity_deg_s * RUN_UP_MARGIN_S, RUN_UP_TOLERANCES * tolerance_deg)
    return 0.5 * velocity_deg_s * acceleration_s + margin


@dataclass(frozen=True)
class Sweep:
    """One passage of the rotation stage: from rest at ``begin_deg``, through the train, to ``end_deg``."""

    begin_deg: float
    end_deg: float

    def duration_s(self, velocity_deg_s: float, acceleration_s: float) -> float:
        """How long it takes at a velocity that is reached, and left, in so many seconds."""
        return abs(self.end_deg - self.begin_deg) / velocity_deg_s + acceleration_s


def sweep(rhythm: Rhythm, start_deg: float, count: int, acceleration_s: float, tolerance_deg: float) -> Sweep:
    """Where the stage starts and ends so that a train of ``count`` frames is flown at constant velocity.

    The last frame is exposed while the stage still turns, so that it is blurred like the others.
    """
    run_up = run_up_deg(rhythm.velocity_deg_s, acceleration_s, tolerance_deg)
    sign = 1.0 if rhythm.step_deg > 0 else -1.0
    return Sweep(start_deg - sign * run_up, start_deg + count * rhythm.step_deg + sign * run_up)
