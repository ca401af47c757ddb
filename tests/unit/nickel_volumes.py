"""Two reconstructions of one particle on both sides of the Ni edge, as files: made of values."""

import json

import h5py
import numpy as np
import xraydb
from scipy.special import erf

from xsn_acq.units import wavelength_m

ENERGIES_EV = (8326.0, 8366.0)
VOXEL_M = 60e-9
RADIUS_M = 0.8e-6
SHAPE = (36, 44, 44)
SHIFT_M = (0.07e-6, -0.11e-6, 0.05e-6)
"""How the sample stands in the second volume."""
FORMULA, DENSITY = "LiNi0.6Co0.24Mn0.16O2", 4.7
NOISE = 5e-8


def true_densities():
    """(Ni, Co + Mn) in g/cm3."""
    atoms = xraydb.chemparse(FORMULA)
    mass = {element: n * xraydb.atomic_mass(element) for element, n in atoms.items()}
    share = DENSITY / sum(mass.values())
    return mass["Ni"] * share, (mass["Co"] + mass["Mn"]) * share


def particle(voxel_m, shift_m=(0.0, 0.0, 0.0)):
    """Part of each voxel filled: a sphere with a dent, its surface blurred over 100 nm."""
    y, z, x = ((np.arange(n) - (n - 1) / 2) * voxel_m - s for n, s in zip(SHAPE, shift_m, strict=True))
    sigma = 100e-9 / 2.355 * np.sqrt(2)

    def ball(radius, at_y, at_x):
        far = np.sqrt((y[:, None, None] - at_y) ** 2 + z[:, None] ** 2 + (x - at_x) ** 2)
        return 0.5 * (1 - erf((far - radius) / sigma))

    return ball(RADIUS_M, 0.0, 0.0) * (1 - ball(0.3e-6, 0.5e-6, 0.6e-6))


def write_pair(folder, *, noise=NOISE):
    """Paths of both files, before and after the edge."""
    rng, paths = np.random.default_rng(3), []
    for energy, shift in zip(ENERGIES_EV, ((0.0, 0.0, 0.0), SHIFT_M), strict=True):
        voxel_m = VOXEL_M * energy / ENERGIES_EV[0]
        filled = particle(voxel_m, shift)
        constants = xraydb.xray_delta_beta(FORMULA, DENSITY, energy)[:2]
        paths.append(folder / f"{energy:.0f}.h5")
        with h5py.File(paths[-1], "w") as file:
            entry = file.create_group("entry")
            entry["source_run"] = f"{energy:.0f}" * 2
            known = {"pixel_size_m": voxel_m, "wavelength_m": wavelength_m(energy)}
            entry["process/parameters"] = json.dumps(known)
            for name, value in zip(("delta", "beta"), constants, strict=True):
                volume = (value * filled + noise * rng.standard_normal(SHAPE)).astype(np.float32)
                entry[f"{name}/{name}"] = volume
    return paths
