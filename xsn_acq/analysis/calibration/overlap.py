"""By how many whole pixels one image of a sample is displaced against another that shows part of the same."""

import numpy as np
import scipy.fft

from xsn_acq.optics.arrays import FloatArray

LEAST_OVERLAP = 0.25
"""Part of each side that two images must share."""
_ROUNDS = 4
_FINEST = 0.25
"""Highest frequency that is compared, cycles per pixel: beyond it there is mostly noise."""


def shift_of_overlap(reference: FloatArray, image: FloatArray) -> tuple[int, int]:
    """Return by how many (rows, columns) the sample stands further in ``image`` than in ``reference``.

    By correlation of both images; then the parts that both show are correlated again until the shift stays.

    Parameters
    ----------
    reference, image : real (ny, nx)
    """
    whole = _peak(reference, image)
    for _ in range(_ROUNDS):
        parts = shared(reference, image, whole)
        if min(parts[0].shape) < LEAST_OVERLAP * min(reference.shape):
            break
        more = _peak(*parts)
        if more == (0, 0):
            break
        whole = (whole[0] + more[0], whole[1] + more[1])
    return whole


def shared(reference: FloatArray, image: FloatArray, shift: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Return the parts of both that show the same; no less than `LEAST_OVERLAP` of each side."""
    here, there = [], []
    for size, moved in zip(reference.shape, shift, strict=True):
        most = int((1 - LEAST_OVERLAP) * size)
        by = max(-most, min(most, moved))
        here.append(slice(max(-by, 0), size - max(by, 0)))
        there.append(slice(max(by, 0), size - max(-by, 0)))
    return reference[here[0], here[1]], image[there[0], there[1]]


def _peak(reference: FloatArray, image: FloatArray) -> tuple[int, int]:
    """Peak of the correlation to a whole pixel; zero padding keeps both directions apart."""
    shape = (2 * reference.shape[0], 2 * reference.shape[1])
    window = np.outer(np.hanning(reference.shape[0]), np.hanning(reference.shape[1]))
    first, second = (
        scipy.fft.rfft2((part - np.average(part, weights=window)) * window, shape)
        for part in (reference, image)
    )
    v, u = scipy.fft.fftfreq(shape[0])[:, None], scipy.fft.rfftfreq(shape[1])
    spectrum = first.conj() * second * (np.hypot(v, u) < _FINEST)
    # half whitened: the largest structures alone do not decide
    strength = np.sqrt(np.abs(spectrum))
    sharpened = np.divide(spectrum, strength, out=np.zeros_like(spectrum), where=strength > 0)
    correlation = scipy.fft.irfft2(sharpened, shape)
    row, column = np.unravel_index(np.argmax(correlation), shape)
    return (
        int((row + shape[0] // 2) % shape[0] - shape[0] // 2),
        int((column + shape[1] // 2) % shape[1] - shape[1] // 2),
    )
