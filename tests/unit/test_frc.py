"""Ring correlation of known signal and noise."""

import numpy as np
import pytest

from xsn_acq.analysis.frc import FrcCurve, fourier_ring_correlation, resolution
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
