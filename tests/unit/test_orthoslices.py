"""Slices that grow equal those of the whole volume."""

import numpy as np
import pytest

from xsn_acq.analysis.orthoslices import Orthoslices
from xsn_acq.analysis.tomography import FilteredBackProjection
from xsn_acq.errors import ReconstructionError


def blob_projections(theta, ny, nx):
    """Smooth blobs, analytic: a Gaussian's projection is a Gaussian."""
    y = (np.arange(ny) - 0.5 * (ny - 1))[:, None]
    t = np.arange(nx) - 0.5 * (nx - 1)
    stack = np.zeros((theta.size, ny, nx))
    for x0, y0, z0, width in ((5.0, -2.0, 8.0, 2.5), (-9.0, 1.0, -3.0, 4.0)):
        centre = (x0 * np.cos(theta) + z0 * np.sin(theta))[:, None, None]
        stack += np.exp(-((t - centre) ** 2 + (y - y0) ** 2) / (2 * width**2))
    return stack


@pytest.mark.parametrize("nx", [48, 49])
@pytest.mark.parametrize("kind", ["real", "complex"])
def test_streamed_slices_are_those_of_the_volume(nx, kind):
    ny = 12
    theta = np.arange(150) * np.pi / 150
    stack = blob_projections(theta, ny, nx)
    if kind == "complex":
        stack = stack + 1j * stack[:, ::-1]
    slices = Orthoslices((ny, nx))
    order = np.random.default_rng(0).permutation(theta.size)
    for turn, i in enumerate(order):
        slices.push(theta[i], stack[i])
        if turn == 70:
            slices.value()  # looking changes nothing
    found = slices.value()
    whole = FilteredBackProjection(nx, theta).slices(stack)
    wanted = {"xz": whole[ny // 2], "xy": whole[:, nx // 2, :], "zy": whole[:, :, nx // 2]}
    for plane, image in wanted.items():
        assert found[plane].dtype == image.dtype
        # two transforms, each asked for 1e-4
        assert np.abs(found[plane] - image).max() < 3e-4 * np.abs(whole).max(), plane


def test_few_angles_have_the_right_scale():
    theta = np.arange(150) * np.pi / 150
    stack = blob_projections(theta, 8, 48)
    whole, half = Orthoslices((8, 48)), Orthoslices((8, 48))
    for i in range(150):
        whole.push(theta[i], stack[i])
        if i % 2:
            half.push(theta[i], stack[i])
    # half the angles, the same object: normalised by the number so far
    wanted = whole.value()["xz"]
    np.testing.assert_allclose(half.value()["xz"], wanted, atol=5e-3 * wanted.max())


def test_clear_forgets_and_empty_is_zero():
    slices = Orthoslices((4, 16))
    assert not slices.value()["zy"].any()
    slices.push(0.1, np.ones((4, 16)) * 1j)
    slices.clear()
    assert slices.count == 0
    assert not slices.value()["xy"].any()
    assert slices.value()["xy"].dtype == np.float32


def test_a_wrong_shape_is_refused():
    with pytest.raises(ReconstructionError, match="wanted a projection"):
        Orthoslices((4, 16)).push(0.0, np.ones((4, 15)))
