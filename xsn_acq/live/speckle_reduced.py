"""What of a frame is looked at while a scan goes on: rows in its middle, pixels pooled."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from xsn_acq.optics.arrays import FloatArray

MOST_PIXELS = 256 * 256
"""So many pixels are retrieved in the time of a projection or two."""
LEAST_ROWS = 48
MOST_POOLED = 2
"""Coarser pixels no longer see the speckle."""


@dataclass(frozen=True)
class Reduction:
    """Pooled pixels of rows in the middle of a frame, over its full width.

    Attributes
    ----------
    pooled : int
        Pixels along each side.
    rows, columns : slice
        Of the frame: as many as can be pooled.
    """

    pooled: int
    rows: slice
    columns: slice

    @classmethod
    def of(cls, shape: tuple[int, int], pixel_m: float, resolution_m: float) -> Self:
        """Return what frames of ``shape`` (ny, nx) need, and what the light's resolution allows."""
        ny, nx = shape
        large = ny * nx > MOST_PIXELS
        pooled = MOST_POOLED if large and MOST_POOLED * pixel_m <= resolution_m else 1
        width = nx // pooled
        height = min(ny // pooled, max(LEAST_ROWS, MOST_PIXELS // max(width, 1)))
        first = (ny - height * pooled) // 2
        return cls(pooled, slice(first, first + height * pooled), slice(0, width * pooled))

    def __call__(self, image: FloatArray) -> FloatArray:
        """Return the part of an image (ny, nx) that is looked at, pooled: means of its pixels."""
        part = np.asarray(image)[self.rows, self.columns]
        ny, nx = (count // self.pooled for count in part.shape)
        return part.reshape(ny, self.pooled, nx, self.pooled).mean(axis=(1, 3), dtype=np.float32)

    def column(self, column: float) -> float:
        """Where a column of the frame is in what is looked at, pixel centres at integers.

        >>> Reduction(2, slice(0, 4), slice(0, 4)).column(1.5)
        0.5
        """
        return (column - self.columns.start - (self.pooled - 1) / 2) / self.pooled
