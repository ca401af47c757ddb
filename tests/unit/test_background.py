"""Background of slices; the truth is the discs and the surface that were drawn."""

import numpy as np
import pytest
from scipy import ndimage

from xsn_acq.analysis.background import find_air, flattened, quadratic_background
from xsn_acq.errors import ReconstructionError

SIDE = 192
DELTA = 4.8e-6
"""Of glass at 10 keV."""


def places():
    z, x = np.meshgrid(*2 * [(np.arange(SIDE) - 0.5 * (SIDE - 1)) / (SIDE / 2)], indexing="ij")
    return z, x


def discs(wood=0.15):
    """Glass with a void beside a soft stick, in a field that is half empty."""
    z, x = places()
    sample = np.zeros((SIDE, SIDE))
    sample[np.hypot(x + 0.1, z) < 0.5] = wood * DELTA
    for cx, cz, radius, value in ((0.55, 0.2, 0.18, 1), (0.1, -0.62, 0.13, 1), (0.56, 0.22, 0.06, 0)):
        sample[np.hypot(x - cx, z - cz) < radius] = value * DELTA
    return ndimage.gaussian_filter(sample, 1.5)


def bowl(depth=0.3):
    z, x = places()
    return DELTA * depth * (0.2 + 0.3 * x - 0.1 * z - 0.8 * x**2 - 0.5 * z**2 + 0.2 * x * z)


def noise(level=0.04, seed=0):
    """Noise of back-projection: no slow part."""
    white = np.random.default_rng(seed).standard_normal((SIDE, SIDE))
    return level * DELTA * (white - ndimage.gaussian_filter(white, 6))


def patches(image, where):
    """Means of 16 x 16 pixels that lie in ``where`` for three quarters or more."""
    shape = (SIDE // 16, 16, SIDE // 16, 16)
    number = where.reshape(shape).sum((1, 3))
    total = np.where(where, image, 0).reshape(shape).sum((1, 3))
    return total[number > 192] / number[number > 192]


@pytest.mark.parametrize("depth", [0.0, 0.3, -0.5])
def test_the_background_is_flat_within_two_percent_and_the_sample_stays(depth):
    truth = discs()
    found = flattened(truth + bowl(depth) + noise())
    z, x = places()
    air = (truth < 1e-3 * DELTA) & (np.hypot(z, x) < 0.97)
    assert np.abs(patches(found, air)).max() < 0.02 * DELTA  # the bar
    for value in (0.15, 1.0):
        inside = ndimage.binary_erosion(np.abs(truth - value * DELTA) < 1e-3 * DELTA, iterations=2)
        assert found[inside].mean() == pytest.approx(value * DELTA, abs=0.01 * DELTA)


def test_air_is_air():
    truth = discs()
    air = find_air(truth + bowl() + noise())
    z, x = places()
    real = (truth < 1e-3 * DELTA) & (np.hypot(z, x) < 0.97)
    assert np.mean(truth[air] > 0.02 * DELTA) < 1e-3
    assert np.sum(air & real) > 0.75 * np.sum(real)  # rims of three pixels are left out


def test_a_slice_of_air_becomes_nothing():
    found = flattened(bowl() + noise())
    z, x = places()
    assert np.abs(patches(found, np.hypot(z, x) < 0.97)).max() < 0.005 * DELTA  # the noise of 256 pixels


def test_air_that_is_known_is_taken():
    truth, given = discs(), np.zeros((SIDE, SIDE), bool)
    given[:20, 60:120] = given[-20:, 60:120] = given[60:120, :12] = True
    image = (truth + bowl()).astype(np.float32)
    found = flattened(image, given)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, truth, atol=1e-3 * DELTA)  # without noise; the blurred sample's tails
    np.testing.assert_allclose(quadratic_background(bowl(), given), bowl(), atol=1e-9 * DELTA)


def test_a_sample_beyond_the_field_is_refused():
    x = places()[1]
    stick = np.where(np.abs(x - 0.1) < 0.75, DELTA, 0.0)  # from border to border
    with pytest.raises(ReconstructionError, match="outermost ring"):
        find_air(stick + noise(0.01))
    with pytest.raises(ReconstructionError, match="wanted a slice and its air"):
        quadratic_background(stick, np.zeros((SIDE, SIDE), bool))
