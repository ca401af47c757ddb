r"""A silicon drift detector: what it makes of a line, of many photons at a time, and of two at once.

A line of energy E becomes a Gaussian of

.. math:: FWHM^2 = noise^2 + (2.355)^2 F \epsilon E

(F the Fano factor, epsilon the energy of an electron-hole pair), with an exponential tail and a flat shelf
below it where charge is lost, and an escape peak 1740 eV lower where a silicon K photon leaves the crystal.

Dead time: an event hides for a time tau those that follow. The detector is non-paralysable when hidden events
do not hide others, paralysable when they do (Knoll, Radiation Detection and Measurement, chapter 4).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike
from scipy.special import log_ndtr, ndtr

from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.detector import FWHM_PER_SIGMA
from xsn_acq.optics.fluorescence import k_production_cm2_g, mass_attenuation_cm2_g

FANO = 0.115
"""Fano factor of silicon (Knoll, table 13.1: 0.08 to 0.16; PyMca's default 0.114)."""
PAIR_EV = 3.66
"""Energy of an electron-hole pair in silicon at 240 K."""
SILICON_K_EV = 1739.9
_SILICON_G_CM3 = 2.33
_REACH_SIGMA = 8.0
"""Nothing of a line lies higher above it, to 1e-15."""


@dataclass(frozen=True)
class Response:
    """What a detector makes of a line.

    Parameters
    ----------
    noise_fwhm_ev : float
        Width of a line of energy 0.
    fano : float
    tail_share, tail_ev : float
        Part of a line's counts in the exponential tail, and the energy over which it falls by e.
    shelf_share : float
        Part of a line's counts in the flat shelf from 0 to its energy.
    escape : float
        Escape peaks are so many times as high as :func:`escape_share` says.
    """

    noise_fwhm_ev: float
    fano: float = FANO
    tail_share: float = 0.0
    tail_ev: float = 200.0
    shelf_share: float = 0.0
    escape: float = 1.0


def fwhm_ev(energy_ev: ArrayLike, noise_fwhm_ev: float, fano: float = FANO) -> FloatArray:
    """Full width at half maximum of a line, electronvolts.

    >>> round(float(fwhm_ev(5895.0, 60.0)))
    132
    """
    return np.sqrt(noise_fwhm_ev**2 + FWHM_PER_SIGMA**2 * fano * PAIR_EV * np.asarray(energy_ev, float))


def line_shape(edges_ev: FloatArray, energy_ev: float, response: Response) -> FloatArray:
    """Counts in each bin of a line of area 1.

    Parameters
    ----------
    edges_ev : (bins + 1,)
        Energies between which the bins lie, rising.
    energy_ev : float
        Of the line.
    response : Response

    Returns
    -------
    (bins,)
        The sum is 1 where the bins reach from below 0 to above the line.
    """
    share = response.escape * escape_share(round(energy_ev, -1))  # asked of the tables once for near energies
    found = (1 - share) * np.diff(_cumulative(edges_ev, energy_ev, response))
    if share > 0:
        found += share * np.diff(_cumulative(edges_ev, energy_ev - SILICON_K_EV, response))
    return found


def _cumulative(edges_ev: FloatArray, energy_ev: float, response: Response) -> FloatArray:
    """Part of a line without escape that lies below each energy."""
    sigma = float(fwhm_ev(energy_ev, response.noise_fwhm_ev, response.fano)) / FWHM_PER_SIGMA
    reach = int(np.searchsorted(edges_ev, energy_ev + _REACH_SIGMA * sigma))
    x = (edges_ev[:reach] - energy_ev) / sigma
    below = ndtr(x)
    part = (1 - response.tail_share - response.shelf_share) * below
    if response.tail_share:
        part += response.tail_share * _below_tail(x, below, sigma / response.tail_ev)
    if response.shelf_share:
        part += response.shelf_share * _below_shelf(x, below, energy_ev / sigma)
    return np.concatenate([part, np.ones(edges_ev.size - reach)])


def _below_tail(x: FloatArray, below: FloatArray, rate: float) -> FloatArray:
    """Part below x of a Gaussian (width 1, at 0) convolved with exp(rate x), x < 0."""
    return np.asarray(below + np.exp(rate * x + 0.5 * rate**2 + log_ndtr(-x - rate)))


def _below_shelf(x: FloatArray, below: FloatArray, depth: float) -> FloatArray:
    """Part below x of a Gaussian (width 1, at 0) convolved with a box from -depth to 0."""

    def integral(at: FloatArray) -> FloatArray:
        return np.asarray(at * ndtr(at) + np.exp(-0.5 * at**2) / np.sqrt(2 * np.pi))

    return (integral(x + depth) - integral(x)) / depth


@lru_cache(maxsize=4096)
def escape_share(energy_ev: float) -> float:
    """Part of a line's counts in its escape peak, of light that comes in along the normal.

    Half of the silicon K photons go outward; those made at depth z pass with the mean over the half space of
    exp(-mu_K z / cos): omega (1 - 1/J) / 2 (1 - (mu_K / mu) ln(1 + mu / mu_K)) (Reed and Ware, J. Phys. E 5,
    582 (1972)).

    Examples
    --------
    >>> round(escape_share(5900.0), 4), escape_share(1800.0)
    (0.0032, 0.0)
    """
    made = k_production_cm2_g("Si", energy_ev)
    if not made:
        return 0.0
    inward, outward = mass_attenuation_cm2_g("Si", [energy_ev, SILICON_K_EV])
    ratio = float(outward / inward)
    return float(0.5 * made / inward * (1 - ratio * np.log1p(1 / ratio)))


def stopped_share(energy_ev: ArrayLike, thickness_um: float) -> FloatArray:
    """Part of the light that a silicon crystal stops."""
    return -np.expm1(-mass_attenuation_cm2_g("Si", energy_ev) * _SILICON_G_CM3 * thickness_um * 1e-4)


def piled_up(counts: FloatArray, first_bin: float = 0.5) -> FloatArray:
    """Spectrum of pairs of events counted as one, of area 1: the spectrum convolved with itself.

    Parameters
    ----------
    counts : (bins,)
        Spectrum of single events.
    first_bin : float
        Energy of the middle of bin 0 over the width of a bin, so that energies add.

    Returns
    -------
    (bins,)
        What lies above the last bin is lost.
    """
    bins, total = counts.size, float(counts.sum())
    if total <= 0:
        return np.zeros(bins)
    length = scipy.fft.next_fast_len(2 * bins + 1, real=True)
    both = scipy.fft.irfft(scipy.fft.rfft(counts / total, length) ** 2, length)
    whole, part = divmod(first_bin, 1)
    moved = (1 - part) * np.roll(both, int(whole)) + part * np.roll(both, int(whole) + 1)
    return np.maximum(moved[:bins], 0.0)
