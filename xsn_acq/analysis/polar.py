r"""Projections as ramp-filtered samples of the slice's spectrum on polar lines (central-slice theorem).

A projection at angle theta is the integral along the beam over the detector coordinate t = x cos(theta) + z
sin(theta), so that its spectrum samples the slice's at f (cos theta, sin theta). Filtered back-projection is
the adjoint sum

.. math:: s(x, z) = \sum_j w_j \sum_f H(f) P_j(f) \exp[2 \pi i f (x \cos\theta_j + z \sin\theta_j)]

with H the band-limited ramp. It is real-linear: alpha + i phi goes through in one piece, each part keeping
its place.
"""

import math
from typing import Any

import numpy as np
import scipy.fft

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import ComplexArray, FloatArray

_WINDOW = 0.5 * (1 + math.sqrt(2))
"""Of the window kept: at a corner, half a diagonal out, it begins anew with the detector's other end."""


class PolarSamples:
    """Turns projections of ``n_columns`` pixels into filtered polar samples of a square slice as wide.

    A projection is padded to twice its width, filtered, and moved so that the rotation axis stands on a
    sample: a phase in the filter, so the axis may be anywhere and nothing is interpolated. Of the filtered
    projection a window 1.21 times as wide as the slice is kept, centred on the axis, and transformed again:
    fewer samples than of the padded one. The window repeats itself only in the slice's corners, outside the
    circle that every projection sees, and even there not so far that the circle's contents would show.

    Parameters
    ----------
    n_columns : int
    axis_column : float, optional
        Column of the rotation axis, pixel centres at integers; (n_columns - 1) / 2 when not given. The slice
        is centred on it.

    Attributes
    ----------
    frequencies : float64 (n_frequencies,)
        Cycles per pixel, both signs.

    Raises
    ------
    ReconstructionError
        Too few columns, or the axis is not within them.
    """

    def __init__(self, n_columns: int, *, axis_column: float | None = None) -> None:
        if n_columns < 2:
            raise ReconstructionError(f"back-projection: wanted 2 or more columns, found {n_columns}")
        axis = 0.5 * (n_columns - 1) if axis_column is None else axis_column
        if not 0 <= axis <= n_columns - 1:
            raise ReconstructionError(
                f"back-projection: rotation axis: wanted a column from 0 to {n_columns - 1}, found {axis:g}"
            )
        self._length = scipy.fft.next_fast_len(2 * n_columns)
        self._window = min(scipy.fft.next_fast_len(math.ceil(_WINDOW * n_columns) + 1), self._length)
        self.frequencies = scipy.fft.fftfreq(self._window)
        padded = scipy.fft.fftfreq(self._length)
        to_middle = np.exp(2j * np.pi * padded * (axis - self._window // 2))
        self._filter = (_ramp(self._length) * to_middle).astype(np.complex64)
        self._from_middle = _without_nyquist(np.exp(2j * np.pi * self.frequencies * (self._window // 2)))
        self._offset = n_columns // 2 - 0.5 * (n_columns - 1)

    def __call__(self, projections: FloatArray | ComplexArray) -> ComplexArray:
        """Return the samples, complex64 (..., n_frequencies), of projections (..., n_columns)."""
        data = np.asarray(projections, dtype=np.complex64)
        spectrum = scipy.fft.fft(data, self._length)
        spectrum *= self._filter
        filtered = scipy.fft.ifft(spectrum, overwrite_x=True)
        samples: ComplexArray = scipy.fft.fft(filtered[..., : self._window])
        return samples

    def lines(self, theta_rad: FloatArray) -> tuple[FloatArray, FloatArray, ComplexArray]:
        """Where the samples of some angles lie.

        Parameters
        ----------
        theta_rad : (n,)

        Returns
        -------
        along_x, along_z : float32 (n, n_frequencies)
            Radians per pixel.
        factor : complex64 (n, n_frequencies)
            Of each sample in the sum: it moves the origin from the middle of the window to the rotation axis
            and from the grid's point n_columns // 2 to its centre.
        """
        theta = np.atleast_1d(np.asarray(theta_rad, dtype=float))[:, None]
        along_x = 2 * np.pi * self.frequencies * np.cos(theta)
        along_z = 2 * np.pi * self.frequencies * np.sin(theta)
        factor = np.exp(1j * self._offset * (along_x + along_z)) * self._from_middle / self._window
        return along_x.astype(np.float32), along_z.astype(np.float32), factor.astype(np.complex64)


def _without_nyquist(spectrum: Any) -> Any:
    """Set the Nyquist term of an even length to zero: it has no partner of the other sign."""
    length = spectrum.shape[-1]
    if length % 2 == 0:
        spectrum[length // 2] = 0.0
    return spectrum


def _ramp(length: int) -> FloatArray:
    """Spectrum of the band-limited ramp (Kak and Slaney, Eq. 61), FFT order, without the Nyquist term."""
    distance = scipy.fft.fftfreq(length, 1 / length)
    odd = distance % 2 == 1
    kernel = np.where(odd, -1 / (np.pi * np.where(odd, distance, 1)) ** 2, 0.0)
    kernel[0] = 0.25
    return _without_nyquist(scipy.fft.fft(kernel).real)


def angular_weights(theta_rad: FloatArray) -> FloatArray:
    """Angle that each projection stands for, radians (n,): half the way to both neighbours.

    Angles count modulo half a turn. A gap wider than four median steps is taken as missing data, not handed
    to its two neighbours.

    Raises
    ------
    ReconstructionError
        No angles, or not finite.

    Examples
    --------
    >>> angular_weights(np.deg2rad([0.0, 60.0, 120.0])).round(4).tolist()
    [1.0472, 1.0472, 1.0472]
    """
    theta = np.asarray(theta_rad, dtype=float)
    if theta.ndim != 1 or theta.size == 0 or not np.isfinite(theta).all():
        raise ReconstructionError(f"back-projection: wanted finite angles (n,), found shape {theta.shape}")
    order = np.argsort(theta % np.pi)
    gaps = np.diff(theta[order] % np.pi, append=theta[order[0]] % np.pi + np.pi)
    gaps = np.minimum(gaps, 4 * np.median(gaps)) if theta.size > 2 else gaps
    weights = np.empty_like(theta)
    weights[order] = 0.5 * (gaps + np.roll(gaps, 1))
    return weights
