"""Shells of the graded cathode particle: means over them in a volume, and what these are in truth.

Shells are hardly thicker than what is resolved, so that means are compared with those of the truth blurred as
the microscope blurs. How much that is, the phase tells: the oxide's delta is nearly uniform, and the width of
its step to air is fitted.
"""

import numpy as np
from scipy import ndimage, optimize

from xsn_acq.sim.near_edge import near_edge_constants
from xsn_acq.units import UM

CENTRE_UM = (0.2, 0.05, -0.15)
RADIUS_UM = 2.4
REACH_UM = RADIUS_UM + 0.4
"""Half side of the cube that is looked at: the blur reaches 0.2 um from the surface."""
PARTS = 2
"""The truth is drawn on a grid so many times finer: its voxels are 20 nm, a third of the blur."""


def shell_means(volume, pixel_size_m, radii_um):
    """Mean of a volume (y, z, x) between each two radii about the particle's centre."""
    box = _box(volume.shape, pixel_size_m)
    return _means(volume[box], _distance_um(volume.shape, pixel_size_m, box), radii_um)


class TrueShells:
    """The particle on the grid of a volume, blurred as that volume's delta is.

    Parameters
    ----------
    phantom : Phantom
    delta : (ny, nz, nx)
        Measured.
    pixel_size_m, energy_ev : float
        Of the volume.
    """

    def __init__(self, phantom, delta, pixel_size_m, energy_ev):
        self._materials = phantom.materials
        box = _box(delta.shape, pixel_size_m)
        self._distance_um = _distance_um(delta.shape, pixel_size_m, box)
        fractions = _fractions(phantom, delta.shape, pixel_size_m, box)
        constants = self._constants("delta", energy_ev).astype(np.float32)
        sigma = self._blur(np.tensordot(constants, fractions, 1), delta[box])
        self._fractions = [ndimage.gaussian_filter(each, sigma) for each in fractions]
        self.fwhm_m = 2.3548 * sigma * pixel_size_m

    def _blur(self, true, measured):
        """Standard deviation, voxels, of the Gaussian that makes the true delta look as measured."""
        rim = np.abs(self._distance_um - RADIUS_UM) < 0.15

        def misfit(sigma):
            return float(((ndimage.gaussian_filter(true, sigma) - measured)[rim] ** 2).sum())

        return optimize.minimize_scalar(
            misfit, bounds=(0.3, 2.5), method="bounded", options={"xatol": 0.02}
        ).x

    def weights(self, radii_um):
        """How much of each material is in each shell, (shells, materials)."""
        return np.stack([_means(each, self._distance_um, radii_um) for each in self._fractions], axis=1)

    def spectra(self, quantity, energies_ev, radii_um):
        """Mean delta or beta in each shell, (energies, shells), for light of one energy."""
        constants = np.stack([self._constants(quantity, energy) for energy in energies_ev])
        return constants @ self.weights(radii_um).T

    def _constants(self, quantity, energy_ev):
        return np.array([_constant(each, quantity, energy_ev) for each in self._materials])


def _constant(material, quantity, energy_ev):
    if not material.formula:
        return 0.0
    found = near_edge_constants(material.formula, material.density_g_cm3, material.near_edge, energy_ev)
    return getattr(found, quantity)


def _fractions(phantom, shape, pixel_size_m, box):
    """Fraction of each voxel of the box that each material fills, (materials, y, z, x)."""
    lines = _lines_um(tuple(PARTS * n for n in shape), pixel_size_m / PARTS)
    y, z, x = (line[PARTS * part.start : PARTS * part.stop] for line, part in zip(lines, box, strict=True))
    labels = phantom.labels(x[None, None, :], y[:, None, None], z[None, :, None])
    ny, nz, nx = (n // PARTS for n in labels.shape)
    labels = labels.reshape(ny, PARTS, nz, PARTS, nx, PARTS)
    each = range(len(phantom.materials))
    return np.stack([(labels == number).mean(axis=(1, 3, 5), dtype=np.float32) for number in each])


def _means(values, distance_um, radii_um):
    return ndimage.mean(values, np.digitize(distance_um, radii_um), np.arange(1, len(radii_um)))


def _box(shape, pixel_size_m):
    """Part of a volume (y, z, x) about the particle."""
    x0, y0, z0 = CENTRE_UM
    return tuple(
        slice(*(int(i) for i in np.searchsorted(line, [at - REACH_UM, at + REACH_UM])))
        for line, at in zip(_lines_um(shape, pixel_size_m), (y0, z0, x0), strict=True)
    )


def _lines_um(shape, pixel_size_m):
    """Coordinates of voxels along y, z and x."""
    return [(np.arange(n) - 0.5 * (n - 1)) * pixel_size_m / UM for n in shape]


def _distance_um(shape, pixel_size_m, box):
    x0, y0, z0 = CENTRE_UM
    y, z, x = (line[part] for line, part in zip(_lines_um(shape, pixel_size_m), box, strict=True))
    return np.sqrt((x - x0) ** 2 + (y[:, None, None] - y0) ** 2 + (z[:, None] - z0) ** 2)
