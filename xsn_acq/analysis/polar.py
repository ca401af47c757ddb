r"""Projections as ramp-filtered samples of the slice's spectrum on polar lines (central-slice theorem).

A projection at angle theta is the integral along the beam over the detector coordinate t = x cos(theta) + z
sin(theta), so that its spectrum samples the slice's at f (cos theta, sin theta). Filtered back-projection is
the adjoint sum

.. math:: s(x, z) = \sum_j w_j \sum_f H(f) P_j(f) \exp[2 \pi i f (x \cos\theta_j + z \sin\theta_j)]

with H the band-limited ramp. It is real-linear: alpha + i phi goes through in one piece, each part keeping
its place.
"""

import numpy as np
import scipy.fft

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import ComplexArray, FloatArray


class PolarSamples:
    """Turns projections of ``n_columns`` pixels, axis at the centre column, into filtered polar samples.

    Attributes
    ----------
    frequencies : float64 (n_frequencies,)
        Cycles per pixel, both signs.
    offset : float
        Coordinate of the grid point n_columns // 2 seen from the centre: 0 for odd, half a pixel for even
        widths.
    """

    def __init__(self, n_columns: int) -> None:
        if n_columns < 2:
            raise ReconstructionError(f"back-projection: wanted 2 or more columns, found {n_columns}")
        self.n_columns = n_columns
        self._length = scipy.fft.next_fast_len(2 * n_columns)
        self.frequencies = scipy.fft.fftfreq(self._length)
        self.offset = n_columns // 2 - 0.5 * (n_columns - 1)
        centre = np.exp(2j * np.pi * self.frequencies * 0.5 * (n_columns - 1))
        self._filter = (_ramp(self._length) * centre / self._length).astype(np.complex64)

    def __call__(self, projections: FloatArray | ComplexArray) -> ComplexArray:
        """Return the samples, complex64 (..., n_frequencies), of projections (..., n_columns)."""
        spectrum = scipy.fft.fft(np.asarray(projections, dtype=np.complex64), self._length)
        spectrum *= self._filter
        return spectrum

    def lines(self, theta_rad: FloatArray) -> tuple[FloatArray, FloatArray, ComplexArray]:
        """Where the samples of some angles lie.

        Parameters
        ----------
        theta_rad : (n,)

        Returns
        -------
        along_x, along_z : float32 (n, n_frequencies)
            Radians per pixel.
        centring : complex64 (n, n_frequencies)
            Factor that moves the origin from the grid's point n_columns // 2 to its centre.
        """
        theta = np.atleast_1d(np.asarray(theta_rad, dtype=float))[:, None]
        along_x = 2 * np.pi * self.frequencies * np.cos(theta)
        along_z = 2 * np.pi * self.frequencies * np.sin(theta)
        centring = np.exp(1j * self.offset * (along_x + along_z))
        return along_x.astype(np.float32), along_z.astype(np.float32), centring.astype(np.complex64)


def _ramp(length: int) -> FloatArray:
    """Spectrum of the band-limited ramp (Kak and Slaney, Eq. 61), FFT order, without the Nyquist term."""
    distance = scipy.fft.fftfreq(length, 1 / length)
    odd = distance % 2 == 1
    kernel = np.where(odd, -1 / (np.pi * np.where(odd, distance, 1)) ** 2, 0.0)
    kernel[0] = 0.25
    ramp: FloatArray = scipy.fft.fft(kernel).real
    if length % 2 == 0:
        ramp[length // 2] = 0.0
    return ramp


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
