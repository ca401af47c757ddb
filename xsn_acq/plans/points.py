"""What is recorded of each point of a calibration."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Point:
    """Frames taken at one place: ``first_frame`` to ``first_frame + frames - 1`` of the stream ``stills``.

    ``point`` counts the places from 0; one that was interrupted comes again. Positions are as read back, with
    the frames taken; ``ring_current_ma`` is the mean of before and after them; ``ended`` is Unix seconds.
    ``flagged``: these frames may have been exposed without beam.
    """

    point: int
    first_frame: int
    frames: int
    ended: float
    ring_current_ma: float
    cutoff_x_um: float
    cutoff_z_mm: float
    zone_plate_z_mm: float
    sample_x_um: float
    theta_deg: float
    status: Literal["ok", "flagged"]
