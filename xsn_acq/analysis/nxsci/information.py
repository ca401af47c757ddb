"""What patterns can tell of a sample before it is measured: the error that a best linear estimate would have.

The map is taken as m = s q: s is the sample's outline (its absorbance, or 1 everywhere), q varies smoothly
with variance 1. Counts y = A m carry Gaussian noise. The error left is the covariance P of m given y, and the
relative posterior RMS is sqrt(trace P / trace C): 1 before the first pattern, 0 when all is known. Making its
trace small is A-optimal design (Pukelsheim, Optimal Design of Experiments, chapter 6).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.fft
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

_LEAST_TRANSMISSION = 1e-3
_REACH = 4.0
"""Kernel widths of padding against what wraps around."""
_ROOM = 64


@dataclass(frozen=True, eq=False)
class Prior:
    """Covariance C = s K s of a map: outline s, Gaussian correlation K between neighbours.

    Attributes
    ----------
    outline : (ny, nx)
        Standard deviation of each pixel, 0 or more.
    correlation_pixels : float
        Standard deviation of the correlation's Gaussian.
    """

    outline: FloatArray
    correlation_pixels: float

    @property
    def trace(self) -> float:
        """Sum of the pixels' variances."""
        return float((self.outline**2).sum())

    def times(self, images: FloatArray) -> FloatArray:
        """C applied to images (..., ny, nx)."""
        ny, nx = self.outline.shape
        spectrum = scipy.fft.rfft2(images * self.outline, self._padded)
        spectrum *= self._kernel
        smooth = scipy.fft.irfft2(spectrum, self._padded, overwrite_x=True)[..., :ny, :nx]
        return np.asarray(smooth * self.outline)

    @cached_property
    def _padded(self) -> tuple[int, int]:
        pad = math.ceil(_REACH * self.correlation_pixels)
        ny, nx = (int(scipy.fft.next_fast_len(n + pad, real=True)) for n in self.outline.shape)
        return ny, nx

    @cached_property
    def _kernel(self) -> FloatArray:
        """Transform of exp(-r^2 / 2 l^2), 1 at r = 0."""
        ny, nx = self._padded
        y, x = scipy.fft.fftfreq(ny, 1 / ny)[:, None], scipy.fft.fftfreq(nx, 1 / nx)
        bell = np.exp(-0.5 * (x**2 + y**2) / self.correlation_pixels**2)
        return np.maximum(scipy.fft.rfft2(bell).real, 0)


def smooth_prior(shape: tuple[int, int], correlation_pixels: float = 2.0) -> Prior:
    """Sample everywhere alike: for a rehearsal, when no sample has been seen."""
    return Prior(np.ones(shape), correlation_pixels)


def txm_prior(transmission: ArrayLike, correlation_pixels: float = 2.0) -> Prior:
    """Sample where the TXM image (ny, nx) shows it, as much as it absorbs.

    Raises
    ------
    ReconstructionError
        The image is not one of finite values, or shows nothing that absorbs.
    """
    image = np.asarray(transmission, dtype=float)
    if image.ndim != 2 or not np.isfinite(image).all():
        raise ReconstructionError(f"information: wanted a transmission (ny, nx), finite, found {image.shape}")
    outline = np.maximum(-np.log(np.maximum(image, _LEAST_TRANSMISSION)), 0)
    if not outline.any():
        raise ReconstructionError(
            "information: wanted a sample that absorbs, found a transmission of 1 or more"
        )
    return Prior(outline, correlation_pixels)


def noise_variance(prior: Prior, relative_noise: float) -> float:
    """Variance of a pattern's counts in the map's units: under even light they are the outline's sum.

    Raises
    ------
    ReconstructionError
        The noise is not above 0.
    """
    if not relative_noise > 0:
        raise ReconstructionError(
            f"information: wanted a relative noise above 0, found {relative_noise:g}: 1 / sqrt(counts)"
        )
    return (relative_noise * float(prior.outline.sum())) ** 2


class RunningInformation:
    """Error left after the patterns so far; each pattern costs their number times the pixels.

    With P the posterior covariance, a pattern a and noise of variance n, P loses v v^T with
    v = P a / sqrt(a P a + n): these v are kept. 1000 patterns of 128 x 128 pixels take 200 MB
    and 12 s in all; pool larger ones first.

    Parameters
    ----------
    prior : Prior
    relative_noise : float
        Standard deviation of a pattern's counts over their mean: 0.01 for 10,000 counts.

    Raises
    ------
    ReconstructionError
        The noise is not above 0.
    """

    def __init__(self, prior: Prior, relative_noise: float) -> None:
        self.prior = prior
        self.noise_variance = noise_variance(prior, relative_noise)
        self.clear()

    def clear(self) -> None:
        """Forget all patterns."""
        pixels = self.prior.outline.size
        self.patterns = 0
        self._left = self.prior.trace
        self._known = np.empty((_ROOM, pixels))

    def push(self, pattern: FloatArray) -> None:
        """Take one more pattern (ny, nx), of mean 1.

        Raises
        ------
        ReconstructionError
            It has another shape.
        """
        flat = self._flat(pattern)
        news = self._news(flat)
        self._make_room()
        self._known[self.patterns] = news
        self.patterns += 1
        self._left -= float(news @ news)

    def gain(self, pattern: FloatArray) -> float:
        """By how much the relative posterior RMS would fall with this pattern (ny, nx) too."""
        news = self._news(self._flat(pattern))
        return self.value() - self._relative(self._left - float(news @ news))

    def value(self) -> float:
        """Relative posterior RMS, 1 to 0."""
        return self._relative(self._left)

    def _relative(self, left: float) -> float:
        return math.sqrt(max(left, 0.0) / self.prior.trace)

    def _flat(self, pattern: FloatArray) -> FloatArray:
        shape = self.prior.outline.shape
        if np.shape(pattern) != shape:
            raise ReconstructionError(f"information: wanted {shape} pixels, found {np.shape(pattern)}")
        return np.asarray(pattern, dtype=float).ravel()

    def _news(self, flat: FloatArray) -> FloatArray:
        """V of a pattern (pixels,)."""
        known = self._known[: self.patterns]
        left = self.prior.times(flat.reshape(self.prior.outline.shape)).ravel() - (known @ flat) @ known
        return np.asarray(left / math.sqrt(max(float(flat @ left), 0.0) + self.noise_variance))

    def _make_room(self) -> None:
        """Double the table when it is full."""
        if self.patterns == len(self._known):
            self._known = np.concatenate([self._known, np.empty_like(self._known)])


def effective_rank(patterns: NDArray[np.floating]) -> float:
    """Exp of the entropy of the singular values, of patterns (N, ...) less their mean pattern.

    Roy and Vetterli, EUSIPCO 2007: between 1 and N - 1, as many as there are directions of like strength.

    Parameters
    ----------
    patterns : (N, ny, nx) or (N, pixels)

    Returns
    -------
    float
        0 for fewer than two patterns, or for patterns that are all the same.
    """
    if len(patterns) < 2:
        return 0.0
    flat = np.asarray(patterns).reshape(len(patterns), -1)
    gram = np.asarray(flat @ flat.T, dtype=float)
    gram -= gram.mean(axis=0)
    gram -= gram.mean(axis=1, keepdims=True)
    power = np.maximum(scipy.linalg.eigvalsh(gram), 0)
    values = np.sqrt(power[power > power.max() * np.finfo(np.float32).eps * len(flat)])
    if not values.size or power.max() <= np.finfo(np.float32).eps * np.mean(flat**2) * flat.shape[1]:
        return 0.0
    share = values / values.sum()
    return float(np.exp(-(share * np.log(share)).sum()))
