"""How good maps are: against a truth, between halves of the data, and element against element."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from xsn_acq.analysis.frc import fourier_ring_correlation, reaches_nyquist, resolution
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

FRC_THRESHOLD = 1 / 7
"""Between halves of the data, each with its own noise."""
TRUTH_THRESHOLD = 0.5
"""Against the truth: sqrt(2 t / (1 + t)) of what t is between halves; Rosenthal and Henderson, J. Mol. Biol.
333, 721 (2003); doi:10.1016/j.jmb.2003.07.013."""
_WINDOW_PIXELS, _WINDOW_REACH = 1.5, 5
_K1, _K2 = 0.01, 0.03
"""Wang et al., IEEE Trans. Image Process. 13, 600 (2004); doi:10.1109/TIP.2003.819861."""


def psnr(found: FloatArray, true: FloatArray) -> float:
    """Peak signal-to-noise ratio in decibel; the peak is the truth's.

    Parameters
    ----------
    found, true : (ny, nx)

    Returns
    -------
    float
        Infinite where both are equal.

    Examples
    --------
    >>> psnr(np.full((2, 2), 0.9), np.ones((2, 2)))
    20.0
    """
    _check_alike(found, true)
    error = float(np.mean((found - true) ** 2))
    return float("inf") if error == 0 else round(float(10 * np.log10(true.max() ** 2 / error)), 12)


def ssim(found: FloatArray, true: FloatArray) -> float:
    """Structural similarity: mean over windows of a Gaussian of 1.5 pixels, the truth's range as L.

    Parameters
    ----------
    found, true : (ny, nx)

    Returns
    -------
    float
        -1 to 1; 1 where both are equal. Windows that reach over the border do not count.
    """
    _check_alike(found, true)
    span = float(np.ptp(true)) or 1.0
    mean_a, mean_b = _local(found), _local(true)
    var_a, var_b = _local(found**2) - mean_a**2, _local(true**2) - mean_b**2
    covariance = _local(found * true) - mean_a * mean_b
    c1, c2 = (_K1 * span) ** 2, (_K2 * span) ** 2
    likeness = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    likeness /= (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    reach = _WINDOW_REACH
    return float(likeness[reach:-reach, reach:-reach].mean())


def map_resolution(
    a: FloatArray, b: FloatArray, pixel_size_m: float, *, threshold: float = FRC_THRESHOLD
) -> float:
    """Resolution in metres by Fourier ring correlation, of all the data.

    Parameters
    ----------
    a, b : (ny, nx)
        One element from the odd and from the even patterns; or a map and the truth.
    pixel_size_m : float
    threshold : float
        `FRC_THRESHOLD` between halves, `TRUTH_THRESHOLD` against the truth.

    Returns
    -------
    float
        NaN where the curve falls nowhere below it: the pixels are the limit, see `pixel_limit_m`.

    Raises
    ------
    ReconstructionError
        The shapes differ or are too small.
    """
    curve = fourier_ring_correlation(a, b, pixel_size_m)
    return float("nan") if reaches_nyquist(curve, threshold) else resolution(curve, threshold)


def pixel_limit_m(pixel_size_m: float) -> float:
    """Finest resolution that pixels of this size can show, metres: two of them."""
    return 2 * pixel_size_m


def element_correlations(maps: FloatArray, inside: NDArray[np.bool_] | None = None) -> FloatArray:
    """Pearson correlation between the pixels of each two elements, (E, E).

    Parameters
    ----------
    maps : (E, ny, nx)
    inside : bool (ny, nx), optional
        Pixels that count: where there is sample. All else is empty of every element, which correlates.

    Returns
    -------
    (E, E)
        NaN for an element that is the same everywhere, and where no pixel counts.
    """
    chosen = maps.reshape(len(maps), -1) if inside is None else maps[:, np.asarray(inside, dtype=bool)]
    if chosen.shape[1] == 0:
        return np.full((len(maps), len(maps)), np.nan)
    apart = chosen - chosen.mean(axis=1, keepdims=True)
    size = np.sqrt(np.sum(apart**2, axis=1))
    size = np.where(size > 1e-12 * np.abs(chosen).max(axis=1), size, np.nan)
    return np.asarray(apart @ apart.T / np.outer(size, size))


def _local(image: FloatArray) -> FloatArray:
    return np.asarray(gaussian_filter(image, _WINDOW_PIXELS, radius=_WINDOW_REACH))


def _check_alike(found: FloatArray, true: FloatArray) -> None:
    if np.shape(found) != np.shape(true) or np.ndim(found) != 2:
        raise ReconstructionError(
            f"score: wanted two images of one shape, found {np.shape(found)} and {np.shape(true)}"
        )
