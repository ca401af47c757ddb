"""The shift between two images or volumes of the same thing, by correlation, and how sure it is."""

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from xsn_acq.analysis.taper import tukey
from xsn_acq.optics.arrays import ComplexArray, FloatArray

_BAND = 0.35
_STEPS = 20
_STEP_VOXELS = 1e-4
_ROUNDS = 3
_RING = 2.0
"""Width of the rings of one weight, in cycles along the shortest axis."""
_LEAST_COHERENCE = 2.0
"""In units of what noise alone has."""
_MOST_COHERENCE = 0.99


@dataclass(frozen=True, eq=False)
class Match:
    """How two images or volumes of one shape fit.

    Attributes
    ----------
    shift : (axes,)
        How far the second stands towards larger coordinates, pixels.
    sigma : (axes,)
        Standard error, from what is left of the cross-spectrum's phase; inf where nothing can be told.
    correlation : float
        Of both in the band that is used, the shift undone; 1 at best.
    significance : float
        Correlation over its own noise, weighted as the shift is.
    """

    shift: FloatArray
    sigma: FloatArray
    correlation: float
    significance: float


def shift_between(reference: FloatArray, moved: FloatArray) -> tuple[FloatArray, float]:
    """How far ``moved`` stands towards larger coordinates than ``reference``, and how well both agree.

    See `match`.

    Parameters
    ----------
    reference, moved : real (ny, nz, nx)

    Returns
    -------
    shift : (3,), voxels
    correlation : float
    """
    found = match(reference, moved)
    return found.shift, found.correlation


def match(reference: FloatArray, moved: FloatArray, *, weighted: bool = False, taper: float = 1.0) -> Match:
    """Find the shift between two images or volumes, its error, and how sure it is.

    The peak of their correlation: nearest voxel by FFT, then Newton's method on the correlation itself, whose
    derivatives are exact. A window takes the borders out; the finest third of the frequencies, mostly
    noise, is left out too.

    Parameters
    ----------
    reference, moved : real (..., ny, nx)
        Of one shape.
    weighted : bool
        Each ring of frequencies counts by its coherence c, as c / (1 - c^2) of the unit power: the largest
        structures alone do not decide, and what drowns in noise does not count; nor does what has less than
        two cycles in the field. Wanted where the contrast of the two differs, or where there are few photons.
    taper : float
        Part of each axis over which the window falls to zero, both ends together: 1 is a Hann window.
    """
    window = _window(reference.shape, taper)
    first, second = (_spectrum(each, window) for each in (reference, moved))
    cross = np.conj(first) * second
    kept = np.nonzero(cross)
    wave = 2 * np.pi * np.array([scipy.fft.fftfreq(n)[at] for n, at in zip(cross.shape, kept, strict=True)])
    plain = terms = cross[kept]
    shift = _peak(terms, wave, kept, cross.shape)
    if weighted and terms.size:
        rings = _Rings(wave, np.abs(first[kept]) ** 2, np.abs(second[kept]) ** 2, cross.shape)
        for _ in range(_ROUNDS):
            terms = plain * rings.weights(plain * np.exp(1j * (shift @ wave)))
            shift = _peak(terms, wave, kept, cross.shape)
    power = float(np.sqrt((np.abs(first) ** 2).sum() * (np.abs(second) ** 2).sum()))
    turn = np.exp(1j * (shift @ wave))
    correlation = float((plain * turn).real.sum()) / power if power > 0 else 0.0
    return Match(shift, *_certainty(terms * turn, wave, correlation))


def _peak(
    terms: ComplexArray, wave: FloatArray, kept: tuple[NDArray[np.integer], ...], shape: tuple[int, ...]
) -> FloatArray:
    """Shift at the maximum of Re sum(terms exp(i wave . shift))."""
    spectrum = np.zeros(shape, terms.dtype)
    spectrum[kept] = terms
    peak = np.unravel_index(int(np.argmax(scipy.fft.ifftn(spectrum).real)), shape)
    shift = np.array([scipy.fft.fftfreq(n, 1 / n)[at] for at, n in zip(peak, shape, strict=True)])
    for _ in range(_STEPS):
        step = _newton_step(terms, wave, shift)
        shift = shift + step
        if np.abs(step).max() < _STEP_VOXELS:
            break
    return shift


def _newton_step(terms: ComplexArray, wave: FloatArray, shift: FloatArray) -> FloatArray:
    """One step towards the maximum of Re sum(terms exp(i wave . shift)), at most half a voxel."""
    turned = terms * np.exp(1j * (shift @ wave))
    gradient = -wave @ turned.imag
    hessian = -(wave * turned.real) @ wave.T
    step = -np.linalg.lstsq(hessian, gradient, rcond=None)[0]
    return np.asarray(np.clip(step, -0.5, 0.5))


def _certainty(turned: ComplexArray, wave: FloatArray, correlation: float) -> tuple[FloatArray, float, float]:
    """Error of the shift, the correlation as it came, its significance; each frequency is there twice."""
    slope_noise = np.sqrt(2 * (wave**2 @ turned.imag**2))
    curvature = wave**2 @ turned.real
    good = curvature > 0
    sigma = np.where(good, slope_noise / np.where(good, curvature, 1.0), np.inf)
    noise, agreement = float(np.sqrt(2 * (turned.imag**2).sum())), float(turned.real.sum())
    return sigma, correlation, agreement / noise if noise > 0 else (math.inf if agreement > 0 else 0.0)


class _Rings:
    """Weights of the frequencies of two spectra, ring by ring."""

    def __init__(
        self, wave: FloatArray, first_power: FloatArray, second_power: FloatArray, shape: tuple[int, ...]
    ) -> None:
        step = 2 * np.pi * _RING / min(n for n in shape if n > 1)
        self._ring = np.floor(np.sqrt((wave**2).sum(axis=0)) / step).astype(int)
        self._count = np.bincount(self._ring).astype(float)
        self._power = np.sqrt(np.bincount(self._ring, first_power) * np.bincount(self._ring, second_power))

    def weights(self, turned: ComplexArray) -> FloatArray:
        """Weights (n,) from the cross-spectrum (n,) with the shift undone."""
        some = self._power > 0
        power = np.where(some, self._power, 1.0)
        coherence = np.where(some, np.bincount(self._ring, turned.real) / power, 0.0)
        coherence[coherence < _LEAST_COHERENCE / np.sqrt(np.maximum(self._count, 1))] = 0.0
        coherence[0] = 0.0  # slow changes of the light correlate with anything
        coherence = np.minimum(coherence, _MOST_COHERENCE)
        return np.asarray((coherence / (1 - coherence**2) * self._count / power)[self._ring])


def _window(shape: tuple[int, ...], taper: float) -> FloatArray:
    window = np.ones((), np.float32)
    for n in shape:
        window = np.multiply.outer(window, tukey(n + 2, taper)[1:-1].astype(np.float32))
    return window


def _spectrum(volume: FloatArray, window: FloatArray) -> ComplexArray:
    mean = np.sum(volume * window) / np.sum(window)
    spectrum = scipy.fft.fftn((volume - mean) * window)
    axes = np.meshgrid(*(scipy.fft.fftfreq(n) for n in volume.shape), indexing="ij", sparse=True)
    spectrum[sum(axis**2 for axis in axes) > _BAND**2] = 0
    return np.asarray(spectrum)
