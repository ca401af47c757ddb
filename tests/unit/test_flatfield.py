"""Flat correction and centring."""

import numpy as np
import pytest

from xsn_acq.analysis.flatfield import Repair, bad_pixels, frame_noise, mean_frame, normalise
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


def test_odd_pixels_are_found_and_filled():
    rng = np.random.default_rng(5)
    light = 1000 * (1 + 0.03 * rng.standard_normal((40, 50)))
    dark = 100 + rng.standard_normal((40, 50))
    truth = 1 - 0.3 * np.exp(-((np.arange(50) - 25) ** 2) / 200) * np.ones((40, 1))
    dead, hot, dull = (5, 6), (20, 25), (30, 31)
    light[dead], light[dull] = 0, 400
    dark[hot] += 2000
    light[12:14, 40:42] = 0  # a cluster
    mask = bad_pixels(dark, dark + light)
    assert sorted(zip(*np.nonzero(mask), strict=True)) == sorted(
        [dead, hot, dull, (12, 40), (12, 41), (13, 40), (13, 41)]
    )
    image = normalise(dark + light * truth, dark, dark + light)
    image[mask] = 50
    repaired = Repair(mask)(image)
    assert Repair(mask).count == 7
    np.testing.assert_allclose(repaired, truth, atol=0.01)  # the truth is flat to 1 % over the window of 5
    np.testing.assert_array_equal(repaired[~mask], image[~mask])


def test_nothing_bad_changes_nothing():
    image = np.ones((4, 5), np.float32)
    assert Repair(np.zeros((4, 5), bool))(image) is image
    assert Repair(np.ones((4, 5), bool))(image) is image


def test_noise_is_that_of_the_photons_whatever_the_pattern():
    rng = np.random.default_rng(6)
    pattern = 2000 * (1 + 0.2 * rng.standard_normal((200, 200)).clip(-2, 2))
    first, second = (rng.poisson(pattern * gain) + 100.0 for gain in (1.0, 0.97))
    first[::20, ::20] = 60000  # hot pixels
    # the ratio of two counts and its median deviation: per cents for 40000 pixels of 1200 to 2800 photons
    assert frame_noise(first, second, np.full((200, 200), 100.0)) == pytest.approx(2000**-0.5, rel=0.05)
    with pytest.raises(ReconstructionError, match="shutter"):
        frame_noise(np.zeros((4, 4)), np.zeros((4, 4)), np.ones((4, 4)))
