"""A sheet of sandpaper in the beam: where its grains lie, and how thick they are."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from xsn_acq.sim.pooling import Array
from xsn_acq.units import UM

_CELL_GRAINS = 12.0
"""Side of a cell of the sheet, in mean grain diameters."""
_SIZE_SPREAD = 0.22
"""Standard deviation of the logarithm of a grain's size."""
_SLIMMEST = 0.6
"""Smallest ratio of a grain's axes."""
_LARGEST = math.exp(3.5 * _SIZE_SPREAD)
"""No grain is larger, in mean diameters."""
_ORIGIN = 1 << 30
"""Added to a cell's index: seeds are not negative."""


@dataclass(frozen=True)
class Sandpaper:
    """Grains of silicon carbide on a sheet: ellipsoids at random places, the same for the same seed.

    Grains are drawn cell by cell, each from the seed and the cell's index, so that any place of the sheet
    has its own grains and no map of the whole sheet is kept.

    Parameters
    ----------
    grain_um : float
        Mean diameter of a grain.
    coverage : float
        Mean number of grains that a ray meets.
    seed : int
        Of the sheet.

    Raises
    ------
    ValueError
        Diameter or coverage is not positive.
    """

    grain_um: float
    coverage: float
    seed: int

    def __post_init__(self) -> None:
        if not (self.grain_um > 0 and self.coverage > 0):
            raise ValueError(
                f"sandpaper: wanted grain and coverage above 0, found {self.grain_um} um and {self.coverage}"
            )

    @property
    def cell_um(self) -> float:
        """Side of a cell."""
        return _CELL_GRAINS * self.grain_um

    @property
    def mean_thickness_m(self) -> float:
        """Mean thickness of the grains along the beam, over the whole sheet."""
        return self.coverage * _mean_chord() * self.grain_um * UM

    def thickness_m(self, x_um: Array, y_um: Array) -> NDArray[np.float32]:
        """Thickness of the grains along the beam.

        Parameters
        ----------
        x_um, y_um : array (nx,), (ny,)
            Places on the sheet, evenly rising, the same step on both.

        Returns
        -------
        float32 (ny, nx), metres
        """
        reach = 0.5 * self.grain_um * _LARGEST
        cells = [_grains(self, i, j) for j in self._cells(y_um, reach) for i in self._cells(x_um, reach)]
        return _rendered(np.concatenate(cells, axis=1), np.asarray(x_um), np.asarray(y_um))

    def _cells(self, axis_um: Array, reach_um: float) -> range:
        first, last = axis_um[0] - reach_um, axis_um[-1] + reach_um
        return range(math.floor(first / self.cell_um), math.floor(last / self.cell_um) + 1)


@lru_cache(maxsize=2048)
def _grains(sheet: Sandpaper, column: int, row: int) -> Array:
    """Grains of a cell, (6, n): centre x, y, half thickness, and the form a x^2 + 2 b x y + c y^2 <= 1."""
    rng = np.random.default_rng((sheet.seed, _ORIGIN + column, _ORIGIN + row))
    mean_area = math.pi / 4 * sheet.grain_um**2 * _mean_shadow()
    count = rng.poisson(sheet.coverage * sheet.cell_um**2 / mean_area)
    at_x, at_y = (np.array([[column], [row]]) + rng.random((2, count))) * sheet.cell_um
    radius = 0.5 * sheet.grain_um * _sizes(rng.standard_normal(count))
    slim, flat = _SLIMMEST + (1 - _SLIMMEST) * rng.random((2, count))
    turn = math.pi * rng.random(count)
    cos, sin = np.cos(turn), np.sin(turn)
    along, across = radius**-2, (slim * radius) ** -2
    form = along * cos**2 + across * sin**2, (along - across) * sin * cos, along * sin**2 + across * cos**2
    return np.stack([at_x, at_y, flat * radius, *form])


def _sizes(normal: Array) -> Array:
    """Diameters over their mean."""
    sizes: Array = np.exp(_SIZE_SPREAD * np.clip(normal, -3, 3) - _SIZE_SPREAD**2 / 2)
    return sizes


def _mean_shadow() -> float:
    """Mean shadow of a grain over that of a ball of the mean diameter: E[d^2] E[b / a]."""
    return math.exp(_SIZE_SPREAD**2) * 0.5 * (1 + _SLIMMEST)


def _mean_chord() -> float:
    """Mean chord through a grain over the mean diameter: 2/3 E[d^3] E[c / a] / E[d^2]."""
    return 2 / 3 * math.exp(2 * _SIZE_SPREAD**2) * 0.5 * (1 + _SLIMMEST)


def _rendered(grains: Array, x_um: Array, y_um: Array) -> NDArray[np.float32]:
    """Sum of the chords on a grid: the pixels of all grains are one list, added up place by place."""
    step = float(x_um[1] - x_um[0])
    centre_x, centre_y = (grains[0] - x_um[0]) / step, (grains[1] - y_um[0]) / step
    a, b, c = grains[3:] * step**2
    determinant = a * c - b * b
    left, columns = _span(centre_x, np.sqrt(c / determinant), x_um.size)
    top, rows = _span(centre_y, np.sqrt(a / determinant), y_um.size)
    size = columns * rows
    which = np.repeat(np.arange(size.size), size)
    place = np.arange(which.size) - np.repeat(np.cumsum(size) - size, size)
    down, right = np.divmod(place, columns[which])
    down, right = down + top[which], right + left[which]
    dx = (right - centre_x[which]).astype(np.float32)
    dy = (down - centre_y[which]).astype(np.float32)
    a, b, c, half = (each.astype(np.float32)[which] for each in (a, 2 * b, c, grains[2]))
    inside = 1 - dx * (a * dx + b * dy) - c * dy * dy
    chord = half * np.sqrt(np.maximum(inside, 0, out=inside), out=inside)
    total = np.bincount(down * x_um.size + right, chord, x_um.size * y_um.size)
    return (2 * UM * total.reshape(y_um.size, x_um.size)).astype(np.float32)


def _span(centre: Array, half: Array, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First pixel and number of pixels within ``half`` of each centre, on an axis of ``size`` pixels."""
    first = np.clip(np.ceil(centre - half), 0, size).astype(np.int64)
    end = np.clip(np.floor(centre + half) + 1, 0, size).astype(np.int64)
    return first, np.maximum(end - first, 0)
