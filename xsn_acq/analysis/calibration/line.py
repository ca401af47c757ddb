"""A straight line through points with errors."""

from dataclasses import dataclass

import numpy as np

from xsn_acq.analysis.least_squares import least_squares
from xsn_acq.optics.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class Line:
    """y = slope x + offset.

    Attributes
    ----------
    slope, offset : float
    covariance : (2, 2)
        Of slope and offset, from the scatter of the points.
    scatter : float
        Standard deviation of the points about the line, in units of their ``sigma``.
    """

    slope: float
    offset: float
    covariance: FloatArray
    scatter: float

    @property
    def slope_sigma(self) -> float:
        """Standard error of the slope."""
        return float(np.sqrt(self.covariance[0, 0]))

    @property
    def zero(self) -> float:
        """Where the line crosses 0."""
        return -self.offset / self.slope

    @property
    def zero_sigma(self) -> float:
        """Standard error of the crossing."""
        gradient = np.array([self.zero, 1.0]) / self.slope
        return float(np.sqrt(gradient @ self.covariance @ gradient))


def fit_line(x: FloatArray, y: FloatArray, sigma: FloatArray | float = 1.0) -> Line:
    """Fit a line by weighted least squares; the points' own scatter sets the errors.

    Parameters
    ----------
    x, y : (n,)
        Three or more points.
    sigma : (n,) or float
        Relative standard errors of y.

    Examples
    --------
    >>> line = fit_line(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0]))
    >>> round(line.slope, 6), round(line.zero, 6)
    (2.0, -0.5)
    """
    weight = 1 / np.broadcast_to(np.asarray(sigma, dtype=float), x.shape)
    (slope, offset), covariance = least_squares(np.column_stack([x, np.ones_like(x)]), y, weight**2)
    residual = (y - slope * x - offset) * weight
    scatter = float(np.sqrt(residual @ residual / max(x.size - 2, 1)))
    return Line(float(slope), float(offset), covariance, scatter)
