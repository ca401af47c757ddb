"""How partial coherence blurs a speckle pattern, and how finely a sample can be retrieved from it.

Both are Gaussians of the coherence lengths at the detector (the third paper, Eqs. 4, 5 and 14). A speckle
that is finer than the blur has the autocorrelation exp(-pi (dx^2 / x_coh^2 + dy^2 / y_coh^2)) after it.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft

from xsn_acq.optics.arrays import FloatArray

_SIGMA_PER_LENGTH = 1 / (2 * math.sqrt(math.pi))


@dataclass(frozen=True)
class CoherenceLengths:
    """Coherence lengths at the detector, metres at the sample's scale.

    Parameters
    ----------
    x_m, y_m : float
        Horizontal and vertical. The intensity's point spread function is a Gaussian with a standard deviation
        of x_m / (2 sqrt pi): source, scintillator and lens together.

    Raises
    ------
    ValueError
        A length is not positive and finite.
    """

    x_m: float
    y_m: float

    def __post_init__(self) -> None:
        if not (0 < self.x_m < math.inf and 0 < self.y_m < math.inf):
            raise ValueError(f"coherence lengths: wanted values above 0, found {self.x_m} and {self.y_m} m")

    @property
    def spread_m(self) -> tuple[float, float]:
        """Standard deviations (x, y) of the intensity's point spread function."""
        return self.x_m * _SIGMA_PER_LENGTH, self.y_m * _SIGMA_PER_LENGTH


def lengths_of_spread(x_m: float, y_m: float) -> CoherenceLengths:
    """Coherence lengths of a Gaussian blur with these standard deviations; the inverse of ``spread_m``.

    >>> round(lengths_of_spread(1e-6, 1.2e-6).x_m * 1e6, 3)
    3.545
    """
    return CoherenceLengths(x_m / _SIGMA_PER_LENGTH, y_m / _SIGMA_PER_LENGTH)


def pooled_lengths(lengths: CoherenceLengths, pixel_m: float, times: int) -> CoherenceLengths:
    """Coherence lengths of images pooled ``times`` x ``times``: a larger pixel blurs more.

    Parameters
    ----------
    lengths : CoherenceLengths
        Measured with pixels of ``pixel_m``, at full resolution: pooled pixels hardly show the speckle.
    pixel_m : float
    times : int

    Examples
    --------
    >>> round(pooled_lengths(CoherenceLengths(3.5e-6, 4.3e-6), 0.65e-6, 2).x_m * 1e6, 3)
    3.685
    """
    more = math.pi / 3 * pixel_m**2 * (times**2 - 1)
    return CoherenceLengths(math.sqrt(lengths.x_m**2 + more), math.sqrt(lengths.y_m**2 + more))


def intensity_transfer(shape: tuple[int, int], pixel_m: float, lengths: CoherenceLengths) -> FloatArray:
    """Transfer of the intensity, IOTF = exp[-(pi / 2) (u^2 x_coh^2 + v^2 y_coh^2)] (Eq. 5).

    Parameters
    ----------
    shape : (ny, nx)
    pixel_m : float
        Pixel at the sample.
    lengths : CoherenceLengths

    Returns
    -------
    float64 (ny, nx), order of ``numpy.fft.fft2``: frequency 0 first
    """
    return _gaussian(shape, pixel_m, lengths, 0.5)


def sample_transfer(
    shape: tuple[int, int], pixel_m: float, lengths: CoherenceLengths, oversampling: float = 1.0
) -> FloatArray:
    """Part of the sample's field that is retrieved, STF = exp[-pi g (u^2 x_coh^2 + v^2 y_coh^2)] (Eq. 14).

    Parameters
    ----------
    shape : (ny, nx)
    pixel_m : float
    lengths : CoherenceLengths
    oversampling : float
        g, measured over retrieved spatial modes; the paper's is 1.

    Returns
    -------
    float64 (ny, nx), order of ``numpy.fft.fft2``

    Raises
    ------
    ValueError
        The oversampling is not positive.
    """
    if not 0 < oversampling < math.inf:
        raise ValueError(f"sample transfer: wanted an oversampling above 0, found {oversampling}")
    return _gaussian(shape, pixel_m, lengths, oversampling)


def resolution_m(lengths: CoherenceLengths) -> float:
    """Half the period at which the STF is 0.1, sqrt(pi / ln 10) / 2 = 0.584 x_coh: rms of both axes.

    The paper prints 0.385, which is sqrt(pi) / (2 ln 10): the root of ln 10 is missing.

    >>> round(resolution_m(CoherenceLengths(1.0, 1.0)), 3)
    0.584
    """
    rms = math.sqrt(0.5 * (lengths.x_m**2 + lengths.y_m**2))
    return 0.5 * math.sqrt(math.pi / math.log(10)) * rms


def _gaussian(
    shape: tuple[int, int], pixel_m: float, lengths: CoherenceLengths, per_square: float
) -> FloatArray:
    """exp[-pi per_square (u^2 x^2 + v^2 y^2)]."""
    v, u = (scipy.fft.fftfreq(n, pixel_m) for n in shape)
    rows, columns = (v * lengths.y_m) ** 2, (u * lengths.x_m) ** 2
    return np.exp(-np.pi * per_square * (rows[:, None] + columns))
