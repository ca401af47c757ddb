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


def frames(image, count=4, photons=20_000, seed=0):
    """Frames (count, ny, nx) with photon noise."""
    light = np.random.default_rng(seed).poisson(np.asarray(image, float) * photons, (count, *image.shape))
    return light / photons
