"""Scores of images whose score is known."""

import math

import numpy as np
import pytest

from xsn_acq.analysis.nxsci.scores import (
    TRUTH_THRESHOLD,
    element_correlations,
    map_resolution,
    pixel_limit_m,
    psnr,
    ssim,
)
from xsn_acq.errors import ReconstructionError


def test_decibel_of_a_known_error():
    true = np.array([[0.0, 2.0], [1.0, 1.0]])
    # peak 2, error 0.2 everywhere: 20 log10(10)
    assert psnr(true + 0.2, true) == pytest.approx(20.0)
    assert psnr(true, true) == np.inf
    with pytest.raises(ReconstructionError, match="two images of one shape"):
        psnr(true, true[:1])


def test_an_image_is_like_itself():
    rng = np.random.default_rng(0)
    true = rng.standard_normal((40, 40))
    assert ssim(true, true) == pytest.approx(1.0)
    assert ssim(-true, true) < 0.5


def test_structural_similarity_window_by_window():
    rng = np.random.default_rng(1)
    a, b = rng.uniform(size=(2, 11, 11))
    at = np.arange(-5, 6)
    window = np.exp(-0.5 * (at[:, None] ** 2 + at**2) / 1.5**2)
    window /= window.sum()
    mean_a, mean_b = np.sum(window * a), np.sum(window * b)
    var_a, var_b = np.sum(window * (a - mean_a) ** 2), np.sum(window * (b - mean_b) ** 2)
    both = np.sum(window * (a - mean_a) * (b - mean_b))
    c1, c2 = (0.01 * np.ptp(b)) ** 2, (0.03 * np.ptp(b)) ** 2
    wanted = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    wanted /= (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    assert ssim(a, b) == pytest.approx(wanted, rel=1e-9)


def test_resolution_at_a_seventh():
    rng = np.random.default_rng(2)
    radius = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128))
    signal = np.fft.ifft2(np.fft.fft2(rng.standard_normal((128, 128))) * (radius < 0.25)).real
    a, b = signal + 0.05 * rng.standard_normal((2, 128, 128))
    # 4 pixels of 50 nm; a ring is 6 % of the cut, and the crossing lies between two
    assert map_resolution(a, b, 50e-9) == pytest.approx(200e-9, rel=0.1)


def test_resolution_against_the_truth_is_that_between_halves():
    """At its own threshold; at 1/7 the same image would look finer than it is."""
    rng = np.random.default_rng(4)
    radius = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256))
    signal = np.fft.ifft2(np.fft.fft2(rng.standard_normal((256, 256))) * np.exp(-((radius / 0.15) ** 2))).real
    a, b = signal + 0.2 * rng.standard_normal((2, 256, 256))
    halves = map_resolution(a, b, 1.0)
    # a ring of 400 pixels tells a correlation to 0.05: the curve falls by that in 4 % of the frequency
    assert map_resolution((a + b) / 2, signal, 1.0, threshold=TRUTH_THRESHOLD) == pytest.approx(
        halves, rel=0.08
    )
    assert map_resolution((a + b) / 2, signal, 1.0) < 0.92 * halves


def test_no_pixel_tells_how_elements_go_together():
    assert np.isnan(element_correlations(np.ones((2, 4, 4)), np.zeros((4, 4), bool))).all()


def test_images_that_agree_everywhere_are_limited_by_their_pixels():
    image = np.random.default_rng(2).standard_normal((64, 64))
    assert math.isnan(map_resolution(image, image, 50e-9))
    assert pixel_limit_m(50e-9) == 100e-9


def test_elements_that_go_together_and_those_that_do_not():
    rng = np.random.default_rng(3)
    first = rng.standard_normal((30, 30))
    maps = np.array([first, 2 * first + 5, -first, rng.standard_normal((30, 30)), np.ones((30, 30))])
    found = element_correlations(maps)
    np.testing.assert_allclose(found[0, :3], [1, 1, -1], atol=1e-9)
    # 900 pixels: 1/30
    assert abs(found[0, 3]) < 0.15
    assert np.isnan(found[0, 4])
    inside = np.zeros((30, 30), bool)
    inside[:10] = True
    np.testing.assert_allclose(element_correlations(maps, inside), element_correlations(maps[:, :10]))
