"""Spectrum of the speckle behind a diffuser of grains, before anything blurs it.

It is not white: refraction by slow slopes makes little contrast over a short way, and fine detail fades with
the grains' own spectrum. Whoever takes it for white finds coherence lengths off by a few percent.

With the autocovariance C(r) of the diffuser's phase, taken as Gaussian, absorption c = beta/delta times it,
and s = lambda L k, the intensity's transform at k is that of t(r - s/2) t*(r + s/2) (Guigay, Optik 49, 121
(1977)). Its power over the mean squared is S(k) = int exp(-2 pi i k r - 2 i c [C(r + s) - C(r - s)] + e) dr,
e = (1 + c^2) [2 C(s) + 2 C(r)] - (1 - c^2) [2 C(0) + C(r + s) + C(r - s)] - 4 c^2 C(0), less the mean's own.
Weak grains: 4 (sin pi s k + c cos pi s k)^2 times the power of the phase.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
from scipy.interpolate import CubicSpline

from xsn_acq.optics.arrays import FloatArray

SILICON_CARBIDE = 0.0109
"""Beta over delta at 10 keV."""
_SIZE_SPREAD = 0.25
"""Standard deviation of the logarithm of the grains' sizes: grit is sieved."""
_SIZES = 15
_TABLE_POINTS = 384
_TABLE_SIDE = 8.0
_FINER = 16
"""Points of the table between those of the transform: second differences over small ways must be right."""
_STEPS_PER_GRAIN = 20
_REACH_GRAINS = 2.2


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
    beta_over_delta : float
        Of the grains; silicon carbide at 10 keV. At low frequencies absorption makes the contrast.
    """

    phase_rad: float
    grain_m: float
    steep: float = 0.0
    beta_over_delta: float = SILICON_CARBIDE


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
    step, c = screen.grain_m / _STEPS_PER_GRAIN, screen.beta_over_delta
    x = (np.arange(int(_REACH_GRAINS * _STEPS_PER_GRAIN)) + 0.5) * step
    y = x[:, None]
    still, variance = 2 * (1 + c**2) * _covariance(np.hypot(x, y), screen), screen.phase_rad**2
    power = np.empty(len(frequency_per_m))
    for i, k in enumerate(frequency_per_m):
        s = wavelength_m * distance_m * k
        ahead, behind = (_covariance(np.hypot(x + way, y), screen) for way in (s, -s))
        mean = 2 * (1 + c**2) * (float(_covariance(np.array([s]), screen)[0]) - variance)
        wave = 2 * np.pi * k * x
        both = np.exp(mean + still - (1 - c**2) * (ahead + behind)) * np.cos(wave + 2 * c * (ahead - behind))
        power[i] = 4 * step**2 * float(np.sum(both - np.exp(mean) * np.cos(wave)))
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
    coarse = np.arange(_TABLE_POINTS // 2) * (_TABLE_SIDE / _TABLE_POINTS)
    radius = np.linspace(0, coarse[-1], _FINER * coarse.size)
    power, plates = np.zeros_like(frequency), np.zeros_like(radius)
    for deviation in np.linspace(-2.5, 2.5, _SIZES):
        size, number = np.exp(_SIZE_SPREAD * deviation), np.exp(-(deviation**2) / 2)
        q = np.pi * frequency * size
        power += number * size**6 * ((np.sin(q) - q * np.cos(q)) / q**3) ** 2
        apart = np.minimum(radius / size, 1.0)
        plates += number * size**4 * (np.arccos(apart) - apart * np.sqrt(1 - apart**2))
    balls = CubicSpline(coarse, scipy.fft.ifft2(power).real[0, : coarse.size])(radius)
    return radius, balls / balls[0], plates / plates[0]
