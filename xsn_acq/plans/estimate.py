"""How long a tomogram takes, how much disk and dose: from parameters and beamline file, nothing moves."""

from dataclasses import dataclass

from xsn_acq.config import Axis, Beamline
from xsn_acq.params import XsnTomography
from xsn_acq.params.tomography import HALF_TURN_DEG
from xsn_acq.plans.framing import framing, sample_out_um, sweep

SERIES_OVERHEAD_S = 3.0
"""Opening a file, arming and closing it, for each series of frames, seconds."""


@dataclass(frozen=True)
class Estimate:
    """What a tomogram costs; ``open_shutter_s`` is the time the sample is in the beam, for the dose."""

    frames: int
    projections: int
    shape: tuple[int, int]
    step_deg: float
    exposure_s: float
    frame_period_s: float
    velocity_deg_s: float
    duration_s: float
    open_shutter_s: float
    disk_bytes: int

    def summary(self, *, speed: float = 1.0) -> str:
        """Lines for a person; with the time on the wall where a simulated clock has another ``speed``."""
        ny, nx = self.shape
        cost = cost_line(self.duration_s, self.open_shutter_s, self.disk_bytes, speed)
        return (
            f"{self.frames} frames of {nx} x {ny} ({self.projections} projections, "
            f"step {self.step_deg:.4g} deg, exposure {self.exposure_s:g} s, "
            f"period {self.frame_period_s:.4g} s, {self.velocity_deg_s:.4g} deg/s)\n"
            f"{cost}{self._partners()}"
        )

    def _partners(self) -> str:
        """A warning where a volume would lack angles: a pair is two frames half a turn apart."""
        span = self.step_deg * self.projections
        paired = min(HALF_TURN_DEG, max(0.0, span - HALF_TURN_DEG))
        if paired > HALF_TURN_DEG - self.step_deg / 2:
            return ""
        return (
            f"\nNOTE: frames have partners half a turn on over {paired:g} of 180 deg only: "
            f"{'a limited-angle volume' if paired else 'no volume'}; span_deg: 360 gives them all"
        )


def estimate(file: Beamline, params: XsnTomography) -> Estimate:
    """Estimate time, disk and dose of a tomogram in which no frame is lost."""
    frame = framing(file, params)
    rhythm = frame.rhythm(params)
    theta, sample_x = file.axes.sample_theta, file.axes.sample_x
    turn = sweep(rhythm, params.start_deg, params.projections, theta.acceleration_s, theta.tolerance)
    flying = turn.duration_s(rhythm.velocity_deg_s, theta.acceleration_s)
    series = params.takes_flats_before + params.takes_flats_after
    stills = (params.darks + params.flats * series) * (params.exposure_s + frame.readout_s)
    moves = 2 * series * move_s(sample_x, sample_out_um(file, params) - file.geometry.sample_x_centre_um)
    moves += move_s(theta, turn.begin_deg)
    return Estimate(
        frames=params.frames,
        projections=params.projections,
        shape=frame.shape,
        step_deg=params.step_deg,
        exposure_s=params.exposure_s,
        frame_period_s=frame.period_s,
        velocity_deg_s=rhythm.velocity_deg_s,
        duration_s=flying + stills + moves + SERIES_OVERHEAD_S * (2 + series),
        open_shutter_s=flying + SERIES_OVERHEAD_S,
        disk_bytes=params.frames * frame.bytes_per_frame,
    )


@dataclass(frozen=True)
class PointsEstimate:
    """What frames at points cost; ``open_shutter_s``: the sample is in the beam, for the dose.

    ``at`` says at what they are taken: "9 points", "11 energies".
    """

    frames: int
    at: str
    shape: tuple[int, int]
    exposure_s: float
    duration_s: float
    open_shutter_s: float
    disk_bytes: int

    def summary(self, *, speed: float = 1.0) -> str:
        """Lines for a person; with the time on the wall where a simulated clock has another ``speed``."""
        ny, nx = self.shape
        cost = cost_line(self.duration_s, self.open_shutter_s, self.disk_bytes, speed)
        return f"{self.frames} frames of {nx} x {ny} ({self.at}, exposure {self.exposure_s:g} s)\n{cost}"


def cost_line(duration_s: float, open_shutter_s: float, disk_bytes: int, speed: float) -> str:
    """Time, dose and disk for a person; with the time on the wall where a clock has another ``speed``."""
    wall = "" if speed == 1.0 else f" ({shown_time(duration_s / speed)} at {speed:g} times real time)"
    dose = f"sample {shown_time(open_shutter_s)} in the beam"
    return f"time {shown_time(duration_s)}{wall}, dose: {dose}, disk {_size(disk_bytes)}"


def move_s(axis: Axis, distance: float) -> float:
    """Time of a move at the axis' own velocity, seconds."""
    return abs(distance) / axis.velocity + axis.acceleration_s


def shown_time(seconds: float) -> str:
    """Write a time for a person, in two units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    )


def _size(number: int) -> str:
    size, unit = float(number), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.3g} {unit}"
