"""Weighted linear least squares whose errors come from the scatter of the points."""

import numpy as np

from xsn_acq.optics.arrays import FloatArray


def least_squares(
    design: FloatArray, values: FloatArray, weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Coefficients c of values = design @ c, and their covariance.

    Parameters
    ----------
    design : (n, m)
    values : (n,)
    weight : (n,)
        Proportional to 1 / variance; points of weight 0 do not count.

    Returns
    -------
    coefficients : (m,)
    covariance : (m, m)
        Scaled to the scatter of the points; inf where they are no more than the coefficients.

    Examples
    --------
    >>> x = np.array([0.0, 1.0, 2.0, 3.0])
    >>> line, covariance = least_squares(np.stack([np.ones(4), x], axis=1), 1 + 2 * x, np.ones(4))
    >>> [round(float(c), 6) for c in line], bool(covariance[1, 1] < 1e-12)
    ([1.0, 2.0], True)
    """
    inverse = np.linalg.pinv((design * weight[:, None]).T @ design)
    coefficients = inverse @ design.T @ (weight * values)
    spare = int(np.count_nonzero(weight)) - design.shape[1]
    if spare <= 0:
        return coefficients, np.full_like(inverse, np.inf)
    rest = values - design @ coefficients
    return coefficients, inverse * float(weight @ rest**2) / spare
