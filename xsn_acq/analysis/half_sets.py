"""Two halves of a tomogram's angles: split, freed of what they share, and the noise they tell."""

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from xsn_acq.optics.arrays import ComplexArray, FloatArray

RING_SIGMA_PER_M = 1e6
"""Width of the low-pass that the angular mean keeps: 1 per micrometre in the paper."""


def even_odd(theta_rad: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split angles into every other one, in the order of their size.

    Parameters
    ----------
    theta_rad : (n,)
        Any order, as angles that were taken again come last.

    Returns
    -------
    even, odd : positions of the angles
    """
    order = np.argsort(np.asarray(theta_rad), kind="stable")
    return order[0::2], order[1::2]


def without_rings(
    sinogram: FloatArray | ComplexArray, pixel_size_m: float, *, sigma_per_m: float = RING_SIGMA_PER_M
) -> FloatArray | ComplexArray:
    """Take stripes out of a sinogram: detail of its mean over the angles, which makes rings.

    Both halves of the data carry the same rings, and would agree on them. The paper multiplies the whole
    sinogram's spectrum by exp(k^2 / sigma^2), which grows; it can only mean a low-pass, exp(-k^2 / sigma^2),
    and only of the angular mean, for elsewhere it would take the resolution away.

    Parameters
    ----------
    sinogram : (n_angles, ..., n_columns)
    pixel_size_m : float
    sigma_per_m : float
        Detail of the mean finer than one over this goes, cycles per metre.

    Returns
    -------
    Same shape and type
    """
    mean = sinogram.mean(axis=0)
    n = mean.shape[-1]
    even = np.concatenate([mean, mean[..., ::-1]], axis=-1)  # no jump at the borders
    low_pass = np.exp(-((scipy.fft.fftfreq(2 * n, pixel_size_m) / sigma_per_m) ** 2))
    smooth = scipy.fft.ifft(scipy.fft.fft(even) * low_pass)[..., :n]
    detail = mean - (smooth if np.iscomplexobj(sinogram) else smooth.real)
    return np.asarray(sinogram - detail.astype(sinogram.dtype))


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
