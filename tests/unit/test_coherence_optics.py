"""Transfer of partial coherence; the truth is blurring in real space and the paper's numbers."""

import math

import numpy as np
import pytest
from scipy import ndimage

from xsn_acq.optics.coherence import (
    CoherenceLengths,
    intensity_transfer,
    lengths_of_spread,
    pooled_lengths,
    resolution_m,
    sample_transfer,
)

PIXEL_M = 0.65e-6
LENGTHS = CoherenceLengths(3.5e-6, 5.2e-6)


def test_the_transfer_is_the_papers_point_spread_function():
    shape = (96, 80)
    y, x = ((np.arange(n) - n // 2) * PIXEL_M for n in shape)
    exponent = (x / LENGTHS.x_m) ** 2 + (y[:, None] / LENGTHS.y_m) ** 2
    spread = 2 / (LENGTHS.x_m * LENGTHS.y_m) * np.exp(-2 * np.pi * exponent)  # Eq. 4
    wanted = np.fft.fft2(np.fft.ifftshift(spread)).real * PIXEL_M**2
    found = intensity_transfer(shape, PIXEL_M, LENGTHS)
    np.testing.assert_allclose(found, wanted, atol=1e-4)  # what sampling folds back at Nyquist
    assert found[0, 0] == 1


def test_white_speckle_gets_the_autocorrelation_of_siegert():
    image = np.random.default_rng(0).standard_normal((512, 512))
    x, y = LENGTHS.spread_m
    blurred = ndimage.gaussian_filter(image, (y / PIXEL_M, x / PIXEL_M), mode="wrap", truncate=6)
    correlation = np.fft.ifft2(np.abs(np.fft.fft2(blurred)) ** 2).real
    correlation /= correlation[0, 0]
    for along, length in ((correlation[0, :8], LENGTHS.x_m), (correlation[:8, 0], LENGTHS.y_m)):
        wanted = np.exp(-np.pi * (np.arange(8) * PIXEL_M / length) ** 2)
        np.testing.assert_allclose(along, wanted, atol=0.04)  # 512^2 / 40 independent speckles: 1 %, 4 sigma


def test_the_sample_transfer_falls_to_a_tenth_at_the_resolution():
    equal = CoherenceLengths(3.48e-6, 3.48e-6)
    shape = (64, 2048)
    transfer = sample_transfer(shape, PIXEL_M, equal)[0, : shape[1] // 2]
    frequency = np.interp(-0.1, -transfer, np.arange(shape[1] // 2) / (shape[1] * PIXEL_M))
    assert resolution_m(equal) == pytest.approx(1 / (2 * frequency), rel=1e-3)  # linear between frequencies
    # four times the modes measured leave half the band
    twice = sample_transfer(shape, PIXEL_M, equal, 4.0)[0, 50]
    assert twice == pytest.approx(sample_transfer(shape, PIXEL_M, equal)[0, 100], rel=1e-12)


def test_the_papers_lengths():
    # Fig. S2: 1.34 and 1.66 um at 0.385 x_coh, 1.51 um together; with the root of ln 10 in its place 2.29 um
    paper = CoherenceLengths(1.34e-6 / 0.385, 1.66e-6 / 0.385)
    assert resolution_m(paper) == pytest.approx(1.51e-6 * math.sqrt(math.log(10)), rel=0.005)  # three digits


def test_pooled_pixels_blur_more():
    # a point, blurred in real space and pooled: its variance is that of the Gaussian and of both pixels
    parts, times = 8, 3
    x = LENGTHS.spread_m[0] / PIXEL_M * parts
    line = ndimage.gaussian_filter1d(np.eye(1, 40 * 24, 480)[0], x, truncate=8)
    single, several = (ndimage.uniform_filter1d(line, n) for n in (parts, parts * times))
    place = np.arange(line.size) - 480
    widths = [
        math.sqrt(each @ place**2 - (each @ place) ** 2) / parts * PIXEL_M for each in (single, several)
    ]
    before, after = (lengths_of_spread(width, width) for width in widths)
    assert pooled_lengths(before, PIXEL_M, times).x_m == pytest.approx(after.x_m, rel=2e-3)  # steps of 1/8


def test_spread_and_length_are_inverse():
    assert lengths_of_spread(*LENGTHS.spread_m).y_m == pytest.approx(LENGTHS.y_m, rel=1e-12)


@pytest.mark.parametrize("wrong", [0.0, -1e-6, math.nan, math.inf])
def test_impossible_lengths_are_refused(wrong):
    with pytest.raises(ValueError, match="wanted values above 0"):
        CoherenceLengths(wrong, 1e-6)
    with pytest.raises(ValueError, match="oversampling above 0"):
        sample_transfer((8, 8), PIXEL_M, LENGTHS, wrong)
