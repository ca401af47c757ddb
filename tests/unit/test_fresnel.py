"""Free space; the truth is the closed form of a Gaussian beam."""

import numpy as np
import pytest

from xsn_acq.errors import ConfigError
from xsn_acq.optics.fresnel import transfer

PIXEL_M, WAVELENGTH_M = 0.5e-6, 1.24e-10


def test_a_gaussian_beam_spreads_as_in_the_textbook():
    y, x = ((np.arange(n) - n // 2) * PIXEL_M for n in (96, 128))
    waist, distance = 3e-6, 0.3
    wave = np.exp(-(x**2 + y[:, None] ** 2) / waist**2)
    there = np.fft.ifft2(transfer((96, 128), PIXEL_M, WAVELENGTH_M, distance) * np.fft.fft2(wave))
    reach = np.pi * waist**2 / WAVELENGTH_M
    wide = waist * np.hypot(1, distance / reach)
    curved = np.pi * distance / (WAVELENGTH_M * (distance**2 + reach**2))
    square = x**2 + y[:, None] ** 2
    wanted = waist / wide * np.exp(-square / wide**2 + 1j * (curved * square - np.arctan(distance / reach)))
    np.testing.assert_allclose(there, wanted, atol=1e-6)  # what the tails beyond the field wrap round


def test_there_and_back_is_the_same_wave():
    there, back = (transfer((8, 9), PIXEL_M, WAVELENGTH_M, distance) for distance in (0.02, -0.02))
    np.testing.assert_allclose(there * back, 1, atol=1e-14)
    assert there[0, 0] == 1


@pytest.mark.parametrize(
    ("values", "said"),
    [((0, 1e-10, 1), "pixel_m"), ((1, 0, 1), "wavelength_m"), ((1, 1, np.nan), "distance")],
)
def test_what_cannot_be_is_refused(values, said):
    with pytest.raises(ConfigError, match=said):
        transfer((4, 4), *values)
