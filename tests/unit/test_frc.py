"""Ring correlation of known signal and noise."""

import numpy as np
import pytest

from xsn_acq.analysis.frc import (
    FrcCurve,
    fourier_ring_correlation,
    fourier_shell_correlation,
    reaches_nyquist,
    resolution,
    resolution_range,
    threshold_curve,
)
from xsn_acq.analysis.half_sets import voxel_noise
from xsn_acq.errors import ReconstructionError

PIXEL_M = 50e-9


def band_limited(rng, n, cut):
    """White noise up to ``cut`` cycles per pixel."""
    radius = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.fftfreq(n))
    return np.fft.ifft2(np.fft.fft2(rng.standard_normal((n, n))) * (radius <= cut)).real


def test_an_image_agrees_with_itself_up_to_nyquist():
    image = np.random.default_rng(0).standard_normal((64, 48))
    curve = fourier_ring_correlation(image, 3 * image + 7, PIXEL_M)
    np.testing.assert_allclose(curve.correlation, 1.0, rtol=1e-6)
    assert 0.95 < curve.frequency_per_m[-1] * 2 * PIXEL_M <= 1.0
    assert resolution(curve) == pytest.approx(2 * PIXEL_M, rel=0.05)


def test_noise_does_not_correlate():
    a, b = np.random.default_rng(1).standard_normal((2, 256, 256))
    curve = fourier_ring_correlation(a, b, PIXEL_M)
    # rings beyond the first few hold hundreds of coefficients: 5 / sqrt(200)
    assert np.abs(curve.correlation[8:]).max() < 0.35


def test_the_level_is_signal_over_signal_and_noise():
    rng = np.random.default_rng(2)
    signal, a, b = rng.standard_normal((3, 8, 128, 128))
    curve = fourier_ring_correlation(signal + a, signal + b, PIXEL_M)
    # equal powers of signal and noise: 1/2 (without the square root it would depend on the unit)
    assert curve.correlation[5:].mean() == pytest.approx(0.5, abs=0.02)


def test_the_resolution_is_where_the_signal_ends():
    rng = np.random.default_rng(3)
    cut = 0.3
    signal = band_limited(rng, 256, cut)
    a, b = signal + 0.05 * rng.standard_normal((2, 256, 256))
    # one ring of two bins either way
    assert resolution(fourier_ring_correlation(a, b, PIXEL_M)) == pytest.approx(PIXEL_M / cut, rel=0.04)


def test_the_crossing_is_interpolated():
    curve = FrcCurve(np.array([1e6, 2e6, 3e6]), np.array([1.0, 0.5, 0.0]))
    assert resolution(curve) == pytest.approx(1 / 2.5e6)
    assert resolution(curve, 1 / 7) == pytest.approx(1 / (2e6 + 1e6 * (0.5 - 1 / 7) / 0.5))
    assert resolution(FrcCurve(np.array([1e6, 2e6]), np.array([0.1, 0.0]))) == pytest.approx(1e-6)


def test_images_must_be_equal_in_shape():
    with pytest.raises(ReconstructionError, match="equal images"):
        fourier_ring_correlation(np.ones((16, 16)), np.ones((16, 17)), PIXEL_M)


def test_the_spread_of_a_ring_is_what_its_samples_say():
    rng = np.random.default_rng(4)
    draws = []
    for _ in range(150):
        a, b = 0.8 * rng.standard_normal((64, 64)) + rng.standard_normal((2, 64, 64))
        draws.append(fourier_ring_correlation(a, b, PIXEL_M))
    seen = np.std([curve.correlation for curve in draws], axis=0)
    told = np.mean([curve.sigma() for curve in draws], axis=0)
    # 150 draws: 6 % for a ring; the first rings hold a handful of samples
    np.testing.assert_allclose(seen[4:] / told[4:], 1, atol=0.25)
    assert np.mean(seen[4:] / told[4:]) == pytest.approx(1, abs=0.1)


def test_shells_of_a_volume():
    rng = np.random.default_rng(5)
    signal, a, b = rng.standard_normal((3, 32, 32, 32))
    curve = fourier_shell_correlation(signal + a, signal + b, PIXEL_M)
    mean = np.average(curve.correlation, weights=curve.samples)
    assert mean == pytest.approx(0.5, abs=3 * 0.75 / np.sqrt(curve.samples.sum()))
    # a shell's samples grow with the square of its radius
    ratio = curve.samples[7] / curve.samples[4]
    assert ratio == pytest.approx((curve.frequency_per_m[7] / curve.frequency_per_m[4]) ** 2, rel=0.1)
    with pytest.raises(ReconstructionError, match="8 x 8 x 8"):
        fourier_shell_correlation(a[0], b[0], PIXEL_M)


def test_curves_of_information():
    many = FrcCurve(np.array([1e6, 2e6]), np.array([0.5, 0.5]), np.array([1e12, 200.0]))
    # van Heel and Schatz: (0.2071 + 1.9102/root(n)) / (1.2071 + 0.9102/root(n)), and 1/3 for one bit
    half, one = (threshold_curve(many, name) for name in ("half-bit", "one-bit"))
    np.testing.assert_allclose(half, [0.2071 / 1.2071, (0.2071 + 0.19102) / (1.2071 + 0.09102)], rtol=1e-3)
    np.testing.assert_allclose(one, [1 / 3, (0.5 + 0.24142) / (1.5 + 0.14142)], rtol=1e-3)
    np.testing.assert_array_equal(threshold_curve(many, 1 / 7), [1 / 7, 1 / 7])
    with pytest.raises(ReconstructionError, match="number of samples"):
        threshold_curve(FrcCurve(many.frequency_per_m, many.correlation), "half-bit")


def test_the_resolution_is_where_a_known_transfer_meets_the_threshold():
    rng = np.random.default_rng(6)
    radius = np.hypot(np.fft.fftfreq(192)[:, None], np.fft.fftfreq(192))
    transfer = np.exp(-((radius / 0.2) ** 2) / 2)
    signal = np.fft.ifft2(np.fft.fft2(rng.standard_normal((12, 192, 192))) * transfer).real
    a, b = signal + 0.3 * rng.standard_normal((2, 12, 192, 192))
    curve = fourier_ring_correlation(a, b, PIXEL_M)
    for threshold, correlation in ((0.25, 0.25), (1 / 7, 1 / 7), ("half-bit", 0.2071 / 1.2071)):
        # FRC = S / (S + N), S = exp(-k^2 / 0.2^2), N = 0.09
        snr = correlation / (1 - correlation)
        cut = 0.2 * np.sqrt(-np.log(0.09 * snr))
        found = resolution(curve, threshold)
        assert found == pytest.approx(
            PIXEL_M / cut, rel=0.06
        )  # a ring is 2.6 % of the cut, and noise takes one
        finest, coarsest = resolution_range(curve, threshold)
        assert finest <= found <= coarsest < 1.2 * finest
    assert not reaches_nyquist(curve)
    assert reaches_nyquist(fourier_ring_correlation(a, a, PIXEL_M))


def test_noise_of_the_whole_from_its_halves():
    rng = np.random.default_rng(7)
    signal = rng.standard_normal((4, 64, 64))
    a, b = signal + 0.2 * rng.standard_normal((2, 4, 64, 64))
    # the mean of both has 0.2 / sqrt(2); 11000 voxels: 0.7 %
    assert voxel_noise(a, b) == pytest.approx(0.2 / np.sqrt(2), rel=0.03)
