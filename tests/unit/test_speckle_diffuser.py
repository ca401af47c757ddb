import math

import numpy as np
import pytest
from pixel_axes import axis
from scipy import ndimage

from xsn_acq.optics.materials import optical_constants
from xsn_acq.sim.speckle_diffuser import SandpaperDiffuser
from xsn_acq.sim.speckle_imaging import SpeckleOptics, speckle_image

ENERGY_EV = 10_000.0
DIFFUSER = SandpaperDiffuser()
OPTICS = SpeckleOptics().with_lengths(3.48, 4.31, 0.65)


def seen(x, y, at_um=(0.0, 0.0)):
    return speckle_image(OPTICS, x, y, diffuser=lambda a, b: DIFFUSER.projected(ENERGY_EV, a, b, at_um))


def test_speckle_is_as_strong_as_in_practice():
    x = axis(160, 0.65)
    image = seen(x, x)
    assert 0.1 < image.std() / image.mean() < 0.3
    delta, beta = DIFFUSER.projected(ENERGY_EV, x, x)
    k = 2 * math.pi / 1.239841984e-10
    # what the grains absorb; light comes and goes over the border of 100 um: a third of a per cent
    assert image.mean() == pytest.approx(np.exp(-2 * k * beta.astype(float)).mean(), rel=5e-3)
    grain = optical_constants("SiC", 3.21, ENERGY_EV)
    assert beta[beta > 0] / delta[beta > 0] == pytest.approx(grain.beta / grain.delta, rel=1e-5)
    # four sheets, each 0.6 grains of a mean chord of 3.4 um, some 1000 grains in the field: 4 % of chance
    assert k * delta.mean() == pytest.approx(0.34 * 4 * 0.6 * 3.4, rel=0.15)


@pytest.mark.parametrize("pixels", [3.0, 2.4])
def test_speckle_moves_with_the_diffuser(pixels):
    x, y = axis(80, 0.65), axis(60, 0.65)
    here, there = seen(x, y), seen(x, y, (0.65 * pixels, -0.65 * pixels))
    moved = ndimage.shift(here.astype(float), (-pixels, pixels), order=5, mode="nearest")
    inner = np.s_[8:-8, 8:-8]
    # splines between pixels, and rims of grains on another grid: under the photon noise of 0.7 %
    assert np.sqrt(np.mean((there - moved)[inner] ** 2)) < 5e-3
    assert np.abs(there - here).max() > 0.5


def test_beyond_its_edge_there_is_nothing():
    x = axis(40, 0.65)
    assert np.array_equal(DIFFUSER.projected(ENERGY_EV, x, x, (-11_000.0, 0.0))[0], np.zeros((40, 40)))
    edge = DIFFUSER.projected(ENERGY_EV, x, x, (-10_000.0, 0.0))[0]
    assert not edge[:, 20:].any()
    assert edge[:, :20].any()


def test_positions_and_seeds_are_other_grains_and_the_same_are_the_same():
    x = axis(60, 0.65)
    here = DIFFUSER.projected(ENERGY_EV, x, x)[0]
    assert np.array_equal(SandpaperDiffuser().projected(ENERGY_EV, x, x)[0], here)
    for other in (
        SandpaperDiffuser(seed=5).projected(ENERGY_EV, x, x)[0],
        DIFFUSER.projected(ENERGY_EV, x, x, (200.0, 0.0))[0],
    ):
        # some 100 grains
        assert abs(np.corrcoef(here.ravel(), other.ravel())[0, 1]) < 0.3
