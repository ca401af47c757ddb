"""Fourier ring and shell correlation: how far two independent reconstructions of one object agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.fft

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import ComplexArray, FloatArray

Threshold = float | Literal["half-bit", "one-bit"]
_SNR_OF_HALF = {"half-bit": (2**0.5 - 1) / 2, "one-bit": 0.5}
"""Signal over noise, as powers, of one half of the data when the whole carries this much information."""
_LEAST_SIDE = 8
_RING_BINS = 2
_NYQUIST = 0.5 * (1 - 1e-9)
"""Cycles per pixel, less rounding: at 0.5 itself a ring has the corners' few values only."""
_BLOCK_VOXELS = 256


@dataclass(frozen=True, eq=False)
class FrcCurve:
    """Correlation (n,) at the rings' mean frequency (n,), cycles per metre, up to Nyquist.

    ``samples`` (n,) is the number of independent values in each ring; None where it is not known. The Fourier
    transform of a real image holds each value twice, and a window makes neighbours alike.
    """

    frequency_per_m: FloatArray
    correlation: FloatArray
    samples: FloatArray | None = None

    def sigma(self) -> FloatArray:
        """Standard deviation of each value, (1 - FRC^2) / sqrt(samples): that of a correlation coefficient.

        Raises
        ------
        ReconstructionError
            When the number of samples is not known.
        """
        return np.asarray((1 - self.correlation**2) / np.sqrt(_known(self)))


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
    return _correlate(a, b, pixel_size_m, 2, ring_per_m)


def fourier_shell_correlation(
    a: FloatArray, b: FloatArray, voxel_m: float, *, shell_per_m: float | None = None
) -> FrcCurve:
    """Correlate two volumes shell by shell, as `fourier_ring_correlation` does images.

    Parameters
    ----------
    a, b : real (ny, nz, nx)
        Same object, independent noise. Of large volumes a block tells enough, see `central_block`.
    voxel_m : float
    shell_per_m : float, optional

    Raises
    ------
    ReconstructionError
        The shapes differ or are too small.
    """
    return _correlate(a, b, voxel_m, 3, shell_per_m)


def _correlate(a: FloatArray, b: FloatArray, pixel_m: float, dimensions: int, ring: float | None) -> FrcCurve:
    shape = np.shape(a)[-dimensions:]
    if np.shape(a) != np.shape(b) or np.ndim(a) < dimensions or min(shape) < _LEAST_SIDE:
        raise ReconstructionError(
            f"ring correlation: wanted two equal images of {' x '.join(['8'] * dimensions)} or more, "
            f"found {np.shape(a)} and {np.shape(b)}"
        )
    window = _outer([np.blackman(n) for n in shape])
    grids = np.meshgrid(*(scipy.fft.fftfreq(n, pixel_m) for n in shape), indexing="ij", sparse=True)
    radius = np.sqrt(sum(grid**2 for grid in grids))
    inside = radius < _NYQUIST / pixel_m
    thickness = ring or _RING_BINS / (min(shape) * pixel_m)
    rings = (radius[inside] / thickness).astype(int)
    sums = np.zeros((3, rings.max() + 1))
    pairs = (np.reshape(each, (-1, *shape)) for each in (a, b))
    for images in zip(*pairs, strict=True):  # one by one: spectra of many slices would fill the memory
        first, second = (scipy.fft.fftn((image - np.mean(image)) * window)[inside] for image in images)
        for total, values in zip(sums, ((first * second.conj()).real, *_powers(first, second)), strict=True):
            total += np.bincount(rings, values)
    number = np.bincount(rings)
    filled = number > 0
    frequency = np.bincount(rings, radius[inside])[filled] / number[filled]
    power = np.sqrt(sums[1] * sums[2])
    correlation = np.divide(sums[0], power, out=np.zeros_like(power), where=power > 0)[filled]
    alike = _alike(min(shape), thickness * min(shape) * pixel_m, dimensions)
    samples = np.size(a) // window.size * number[filled] / alike
    return FrcCurve(frequency, correlation, np.maximum(1.0, samples))


def _powers(*spectra: ComplexArray) -> tuple[FloatArray, ...]:
    return tuple(np.abs(each) ** 2 for each in spectra)


def _alike(side: int, ring_bins: float, dimensions: int) -> float:
    """How many values of a ring the Blackman window makes one: all neighbours along it, few across it."""
    power = np.blackman(side) ** 2
    likeness = np.abs(scipy.fft.fft(power) / power.sum()) ** 2
    apart = np.abs(scipy.fft.fftfreq(side, 1 / side))
    along, across = likeness.sum(), np.sum(likeness * np.maximum(0, 1 - apart / max(1.0, ring_bins)))
    return float(across * along ** (dimensions - 1))


def _outer(axes: Sequence[FloatArray]) -> FloatArray:
    result = np.ones(1)
    for axis in axes:
        result = np.multiply.outer(result, axis)
    return result[0]


def threshold_curve(curve: FrcCurve, threshold: Threshold) -> FloatArray:
    """Correlation that a ring must reach, (n,).

    Parameters
    ----------
    curve : FrcCurve
    threshold : float, "half-bit" or "one-bit"
        A fixed value: 1/4 in XSN, 1/7 in NxSCI; or the information that the average of both halves carries in
        each voxel of a ring, which asks more of rings with few samples (van Heel and Schatz, J. Struct. Biol.
        151, 250 (2005); doi:10.1016/j.jsb.2005.05.009).

    Raises
    ------
    ReconstructionError
        A curve of information, and the number of samples is not known.
    """
    if not isinstance(threshold, str):
        return np.full(curve.correlation.shape, float(threshold))
    snr = _SNR_OF_HALF[threshold]
    root = np.sqrt(np.maximum(1.0, _known(curve) / 2))  # complex values
    return np.asarray((snr + 2 * snr**0.5 / root + 1 / root) / (snr + 1 + 2 * snr**0.5 / root))


def resolution(curve: FrcCurve, threshold: Threshold = 0.25) -> float:
    """Resolution in metres: one over the frequency where the curve first falls below ``threshold``.

    Parameters
    ----------
    curve : FrcCurve
    threshold : float, "half-bit" or "one-bit"
        See `threshold_curve`.

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
    frequency, above = curve.frequency_per_m, curve.correlation - threshold_curve(curve, threshold)
    below = np.flatnonzero(above < 0)
    if below.size == 0:
        return float(1 / frequency[-1])
    last = int(below[0])
    if last == 0:
        return float(1 / frequency[0])
    pair = slice(last - 1, last + 1)
    return float(1 / np.interp(0.0, above[pair][::-1], frequency[pair][::-1]))


def resolution_range(curve: FrcCurve, threshold: Threshold = 0.25) -> tuple[float, float]:
    """Finest and coarsest resolution in metres when the curve is off by its standard deviation.

    Parameters
    ----------
    curve : FrcCurve
        With its number of samples.
    threshold
        See `threshold_curve`.

    Raises
    ------
    ReconstructionError
        When the number of samples is not known.
    """
    sigma = curve.sigma()
    finest, coarsest = (
        FrcCurve(curve.frequency_per_m, np.clip(curve.correlation + sign * sigma, -1, 1), curve.samples)
        for sign in (1, -1)
    )
    return resolution(finest, threshold), resolution(coarsest, threshold)


def reaches_nyquist(curve: FrcCurve, threshold: Threshold = 0.25) -> bool:
    """Whether the curve never falls below: the voxel, not the signal, limits the resolution."""
    return bool(np.all(curve.correlation >= threshold_curve(curve, threshold)))


def central_block(shape: Sequence[int], most: int = _BLOCK_VOXELS) -> tuple[slice, ...]:
    """Slices of the central block, ``most`` voxels a side at the most: what is read of a large volume.

    >>> central_block((10, 1600), most=256)
    (slice(0, 10, None), slice(672, 928, None))
    """
    sides = [min(n, most) for n in shape]
    return tuple(slice((n - side) // 2, (n - side) // 2 + side) for n, side in zip(shape, sides, strict=True))


def _known(curve: FrcCurve) -> FloatArray:
    if curve.samples is None:
        raise ReconstructionError(
            "ring correlation: the number of samples is not known; take a fixed threshold"
        )
    return curve.samples
