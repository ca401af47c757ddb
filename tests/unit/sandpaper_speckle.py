"""Reference speckle of the simulator's sandpaper, with photon noise."""

from functools import cache

import numpy as np
from pixel_axes import axis

from xsn_acq.sim.speckle_diffuser import SandpaperDiffuser
from xsn_acq.sim.speckle_imaging import SpeckleOptics, speckle_image

ENERGY_EV = 10_000.0
WAVELENGTH_M = 1.239841984e-10
DISTANCE_M = 20e-3
PIXEL_UM = 0.65
LENGTHS_UM = (3.48, 4.31)
OPTICS = SpeckleOptics().with_lengths(*LENGTHS_UM, PIXEL_UM)


@cache
def reference(seed=1, side=160, grain_um=6.0, at_um=(0.0, 0.0)):
    """Expected intensity (side, side), the flat is 1."""
    diffuser = SandpaperDiffuser(seed=1000 * seed, grain_um=grain_um)
    x = axis(side, PIXEL_UM)
    return speckle_image(OPTICS, x, x, diffuser=lambda a, b: diffuser.projected(ENERGY_EV, a, b, at_um))


def plates(x_um, y_um, width_um=5.0, cover=2.4, seed=3):
    """Thickness (ny, nx) in metres of rectangular plates with upright sides, dropped at random."""
    rng = np.random.default_rng(seed)
    step = x_um[1] - x_um[0]
    total = np.zeros((y_um.size, x_um.size))
    for _ in range(int(cover * total.size * step**2 / (0.7 * width_um**2))):
        size = width_um * np.exp(0.3 * rng.standard_normal()) * np.array([1.0, rng.uniform(0.4, 1.0)])
        at, turn = rng.uniform(0, total.shape), rng.uniform(0, np.pi)
        reach = int(np.ceil(0.5 * np.hypot(*size) / step))
        rows, columns = (slice(max(int(c) - reach, 0), int(c) + reach + 1) for c in at)
        dy = step * (np.arange(*rows.indices(total.shape[0])) - at[0])[:, None]
        dx = step * (np.arange(*columns.indices(total.shape[1])) - at[1])
        along, across = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
        inside = (np.abs(along) < size[0] / 2) & (np.abs(across) < size[1] / 2)
        total[rows, columns] += 1e-6 * rng.uniform(0.3, 0.6) * width_um * inside
    return total


def frames(image, count=4, photons=20_000, seed=0):
    """Frames (count, ny, nx) with photon noise."""
    light = np.random.default_rng(seed).poisson(np.asarray(image, float) * photons, (count, *image.shape))
    return light / photons
