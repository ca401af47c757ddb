"""Fourier ring correlation: how far two independent reconstructions of one object agree."""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class FrcCurve:
    """Correlation (n,) at the rings' mean frequency (n,), cycles per metre, up to Nyquist."""

    frequency_per_m: FloatArray
    correlation: FloatArray


def fourier_ring_correlation(
    a: FloatArray, b: FloatArray, pixel_size_m: float, *, ring_per_m: float | None = None
) -> FrcCurve:
    """Correlate two images ring by ring.

    FRC(k) = Re sum(A conj B) / sqrt(sum |A|^2 sum |B|^2) over the ring: Hugonnet et al., Eq. 16, with the
    square root its denominator needs. A Blackman window keeps the borders out, as in the paper.

    Parameters
    ----------
    a, b : real (..., ny, nx)
        Same object, independent noise (even and odd angles); several slices are taken together.
    pixel_size_m : float
    ring_per_m : float, optional
        Thickness of a ring; left out: two frequency bins of the shorter side.

    Raises
    ------
    ReconstructionError
        The shapes differ or are too small.
    """
    if np.shape(a) != np.shape(b) or np.ndim(a) < 2 or min(np.shape(a)[-2:]) < 8:
        raise ReconstructionError(
            "ring correlation: wanted two equal images of 8 x 8 or more, "
            f"found {np.shape(a)} and {np.shape(b)}"
        )
    ny, nx = np.shape(a)[-2:]
    window = np.outer(np.blackman(ny), np.blackman(nx))
    first, second = (
        scipy.fft.fft2((image - np.mean(image, axis=(-2, -1), keepdims=True)) * window) for image in (a, b)
    )
    radius = np.hypot(
        scipy.fft.fftfreq(ny, pixel_size_m)[:, None], scipy.fft.fftfreq(nx, pixel_size_m)
    ).ravel()
    thickness = ring_per_m or 2 / (min(ny, nx) * pixel_size_m)
    inside = radius <= 0.5 / pixel_size_m
    rings = (radius[inside] / thickness).astype(int)

    def ring_sum(values: FloatArray) -> FloatArray:
        flat = values.reshape(-1, radius.size).sum(axis=0)
        return np.asarray(np.bincount(rings, flat[inside]), dtype=float)

    cross = ring_sum((first * second.conj()).real)
    power = np.sqrt(ring_sum(np.abs(first) ** 2) * ring_sum(np.abs(second) ** 2))
    number = np.bincount(rings)
    filled = number > 0
    frequency = np.bincount(rings, radius[inside])[filled] / number[filled]
    correlation = np.divide(cross, power, out=np.zeros_like(cross), where=power > 0)[filled]
    return FrcCurve(frequency, correlation)


def resolution(curve: FrcCurve, threshold: float = 0.25) -> float:
    """Resolution in metres: one over the frequency where the curve first falls below ``threshold``.

    Parameters
    ----------
    curve : FrcCurve
    threshold : float
        1/4 in XSN, 1/7 in NxSCI.

    Returns
    -------
    float
        Metres, linear between rings; where the curve never falls below, the highest ring's period (two
        pixels).

    Examples
    --------
    >>> resolution(FrcCurve(np.array([1e6, 2e6, 3e6]), np.array([1.0, 0.5, 0.0])))
    4e-07
    """
    below = np.flatnonzero(curve.correlation < threshold)
    if below.size == 0:
        return float(1 / curve.frequency_per_m[-1])
    last = int(below[0])
    if last == 0:
        return float(1 / curve.frequency_per_m[0])
    pair = slice(last - 1, last + 1)
    crossing = np.interp(threshold, curve.correlation[pair][::-1], curve.frequency_per_m[pair][::-1])
    return float(1 / crossing)
