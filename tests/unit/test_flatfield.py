"""Flat correction and centring."""

import numpy as np
import pytest

from xsn_acq.analysis.flatfield import mean_frame, normalise
from xsn_acq.analysis.shift import centre_on_axis, shift_columns
from xsn_acq.errors import ReconstructionError


def test_a_flat_becomes_the_background():
    rng = np.random.default_rng(0)
    flat = rng.uniform(500, 900, (8, 12))
    dark = np.full((8, 12), 100)
    frames = np.stack([flat, 0.5 * (flat - dark) + dark]).astype(np.uint16)
    found = normalise(frames, dark, frames[0], background=0.5)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], 0.5, rtol=1e-6)
    np.testing.assert_allclose(found[1], 0.25, atol=0.5 / 400)  # counts are integers


def test_dark_counts_above_a_frame_do_not_wrap():
    found = normalise(np.full((2, 2), 90, np.uint16), np.full((2, 2), 100), np.full((2, 2), 200))
    np.testing.assert_allclose(found, -0.1, rtol=1e-6)


def test_pixels_without_light_read_background():
    flat = np.full((4, 4), 200.0)
    flat[1, 2] = 100
    found = normalise(np.full((3, 4, 4), 150.0), np.full((4, 4), 100.0), flat, background=0.6)
    np.testing.assert_array_equal(found[:, 1, 2], np.full(3, 0.6, np.float32))
    np.testing.assert_allclose(found[:, 0, 0], 0.3, rtol=1e-6)


def test_air_at_the_borders_takes_out_what_the_beam_did():
    x = np.arange(64)
    truth = np.where(np.abs(x - 31.5) < 12, 0.3, 0.5) * np.ones((16, 1))
    beam = 0.8 + 0.1 * x / 63
    found = normalise(
        truth * beam * 1000, np.zeros((16, 64)), np.full((16, 64), 1000.0), background=0.5, air_columns=4
    )
    np.testing.assert_allclose(found, truth, rtol=1e-5)  # float32


@pytest.mark.parametrize(
    ("frame", "flat", "fault"), [((4, 4), (4, 5), "must agree"), ((4, 5), (4, 5), "shutter open")]
)
def test_what_cannot_be_corrected_is_said(frame, flat, fault):
    with pytest.raises(ReconstructionError, match=fault):
        normalise(np.ones(frame), np.ones(flat), np.ones(flat))


def test_mean_of_a_stack():
    stack = np.random.default_rng(1).integers(0, 65535, (5, 3, 4)).astype(np.uint16)
    np.testing.assert_allclose(mean_frame(stack), stack.astype(float).mean(0), rtol=1e-6)
    with pytest.raises(ReconstructionError, match="one or more frames"):
        mean_frame(np.empty((0, 3, 4)))


@pytest.mark.parametrize("nx", [96, 97])
@pytest.mark.parametrize("moved", [-3.3, 0.25, 7.0])
def test_the_axis_comes_to_the_centre(nx, moved):
    def hump(centre):
        return 0.55 - 0.3 * np.exp(-((np.arange(nx) - centre) ** 2) / (2 * 4.0**2)) * np.ones((3, 1))

    axis = 0.5 * (nx - 1) + moved
    found = centre_on_axis(hump(axis + 5).astype(np.float32), axis)
    assert found.dtype == np.float32
    # a Gaussian is band-limited to better than float32
    np.testing.assert_allclose(found, hump(0.5 * (nx - 1) + 5), atol=1e-6)


def test_air_stays_flat_and_a_slope_does_not_ring():
    air = np.full((2, 50), 0.5)
    np.testing.assert_allclose(shift_columns(air, 2.7), 0.5, atol=1e-12)
    slope = 0.5 + 0.01 * np.arange(50.0)[None]
    inner = shift_columns(slope, 1.5)[:, 8:-8]
    # a periodic shift would jump by half the range at the borders; the even continuation only bends there
    np.testing.assert_allclose(inner, slope[:, 8:-8] - 0.015, atol=1e-3)
