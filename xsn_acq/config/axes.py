"""The motors of a beamline file."""

from typing import Literal, Self

from pydantic import model_validator

from xsn_acq.config.base import Finite, Frozen, NotNegative, Positive, Prefix


class Axis(Frozen):
    """One motor: its record, its unit, where it may go and how fast.

    ``tolerance`` is how far the readback may be from the target when a move says it is done, and for the
    ``settle_s`` seconds after that. ``stall_s``: so long it may say that it moves and not do so.
    ``backlash``: an energy change approaches targets from below over this distance, or from above where it is
    negative; leave it 0 where the record does so itself (.BDST).
    """

    pv: Prefix
    unit: Literal["mm", "um", "deg", "urad"]
    low: Finite
    high: Finite
    velocity: Positive
    max_velocity: Positive
    acceleration_s: Positive
    resolution: Positive
    tolerance: Positive
    settle_s: NotNegative = 0.0
    stall_s: Positive = 10.0
    backlash: Finite = 0.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} must be below high {self.high} {self.unit}")
        if self.velocity > self.max_velocity:
            raise ValueError(
                f"velocity {self.velocity} must not exceed max_velocity {self.max_velocity} {self.unit}/s"
            )
        return self


class FullFieldAxes(Frozen):
    """Motors that every beamline has, by the names their devices use."""

    sample_x: Axis
    sample_y: Axis
    sample_z: Axis
    sample_theta: Axis


class MicroscopeAxes(FullFieldAxes):
    """Motors of a full-field microscope with a zone plate."""

    bragg: Axis
    second_crystal_gap: Axis
    second_crystal_pitch: Axis
    condenser_x: Axis
    condenser_y: Axis
    pinhole_x: Axis
    pinhole_y: Axis
    zone_plate_x: Axis
    zone_plate_y: Axis
    zone_plate_z: Axis
    detector_z: Axis


class Axes(MicroscopeAxes):
    """Every motor of a schlieren microscope."""

    diffuser_x: Axis
    cutoff_x: Axis
    cutoff_z: Axis


class StructuredAxes(MicroscopeAxes):
    """Every motor of a microscope with structured illumination."""

    condenser_pitch: Axis
    condenser_yaw: Axis
    sandpaper_coarse_x: Axis
    sandpaper_coarse_y: Axis
    sandpaper_fine_x: Axis
    sandpaper_fine_y: Axis
    vortex_x: Axis


class SpeckleAxes(FullFieldAxes):
    """Every motor of a beamline with a diffuser behind the sample; the multilayers' are their pitches."""

    multilayer_1: Axis
    multilayer_2: Axis
    diffuser_x: Axis
    diffuser_y: Axis
