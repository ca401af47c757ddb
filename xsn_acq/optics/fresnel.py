"""Free-space propagation of a paraxial wave over a short distance."""

import math

import numpy as np
import scipy.fft

from xsn_acq.errors import ConfigError
from xsn_acq.optics.arrays import ComplexArray, FloatArray


def transfer(shape: tuple[int, int], pixel_m: float, wavelength_m: float, distance_m: float) -> ComplexArray:
    """Fresnel transfer function H = exp(-i pi lambda L k^2), frequency 0 first as ``numpy.fft.fftfreq``.

    The plane wave's own phase exp(2 pi i L / lambda) is left out. It has the modulus 1, so that its conjugate
    propagates back.

    Parameters
    ----------
    shape : (ny, nx)
    pixel_m, wavelength_m, distance_m : float
        Metres; the distance may be negative, which propagates back.

    Returns
    -------
    complex128 (ny, nx)

    Raises
    ------
    ConfigError
        A pixel or a wavelength is not above 0, or a distance is not finite.
    """
    faults = [
        f"{name}: wanted above 0, found {value} m"
        for name, value in (("pixel_m", pixel_m), ("wavelength_m", wavelength_m))
        if not 0 < value < math.inf
    ]
    if not math.isfinite(distance_m):
        faults.append(f"distance_m: wanted a finite distance, found {distance_m} m")
    if faults:
        raise ConfigError("Fresnel propagation", faults)
    return np.asarray(np.exp(-1j * np.pi * wavelength_m * distance_m * _square(shape, pixel_m)))


def _square(shape: tuple[int, int], pixel_m: float) -> FloatArray:
    """Square of the spatial frequency, (cycles per metre)^2, (ny, nx)."""
    v, u = (scipy.fft.fftfreq(count, pixel_m) for count in shape)
    return np.asarray(v[:, None] ** 2 + u**2)
