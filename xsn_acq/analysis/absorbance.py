"""Absorbance of images divided by their flat."""

import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray


def absorbance(transmission: ArrayLike, floor: float = 1e-3) -> FloatArray:
    """Return -ln of the transmission.

    Parameters
    ----------
    transmission : (...)
        Image over flat: 1 in air.
    floor : float
        Pixels with less than this, below 0 too, read -ln(floor): noise and dead pixels make no infinity.

    Returns
    -------
    float32 (...); NaN stays NaN

    Raises
    ------
    ReconstructionError
        The floor is not above 0.

    Examples
    --------
    >>> absorbance([1.0, 0.5, -0.1]).round(3).tolist()
    [-0.0, 0.6930000185966492, 6.907999992370605]
    """
    if not floor > 0:
        raise ReconstructionError(f"absorbance: wanted a floor above 0, found {floor:g}")
    return np.asarray(-np.log(np.maximum(np.asarray(transmission, dtype=np.float32), np.float32(floor))))
