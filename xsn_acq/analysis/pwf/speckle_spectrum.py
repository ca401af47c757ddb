"""Spectrum of the speckle behind a diffuser of grains, before anything blurs it.

It is not white: refraction by slow slopes makes little contrast over a short way, and fine detail fades with
the grains' own spectrum. Whoever takes it for white finds coherence lengths off by a few percent.

With the autocovariance C(r) of the diffuser's phase, taken as Gaussian, and s = lambda L k, the intensity's
transform at k is that of t(r - s/2) t*(r + s/2) (Guigay, Optik 49, 121 (1977)), so its power is
S(k) = int exp(-2 pi i k r) exp[-2 C(0) + 2 C(s) + 2 C(r) - C(r + s) - C(r - s)] dr, less the mean's own.
Absorption is left out: of silicon carbide it is 1 % of the phase.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft

from xsn_acq.optics.arrays import FloatArray

_SIZE_SPREAD = 0.25
"""Standard deviation of the logarithm of the grains' sizes: grit is sieved."""
_SIZES = 15
_TABLE_POINTS = 384
_TABLE_SIDE = 8.0
_STEPS_PER_GRAIN = 24
_REACH_GRAINS = 3.0


@dataclass(frozen=True)
class GrainScreen:
    """Many grains, one behind the other.

    Attributes
    ----------
    phase_rad : float
        Standard deviation of the phase.
    grain_m : float
        Mean diameter.
    steep : float
        Share of the phase's variance that has steep rims, 0 to 1: balls have none, plates nothing else.
    """

    phase_rad: float
    grain_m: float
    steep: float = 0.0


def speckle_spectrum(
    frequency_per_m: FloatArray, screen: GrainScreen, wavelength_m: float, distance_m: float
) -> FloatArray:
    """Power of the intensity's fluctuations over its mean, square metres; its integral is the contrast^2.

    Parameters
    ----------
    frequency_per_m : (n,)
        Above 0.
    screen : GrainScreen
    wavelength_m, distance_m : float
        Distance from the diffuser to the detector.

    Returns
    -------
    float64 (n,), above 0
    """
    step = screen.grain_m / _STEPS_PER_GRAIN
    x = (np.arange(int(_REACH_GRAINS * _STEPS_PER_GRAIN)) + 0.5) * step
    y = x[:, None]
    still = _covariance(np.hypot(x, y), screen)
    power = np.empty(len(frequency_per_m))
    for i, k in enumerate(frequency_per_m):
        s = wavelength_m * distance_m * k
        mean = 2 * screen.phase_rad**2 - 2 * float(_covariance(np.array([s]), screen)[0])
        moved = _covariance(np.hypot(x + s, y), screen) + _covariance(np.hypot(x - s, y), screen)
        beyond_mean = np.exp(2 * still - moved - mean) - np.exp(-mean)
        power[i] = 4 * step**2 * float(np.sum(beyond_mean.sum(axis=0) * np.cos(2 * np.pi * k * x)))
    return np.maximum(power, 1e-6 * power.max())


def _covariance(distance_m: FloatArray, screen: GrainScreen) -> FloatArray:
    """C(r) of the phase: every quadrant has it, so that a sum over one is enough."""
    radius, balls, plates = _grain_covariances()
    shape = (1 - screen.steep) * balls + screen.steep * plates
    return screen.phase_rad**2 * np.interp(distance_m / screen.grain_m, radius, shape, right=0.0)


@lru_cache(maxsize=1)
def _grain_covariances() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Distances in mean diameters, and the covariances of balls' and plates' thickness there, 1 at 0.

    Balls from the spectrum of their chords, [(sin q - q cos q) / q^3]^2 with q = pi k d; plates from the area
    that two discs share. Both as thick as they are wide, and of all sizes.
    """
    k = scipy.fft.fftfreq(_TABLE_POINTS, _TABLE_SIDE / _TABLE_POINTS)
    frequency = np.maximum(np.hypot(k[:, None], k), 1e-3)
    radius = np.arange(_TABLE_POINTS // 2) * (_TABLE_SIDE / _TABLE_POINTS)
    power, plates = np.zeros_like(frequency), np.zeros_like(radius)
    for deviation in np.linspace(-2.5, 2.5, _SIZES):
        size, number = np.exp(_SIZE_SPREAD * deviation), np.exp(-(deviation**2) / 2)
        q = np.pi * frequency * size
        power += number * size**6 * ((np.sin(q) - q * np.cos(q)) / q**3) ** 2
        apart = np.minimum(radius / size, 1.0)
        plates += number * size**4 * (np.arccos(apart) - apart * np.sqrt(1 - apart**2))
    balls = scipy.fft.ifft2(power).real[0, : radius.size]
    return radius, balls / balls[0], plates / plates[0]
