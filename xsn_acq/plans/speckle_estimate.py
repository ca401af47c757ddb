"""How long speckle microtomography takes, how much disk and dose, how far its frames are blurred."""

import math
from dataclasses import dataclass
from itertools import pairwise

from xsn_acq.config import SpeckleBeamline
from xsn_acq.params import SpeckleTomography
from xsn_acq.plans.estimate import SERIES_OVERHEAD_S, cost_line, move_s
from xsn_acq.plans.framing import Framing, framing, sample_out_um, sweep

LEAST_SIDE, MOST_BINNING = 48, 3
"""Of references, for the fit of the coherence lengths (docs/speckle_references.md)."""


@dataclass(frozen=True)
class SpeckleEstimate:
    """What a series costs: so many times one tomogram.

    ``rim_px``: how far the rim of a sample that fills the field moves during an exposure, binned pixels.
    ``open_shutter_s``: the sample is in the beam, of one tomogram, for the dose.
    """

    positions: int
    frames: int
    projections: int
    shape: tuple[int, int]
    step_deg: float
    exposure_s: float
    frame_period_s: float
    velocity_deg_s: float
    rim_px: float
    position_s: float
    open_shutter_s: float
    disk_bytes: int
    binning: int = 1

    @property
    def duration_s(self) -> float:
        """Time of all, seconds."""
        return self.positions * self.position_s

    def summary(self, *, speed: float = 1.0) -> str:
        """Lines for a person; with the time on the wall where a simulated clock has another ``speed``."""
        (ny, nx), count = self.shape, self.positions
        cost = cost_line(self.duration_s, count * self.open_shutter_s, count * self.disk_bytes, speed)
        plural = "s" if count > 1 else ""
        return (
            f"{count} diffuser position{plural}, at each {self.frames} frames of {nx} x {ny} "
            f"({self.projections} projections, step {self.step_deg:.4g} deg, exposure {self.exposure_s:g} s, "
            f"period {self.frame_period_s:.4g} s, {self.velocity_deg_s:.4g} deg/s)\n{cost}"
            f"{self._blur()}{self._unmeasured()}"
        )

    def _blur(self) -> str:
        """A warning where the turning stage blurs."""
        if self.rim_px <= 1.0:
            return ""
        return (
            f"\nNOTE: the rim of a sample that fills the field moves {self.rim_px:.1f} pixels during an "
            "exposure; more projections, or a smaller sample, blur less"
        )

    def _unmeasured(self) -> str:
        """A warning where the light cannot be measured, without which nothing is reconstructed."""
        if min(self.shape) >= LEAST_SIDE and self.binning <= MOST_BINNING:
            return ""
        found = f"{self.shape[1]} x {self.shape[0]}, binned {self.binning} x {self.binning}"
        return (
            f"\nNOTE: coherence lengths want {LEAST_SIDE} binned pixels a side or more, and binning "
            f"{MOST_BINNING} or less; here are {found}: nothing can be reconstructed"
        )


@dataclass(frozen=True)
class SpeckleTimes:
    """What a tomogram cannot do without, seconds: ``flying_s`` are trains and the ways between them.

    ``exposing_s`` of it: frames of the projections with what follows each; ``stills_s``: those of all other
    frames; ``moves_s``: sample and diffuser out and in, and the first move of the rotation stage.
    """

    flying_s: float
    exposing_s: float
    stills_s: float
    moves_s: float

    @property
    def exposures_s(self) -> float:
        """Of all frames."""
        return self.exposing_s + self.stills_s

    @property
    def motors_s(self) -> float:
        """Beyond the exposures: run-ups, ways back, moves."""
        return self.flying_s - self.exposing_s + self.moves_s


@dataclass(frozen=True)
class Taken:
    """What of a tomogram is taken: of each train its first angle (deg) and how many projections.

    ``series``: so many times references are taken beyond those before the first train.
    """

    trains: tuple[tuple[float, int], ...]
    series: int


def all_of(params: SpeckleTomography, frame: Framing) -> Taken:
    """A tomogram in which no frame is lost."""
    every, step = params.references_every or params.projections, frame.rhythm(params).step_deg
    firsts = range(0, params.projections, every)
    trains = ((params.start_deg + first * step, min(every, params.projections - first)) for first in firsts)
    return Taken(tuple(trains), params.spans + params.references_after)


def speckle_times(
    file: SpeckleBeamline,
    params: SpeckleTomography,
    frame: Framing,
    theta_deg: float = 0.0,
    taken: Taken | None = None,
) -> SpeckleTimes:
    """Nominal times of what is ``taken`` at one position; ``theta_deg``: where the rotation stage stands.

    Without ``taken``: of a tomogram in which no frame is lost.
    """
    taken = taken or all_of(params, frame)
    stills = params.darks + params.flats + params.references * (1 + taken.series)
    return SpeckleTimes(
        flying_s=_flying_s(file, params, frame, taken.trains),
        exposing_s=sum(count for _, count in taken.trains) * frame.period_s,
        stills_s=stills * (params.exposure_s + frame.readout_s),
        moves_s=_moves_s(file, params, theta_deg, taken),
    )


def estimate_speckle(file: SpeckleBeamline, params: SpeckleTomography) -> SpeckleEstimate:
    """Estimate time, disk and dose of a series in which no frame is lost."""
    frame = framing(file, params)
    velocity, times = frame.rhythm(params).velocity_deg_s, speckle_times(file, params, frame)
    files = 4 + params.spans + params.references_after
    return SpeckleEstimate(
        positions=len(params.places_mm),
        frames=params.frames,
        projections=params.projections,
        shape=frame.shape,
        step_deg=params.step_deg,
        exposure_s=params.exposure_s,
        frame_period_s=frame.period_s,
        velocity_deg_s=velocity,
        rim_px=math.radians(velocity * params.exposure_s) * frame.shape[1] / 2,
        position_s=times.exposures_s + times.motors_s + SERIES_OVERHEAD_S * files,
        open_shutter_s=times.flying_s + SERIES_OVERHEAD_S,
        disk_bytes=params.frames * frame.bytes_per_frame,
        binning=frame.binning,
    )


def _flying_s(
    file: SpeckleBeamline, params: SpeckleTomography, frame: Framing, flown: tuple[tuple[float, int], ...]
) -> float:
    """Time of the trains, and of the ways to the next one's run-up."""
    rhythm, theta = frame.rhythm(params), file.axes.sample_theta
    turns = [sweep(rhythm, start, count, theta.acceleration_s, theta.tolerance) for start, count in flown]
    turning = sum(turn.duration_s(rhythm.velocity_deg_s, theta.acceleration_s) for turn in turns)
    return turning + sum(move_s(theta, after.begin_deg - turn.end_deg) for turn, after in pairwise(turns))


def _moves_s(file: SpeckleBeamline, params: SpeckleTomography, theta_deg: float, taken: Taken) -> float:
    """Time of the moves of sample and diffuser, and of the first one of the rotation stage.

    For the flats both go out at the same time.
    """
    out_um = sample_out_um(file, params) - file.geometry.sample_x_centre_um
    sample_s = move_s(file.axes.sample_x, out_um)
    diffuser_s = move_s(file.axes.diffuser_x, file.diffuser.x_out_mm)
    ways = 1 + 2 * taken.series
    first_deg = taken.trains[0][0] if taken.trains else theta_deg
    theta_s = move_s(file.axes.sample_theta, first_deg - theta_deg)
    return max(sample_s, diffuser_s) + diffuser_s + ways * sample_s + theta_s
