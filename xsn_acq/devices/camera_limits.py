"""What a camera can be asked for, exposures and regions: a frozen value that its driver declares."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CameraLimits:
    """Exposures in seconds, regions in binned pixels.

    ``column_step``: columns begin and end at multiples of it. A camera that reads out from the middle row
    outwards has rows that lie evenly about it, and no others.
    """

    shortest_s: float
    longest_s: float
    column_step: int
    least_columns: int
    least_rows: int
