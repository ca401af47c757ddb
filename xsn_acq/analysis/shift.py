"""Sub-pixel shifts."""

import numpy as np
import scipy.fft

from xsn_acq.optics.arrays import FloatArray


def shift_columns(image: FloatArray, columns: float) -> FloatArray:
    """Move an image by ``columns`` towards larger x, by the Fourier shift of its even continuation.

    Parameters
    ----------
    image : real (..., ny, nx)
    columns : float, pixels
        Any size; what enters at the border continues the image as a mirror would, so air stays flat.

    Returns
    -------
    real (..., ny, nx), same type

    Examples
    --------
    >>> moved = shift_columns(np.array([[0.0, 0.0, 1.0, 0.0, 0.0]]), 1.0)
    >>> bool(np.allclose(moved, [[0.0, 0.0, 0.0, 1.0, 0.0]]))
    True
    """
    if columns == 0:
        return image
    nx = image.shape[-1]
    spectrum = scipy.fft.rfft(np.concatenate([image, image[..., ::-1]], axis=-1))
    phase = np.exp(-2j * np.pi * columns * scipy.fft.rfftfreq(2 * nx))
    phase[-1] = phase[-1].real  # the Nyquist term of a real signal stays real
    moved = scipy.fft.irfft(spectrum * phase.astype(spectrum.dtype), 2 * nx)
    return moved[..., :nx]


def shift_image(image: FloatArray, rows: float, columns: float) -> FloatArray:
    """Move an image by ``rows`` towards larger y and by ``columns`` towards larger x; see `shift_columns`.

    Parameters
    ----------
    image : real (..., ny, nx)
    rows, columns : float, pixels

    Returns
    -------
    real (..., ny, nx), same type
    """
    across = shift_columns(image, columns)
    return np.swapaxes(shift_columns(np.swapaxes(across, -1, -2), rows), -1, -2)


def centre_on_axis(image: FloatArray, axis_column: float) -> FloatArray:
    """Bring the rotation axis to the centre column (nx - 1) / 2.

    Parameters
    ----------
    image : real (..., ny, nx)
    axis_column : float
        Where the axis is now, pixel centres at integers. An error mixes phase gradient into the
        absorption: 0.01 pixel changes beta by 1 %.
    """
    return shift_columns(image, 0.5 * (image.shape[-1] - 1) - axis_column)
