"""What a thin sample absorbs of the light that goes in and of the fluorescence that leaves it sideways."""

from collections.abc import Mapping, Sequence

import numpy as np

from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.fluorescence import mass_attenuation_cm2_g


class Absorption:
    """Absorption in a sample whose columns are solid and lie about one plane across the beam.

    Parameters
    ----------
    masses_g_cm2 : mapping of element to (ny, nx)
        Along the beam.
    density_g_cm3 : float
        Of the solid: with it a column's mass tells its thickness.
    pixel_size_m, energy_ev : float
        The energy is that of the light that goes in.
    """

    def __init__(
        self,
        masses_g_cm2: Mapping[str, FloatArray],
        density_g_cm3: float,
        pixel_size_m: float,
        energy_ev: float,
    ) -> None:
        self._masses = {name: np.asarray(mass, float) for name, mass in masses_g_cm2.items()}
        self._pixel_cm = pixel_size_m * 100
        self._thickness_cm = np.sum(list(self._masses.values()), axis=0) / density_g_cm3
        depth = self._depths([energy_ev])[0]
        solid = np.where(depth > 0, depth, 1.0)
        self.entering = np.where(depth > 0, -np.expm1(-solid) / solid, 1.0)
        """Mean over the depth of what the way in leaves, (ny, nx)."""

    def _depths(self, energies_ev: Sequence[float]) -> FloatArray:
        """Optical depth along the beam at each energy, (n, ny, nx)."""
        depths = np.zeros((len(energies_ev), *self._thickness_cm.shape))
        for name, mass in self._masses.items():
            depths += mass_attenuation_cm2_g(name, energies_ev)[:, None, None] * mass
        return depths

    def leaving(self, energies_ev: Sequence[float]) -> FloatArray:
        """Return what the way out towards larger x leaves at each energy, (n, ny, nx).

        Light made in a column of thickness t meets one of thickness t' with the part min(t, t') / t of it,
        and half of its own. It takes ny nx^2 steps: ask for all energies at once.
        """
        depths, thickness = self._depths(energies_ev), self._thickness_cm
        per_cm = np.where(thickness > 0, depths / np.where(thickness > 0, thickness, 1.0), 0.0)
        left = np.ones_like(depths)
        for row, t in enumerate(thickness):
            met = np.triu(np.minimum(t[:, None], t)) / np.where(t > 0, t, 1.0)[:, None]
            np.fill_diagonal(met, np.where(t > 0, 0.5, 0.0))
            left[:, row] = np.exp(-self._pixel_cm * per_cm[:, row] @ met.T)
        return left
