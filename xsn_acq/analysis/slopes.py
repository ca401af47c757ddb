"""Slopes of images, and images from their slopes, by Fourier."""

import numpy as np
import scipy.fft

from xsn_acq.optics.arrays import FloatArray


def integrated(slope_y: FloatArray, slope_x: FloatArray) -> FloatArray:
    """Image whose slopes fit these best, by least squares over all frequencies; mean 0.

    The field is continued as a mirror would, so that it need not be periodic.

    Parameters
    ----------
    slope_y, slope_x : real (ny, nx), per pixel

    Returns
    -------
    float64 (ny, nx)
    """
    ny, nx = slope_y.shape
    spectrum_y = scipy.fft.rfft2(_mirrored(slope_y, -1, 1))
    spectrum_x = scipy.fft.rfft2(_mirrored(slope_x, 1, -1))
    v, u = (2j * np.pi * each for each in (scipy.fft.fftfreq(2 * ny)[:, None], scipy.fft.rfftfreq(2 * nx)))
    square = np.abs(v) ** 2 + np.abs(u) ** 2
    square[0, 0] = np.inf
    found = scipy.fft.irfft2((v.conj() * spectrum_y + u.conj() * spectrum_x) / square, (2 * ny, 2 * nx))
    return found[:ny, :nx]


def _mirrored(image: FloatArray, sign_y: int, sign_x: int) -> FloatArray:
    """The image and its mirror images, (2 ny, 2 nx); a slope changes its sign along its own axis."""
    wide = np.concatenate([image, sign_x * image[:, ::-1]], axis=1)
    return np.concatenate([wide, sign_y * wide[::-1]], axis=0)


def derivative(images: FloatArray, axis: int) -> FloatArray:
    """Derivative per pixel along an axis, by Fourier, of the even continuation.

    Exact up to Nyquist, where differences of neighbours miss 7 % of the slope of a wave ten pixels long.

    Parameters
    ----------
    images : real, any shape
    axis : int

    Returns
    -------
    real, same shape
    """
    count = images.shape[axis]
    wide = np.concatenate([images, np.flip(images, axis)], axis)
    steps = 2j * np.pi * scipy.fft.rfftfreq(2 * count)
    steps[-1] = 0
    shape = [1] * images.ndim
    shape[axis] = steps.size
    found = scipy.fft.irfft(scipy.fft.rfft(wide, axis=axis) * steps.reshape(shape), 2 * count, axis=axis)
    return np.take(found, np.arange(count), axis)
