"""The diffuser of speckle microtomography: sheets of sandpaper on a stage, behind the sample."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from xsn_acq.optics.materials import optical_constants
from xsn_acq.sim.pooling import Array
from xsn_acq.sim.sandpaper import Sandpaper

_KEPT = 24
"""Parts of the sheets that are remembered: as many as a full frame is made of."""


@dataclass(frozen=True)
class SandpaperDiffuser:
    """Several sheets on one holder; the same place and seed: the same grains.

    Parameters
    ----------
    formula : str
        Of the grains.
    density_g_cm3 : float
    grain_um : float
        Mean diameter of a grain.
    layers : int
        Sheets behind each other.
    coverage : float
        Mean number of grains that a ray meets in each sheet.
    width_mm, height_mm : float
        Of the sheets, about the holder's origin.
    seed : int
        Of all sheets.
    """

    formula: str = "SiC"
    density_g_cm3: float = 3.21
    grain_um: float = 6.0
    layers: int = 4
    coverage: float = 0.6
    width_mm: float = 20.0
    height_mm: float = 20.0
    seed: int = 20261102

    def projected(
        self, energy_ev: float, x_um: Array, y_um: Array, at_um: tuple[float, float] = (0.0, 0.0)
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Integrals of delta and beta along the beam.

        Parameters
        ----------
        energy_ev : float
        x_um, y_um : array (nx,), (ny,)
            Places in the diffuser's plane about the optical axis, evenly rising, one step for both.
        at_um : (x, y)
            Where the holder's origin is.

        Returns
        -------
        (delta, beta) : float32 (ny, nx), metres (read only)
        """
        constants = optical_constants(self.formula, self.density_g_cm3, energy_ev)
        step = float(x_um[1] - x_um[0])
        first = float(x_um[0]) - at_um[0], float(y_um[0]) - at_um[1]
        thickness = _thickness(self, first, step, (y_um.size, x_um.size))
        return thickness * np.float32(constants.delta), thickness * np.float32(constants.beta)


@lru_cache(maxsize=_KEPT)
def _thickness(
    diffuser: SandpaperDiffuser, first_um: tuple[float, float], step_um: float, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Thickness (ny, nx) in metres of all sheets; they do not go beyond their edge."""
    x, y = (first + step_um * np.arange(count) for first, count in zip(first_um, shape[::-1], strict=True))
    half_x_um, half_y_um = 500 * diffuser.width_mm, 500 * diffuser.height_mm
    inside = (np.abs(x) <= half_x_um) & (np.abs(y) <= half_y_um)[:, None]
    total = np.zeros(shape, np.float32)
    if inside.any():
        for layer in range(diffuser.layers):
            sheet = Sandpaper(diffuser.grain_um, diffuser.coverage, diffuser.seed + layer)
            total += sheet.thickness_m(x, y)
        total *= inside
    total.flags.writeable = False
    return total
