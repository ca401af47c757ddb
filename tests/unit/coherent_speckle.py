"""Speckle blurred in real space on a grid four times finer than the pixels, and pooled into them."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import ndimage

from xsn_acq.optics.coherence import CoherenceLengths

PIXEL_M = 0.65e-6
PARTS = 4
LENGTHS = CoherenceLengths(3.5e-6, 4.3e-6)


@dataclass(frozen=True, eq=False)
class Speckle:
    """Light before the blur and after it, both pooled; the flat is 1."""

    sharp: np.ndarray
    blurred: np.ndarray


@cache
def speckle(seed=0, shape=(96, 112), grain_m=1.2e-6, contrast=0.6, beyond=24):
    """Partially developed speckle whose field has Gaussian grains; what lies ``beyond`` is cut off."""
    rng = np.random.default_rng(seed)
    fine = PIXEL_M / PARTS
    wide = tuple(PARTS * (n + 2 * beyond) for n in shape)
    noise = rng.standard_normal(wide) + 1j * rng.standard_normal(wide)
    field = ndimage.gaussian_filter(noise, grain_m / 2.3548 / fine, mode="wrap")
    field *= contrast / np.sqrt(np.mean(np.abs(field) ** 2))
    light = np.abs(1 + field) ** 2 / (1 + contrast**2)
    x, y = (spread / fine for spread in LENGTHS.spread_m)
    after = ndimage.gaussian_filter(light, (y, x), mode="wrap", truncate=6)
    inside = (slice(beyond, beyond + shape[0]), slice(beyond, beyond + shape[1]))
    return Speckle(pooled(light)[inside], pooled(after)[inside])


def pooled(fine):
    """Means over PARTS x PARTS."""
    ny, nx = (n // PARTS for n in fine.shape)
    return fine.reshape(ny, PARTS, nx, PARTS).mean((1, 3))


def counted(light, photons, seed):
    """The light with photon noise, as a share of ``photons``."""
    return np.random.default_rng(seed).poisson(light * photons) / photons
