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
    >>> [round(float(each), 3) for each in absorbance([0.5, -0.1])]
    [0.693, 6.908]
    """
    if not floor > 0:
        raise ReconstructionError(f"absorbance: wanted a floor above 0, found {floor:g}")
    return np.asarray(-np.log(np.maximum(np.asarray(transmission, dtype=np.float32), np.float32(floor))))
