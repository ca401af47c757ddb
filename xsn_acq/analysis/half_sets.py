"""Two halves of a tomogram's angles: the noise they tell."""

import numpy as np

from xsn_acq.optics.arrays import FloatArray


def voxel_noise(first: FloatArray, second: FloatArray) -> float:
    """Noise of a voxel of the whole data, from reconstructions of both halves.

    The object cancels in their difference; each half has twice the variance of the whole, so that the noise
    is half the difference's standard deviation.

    Parameters
    ----------
    first, second : (..., nz, nx)
        Slices; voxels within the circle that every projection sees are taken.

    Returns
    -------
    float
        Standard deviation, in the unit of the slices.
    """
    difference = np.asarray(first, dtype=float) - second
    nz, nx = difference.shape[-2:]
    z, x = np.arange(nz) - (nz - 1) / 2, np.arange(nx) - (nx - 1) / 2
    seen = np.hypot(z[:, None], x) < 0.95 * min(nz, nx) / 2
    return float(0.5 * np.std(difference[..., seen]))
