"""Power spectrum of a speckle pattern, from tiles of the frame."""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from xsn_acq.optics.arrays import FloatArray

TILE_PIXELS = 256
LEAST_SIDE = 48
ALIKE = 3.78
"""How many values the Hann window makes one, along two axes: (1 + 2 (2/3)^2 + 2 (1/6)^2)^2."""
_LOWEST_PER_M, _LEAST_BINS = 0.05e6, 3
"""Below 20 um, or so many steps of a tile's spectrum, the beam's structure has its say."""
_HIGHEST = 0.5
"""Cycles per pixel beyond which only corners of the plane are left."""
_NOISE_FROM, _SPECKLE_TO = 0.42, 0.2
"""Cycles per pixel from which there is noise only, and up to which speckle is looked for."""


@dataclass(frozen=True, eq=False)
class Periodogram:
    """Power of the fluctuations over the mean, square metres, at frequencies (n,) of half the plane.

    Attributes
    ----------
    power : (n,)
    u2, v2 : (n,)
        Frequencies squared, per square metre.
    tiles : int
        Tiles averaged.
    pixel_m : float
    """

    power: FloatArray
    u2: FloatArray
    v2: FloatArray
    tiles: int
    pixel_m: float

    @property
    def radius(self) -> FloatArray:
        """Distance from frequency 0, cycles per metre."""
        return np.sqrt(self.u2 + self.v2)

    @property
    def noise(self) -> float:
        """Mean power where there is noise only."""
        return float(self.power[self.radius > _NOISE_FROM / self.pixel_m].mean())

    @property
    def signal_to_noise(self) -> float:
        """Mean power of the speckle, in its band, over that of the noise."""
        band = self.power[self.radius < _SPECKLE_TO / self.pixel_m].mean()
        return float(band / self.noise) - 1 if self.noise > 0 else np.inf


def periodogram(image: FloatArray, pixel_m: float) -> Periodogram:
    """Mean over tiles of 256 x 256 pixels, each over its mean and under a Hann window.

    Parameters
    ----------
    image : real (ny, nx)
        48 pixels a side or more; what no tile covers, at the borders, is left out.
    pixel_m : float
    """
    ny, nx = (min(n, TILE_PIXELS) for n in image.shape)
    window = np.outer(np.hanning(ny + 2)[1:-1], np.hanning(nx + 2)[1:-1])
    window /= np.sqrt(np.mean(window**2))
    rows, columns = _starts(image.shape[0], ny), _starts(image.shape[1], nx)
    total = np.zeros((ny, nx // 2 + 1))
    for top in rows:
        for left in columns:
            tile = image[top : top + ny, left : left + nx]
            change = tile / (np.sum(tile * window) / np.sum(window)) - 1
            total += np.abs(scipy.fft.rfft2(change * window)) ** 2
    tiles = len(rows) * len(columns)
    power = total * pixel_m**2 / (ny * nx * tiles)
    v, u = scipy.fft.fftfreq(ny, pixel_m)[:, None], scipy.fft.rfftfreq(nx, pixel_m)
    cycles = np.hypot(v, u) * pixel_m
    lowest = max(_LOWEST_PER_M * pixel_m, _LEAST_BINS / min(ny, nx))
    used = (cycles > lowest) & (cycles < _HIGHEST) & (u > 0)
    u2, v2 = (np.broadcast_to(each**2, cycles.shape)[used] for each in (u, v))
    return Periodogram(power[used], u2, v2, tiles, pixel_m)


def _starts(count: int, tile: int) -> list[int]:
    """Where tiles begin along an axis, so that what they leave is equal on both sides."""
    tiles = count // tile
    return [(count - tiles * tile) // 2 + i * tile for i in range(tiles)]
