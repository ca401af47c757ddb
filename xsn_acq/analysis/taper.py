"""The Tukey window."""

import numpy as np

from xsn_acq.optics.arrays import FloatArray


def tukey(count: int, taper: float) -> FloatArray:
    """Weights (count,): 1 in the middle, 0 at both ends, half a cosine between.

    As of scipy.signal, which takes the better part of a second to import in every process.

    Parameters
    ----------
    count : int
        Above 1.
    taper : float
        Share of the window that is not 1, above 0, up to 1.

    Examples
    --------
    >>> tukey(5, 1.0).round(6).tolist()
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    step = np.arange(count) / (count - 1)
    from_end = np.minimum(step, 1 - step)
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.minimum(from_end / taper, 0.5))
