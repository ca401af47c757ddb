"""Patterns of the simulated structured light, and the camera's frames of them; few and small."""

from functools import lru_cache

import numpy as np
from pixel_axes import axis

from xsn_acq.sim.phantoms import phantom
from xsn_acq.sim.structured_imaging import TransmissionOptics, structured_image
from xsn_acq.sim.structured_light import LightPlaces, StructuredLight

PIXEL_UM = 0.1


def fresh_places(rng):
    return LightPlaces(9000.0, *rng.uniform(-9.0, 9.0, 4))


@lru_cache(maxsize=4)
def patterns(number, side, seed=0):
    """Light on pixels, without noise: (number, side, side), read only."""
    light, rng, x = StructuredLight(15.3, 5.0, 30.0), np.random.default_rng(seed), axis(side, PIXEL_UM)
    stack = np.array([light.illumination(fresh_places(rng), x, x) for _ in range(number)], float)
    stack.setflags(write=False)
    return stack


@lru_cache(maxsize=2)
def passes(number, side, photons, seed=0):
    """Frames without and with three cathodes, and by how much (rows, columns) the pattern moved."""
    light, rng, x = StructuredLight(15.3, 5.0, 30.0), np.random.default_rng(seed), axis(side, PIXEL_UM)
    optics = TransmissionOptics(9000.0, 30e-9, 0.06, photons / PIXEL_UM**2)
    sample, out, within, moved = phantom("three_cathodes"), [], [], rng.uniform(-1.5, 1.5, (number, 2))
    for shift in moved:
        places = fresh_places(rng)

        def lit(x_um, y_um, at=places):
            return light.illumination(at, x_um, y_um)

        off = (float(shift[1] * PIXEL_UM), float(shift[0] * PIXEL_UM))
        out.append(rng.poisson(structured_image(optics, lit, None, x, x, 1.0)))
        within.append(rng.poisson(structured_image(optics, lit, sample, x, x, 1.0, displaced_um=off)))
    return np.array(out, float), np.array(within, float), moved
