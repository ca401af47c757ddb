"""Wiener deconvolution of the detector's blur."""

from types import ModuleType
from typing import Any

import numpy as np
import scipy.fft

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.detector import detector_mtf, gaussian_mtf
from xsn_acq.optics.fourier import Fourier

DETAIL = 0.14
"""Contrast of the sample's detail, standard deviation over background, against which noise is weighed."""
LEFT = 0.7
"""Width that is left of the blur: taking all of it out makes noise and ringing, which bias small spheres."""
_LEAST_RATIO = 1e-3


def noise_to_signal(noise: float) -> float:
    """Ratio of noise to detail, both as power, for a relative noise of one frame (standard deviation).

    >>> round(noise_to_signal(0.014), 3)  # 5000 photons
    0.01
    """
    return max((noise / DETAIL) ** 2, _LEAST_RATIO)


class Deconvolution:
    """Takes the detector's blur out of transmission images.

    With M the transfer of the detector, T that of a Gaussian of 0.7 times its width and n the ratio of noise
    to signal, each frequency is multiplied by (1 + n) T M / (M^2 + n): 1 at frequency 0, so that means stay
    what they are, and bounded, so that noise is (Wiener; Hugonnet et al., Methods).

    Parameters
    ----------
    shape : (ny, nx)
    pixel_size_m : float
    fwhm_m : float
        Point spread function of the detector at the sample, full width at half maximum.
    noise : float
        Standard deviation of a frame over its background, see `noise_to_signal`.
    workers, xp, device
        See `xsn_acq.optics.fourier.Fourier`.

    Raises
    ------
    ReconstructionError
        The width is negative or not finite.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        pixel_size_m: float,
        fwhm_m: float,
        noise: float,
        *,
        workers: int = 1,
        xp: ModuleType = np,
        device: Any = None,
    ) -> None:
        if not 0 <= fwhm_m < np.inf:
            raise ReconstructionError(
                f"deconvolution: wanted a width of the detector's blur of 0 or more, found {fwhm_m} m"
            )
        self._shape = shape
        self._fourier = Fourier(xp, device=device, workers=workers)
        transfer = detector_mtf(shape, pixel_size_m, fwhm_m)
        ratio = noise_to_signal(noise)
        wanted = gaussian_mtf(_distance(shape, pixel_size_m), LEFT * fwhm_m)
        response = (1 + ratio) * wanted * transfer / (transfer**2 + ratio)
        self._filter = self._fourier.array(response, np.dtype(np.float32))

    def __call__(self, image: Any) -> Any:
        """Deblurred image, real (..., ny, nx), same mean."""
        return self._fourier.irfft2(self._fourier.rfft2(image) * self._filter, self._shape)


def _distance(shape: tuple[int, int], pixel_size_m: float) -> FloatArray:
    """Distance of each frequency of ``rfft2`` from 0, cycles per metre."""
    v, u = scipy.fft.fftfreq(shape[0], pixel_size_m), scipy.fft.rfftfreq(shape[1], pixel_size_m)
    return np.hypot(v[:, None], u)
