"""Slopes of known functions, and the functions from them."""

import numpy as np

from xsn_acq.analysis.slopes import derivative, integrated


def grid(count):
    """Pixels from the middle, (count,), and as a column."""
    x = np.arange(count) - 0.5 * (count - 1)
    return x[:, None], x


def test_a_slope_is_that_of_the_function():
    y, x = grid(48)
    wave = np.cos(np.pi * (x + 24) * 8 / 48) * np.cos(np.pi * (y + 24) * 3 / 48)  # even at the borders
    slope = -np.pi * 8 / 48 * np.sin(np.pi * (x + 24) * 8 / 48) * np.cos(np.pi * (y + 24) * 3 / 48)
    np.testing.assert_allclose(derivative(wave, -1), slope, atol=1e-12)  # exact for what fits the mirror
    np.testing.assert_allclose(derivative(wave.T, 0), slope.T, atol=1e-12)


def test_slopes_are_integrated_whatever_the_borders():
    y, x = (each / 20 for each in grid(64))
    image = np.sin(1.3 * x) + 0.5 * y * x + 0.3 * y**2
    slope_y, slope_x = (0.5 * x + 0.6 * y) / 20, (1.3 * np.cos(1.3 * x) + 0.5 * y) / 20
    found = integrated(slope_y, slope_x)
    # a slope that does not end at 0 makes a kink in the mirror: half a percent of the range
    assert np.std(found - (image - image.mean())) < 0.01 * np.ptp(image)
