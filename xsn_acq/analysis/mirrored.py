"""The column of the rotation axis from two phases half a turn apart: one is the other's mirror image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.analysis.matching import match
from xsn_acq.errors import ReconstructionError

_TAPER = 0.3
_LEAST_SIGNIFICANCE = 8.0
"""Of the correlation of image and mirror image: two of noise alone had 6.5 at most in 300 tries."""
_LEAST_CORRELATION = 0.5
_MOST_SIGMA_PX = 0.2
_FLOOR_PX = 0.03
_MOST_ROWS_PX = 3.0
"""A sample does not go up or down by more in half a turn."""


@dataclass(frozen=True)
class MirroredAxis:
    """Where the rotation axis is in images.

    Attributes
    ----------
    column : float
        Pixel centres at integers.
    sigma_px : float
        Standard error: twice what the two images do not agree on, for errors of simulated images were two to
        three times that, and 0.03 pixels, as whole runs were off.
    """

    column: float
    sigma_px: float


def mirrored_axis(image: ArrayLike, half_turn_on: ArrayLike) -> MirroredAxis:
    """Find the column about which two images are mirrored.

    Parallel light sees p(a + x) at one angle where it sees p(a - x) half a turn on, a the axis.

    Parameters
    ----------
    image, half_turn_on : real (ny, nx)
        Phase or absorption, the same at both angles but for the mirror.

    Raises
    ------
    ReconstructionError
        The images do not show the same thing mirrored.
    """
    first, second = np.asarray(image, float), np.asarray(half_turn_on, float)[:, ::-1]
    found = match(first, second, weighted=True, taper=_TAPER)
    dy, dx = (float(part) for part in found.shift)
    sigma = 0.5 * float(found.sigma[1])
    alike = found.correlation > _LEAST_CORRELATION and found.significance > _LEAST_SIGNIFICANCE
    if not (alike and sigma < _MOST_SIGMA_PX and abs(dy) < _MOST_ROWS_PX):
        raise ReconstructionError(
            f"rotation axis: wanted two images that mirror each other, found a correlation of "
            f"{found.correlation:.2f}, {dy:+.1f} rows apart, error {sigma:.2g} px; has the sample "
            "moved, or is it too weak?"
        )
    return MirroredAxis(0.5 * (first.shape[1] - 1 - dx), float(np.hypot(2 * sigma, _FLOOR_PX)))
