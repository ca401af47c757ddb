"""The detector's blur: its transfer against closed forms, and taken out of images blurred in real space."""

import array_api_strict
import numpy as np
import pytest
from scipy import ndimage
from scipy.special import j0

from xsn_acq.analysis.deconvolution import Deconvolution, noise_to_signal
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.detector import detector_mtf, gaussian_mtf, scintillator_mtf

PIXEL_M, FWHM_M = 40e-9, 72e-9
CE_GAGG = {"refractive_index": 1.9, "wavelength_m": 0.53e-6, "numerical_aperture": 0.4}


def test_a_thin_scintillator_is_limited_by_diffraction():
    k = np.linspace(0, 1.6e6, 9)
    found = scintillator_mtf(k, thickness_m=1e-9, **CE_GAGG)
    q = np.minimum(k / (2 * 0.4 / 0.53e-6), 1)
    wanted = 2 / np.pi * (np.arccos(q) - q * np.sqrt(1 - q**2))  # Goodman, incoherent light, round pupil
    np.testing.assert_allclose(found, wanted, atol=1e-3)  # the pupil is sampled on 257 x 257 points


def test_the_papers_scintillator_is_72_nm_wide_at_the_sample():
    # point spread function as the Fourier-Bessel transform of the transfer; 20 um, 20x/0.4, magnification 9.7
    k = np.linspace(0, 1.52e6, 200)
    transfer = scintillator_mtf(k, thickness_m=20e-6, **CE_GAGG)
    radius = np.linspace(0, 1e-6, 401)
    spread = np.trapezoid(transfer * k * j0(2 * np.pi * k * radius[:, None]), k, axis=1)
    fwhm = 2 * radius[np.argmin(np.abs(spread / spread[0] - 0.5))]
    assert fwhm / 9.7 == pytest.approx(72e-9, rel=0.03)


def test_the_gaussian_has_its_width():
    x = np.arange(-512, 512) * 1e-9
    k = np.fft.fftfreq(x.size, 1e-9)
    spread = np.fft.fftshift(np.fft.ifft(gaussian_mtf(k, FWHM_M)).real)
    assert np.interp(FWHM_M / 2, x, spread) == pytest.approx(spread.max() / 2, rel=1e-3)  # 1 nm steps


def blurred(image, parts=8):
    """Blur a fine image (parts per pixel) in real space and pool it into pixels."""
    sigma = FWHM_M / 2.3548 / (PIXEL_M / parts)
    fine = ndimage.gaussian_filter(image, sigma, mode="wrap", truncate=6)
    ny, nx = (n // parts for n in image.shape)
    return fine.reshape(ny, parts, nx, parts).mean((1, 3))


def edge_width(profile):
    """Pixels from 20 to 80 % of an edge that rises along x."""
    x = np.arange(profile.size)
    return np.interp(0.8, profile, x) - np.interp(0.2, profile, x)


def test_an_edge_gets_steeper_and_its_sides_stay():
    fine = np.zeros((64, 1024))
    fine[:, 256:768] = 1.0
    image = blurred(fine)
    sharp = Deconvolution(image.shape, PIXEL_M, FWHM_M, noise=0.002)(image)
    before, after = (edge_width(some[4, 16:48]) for some in (image, sharp))
    assert after < 0.85 * before  # 0.7 of the blur is left, and the pixel
    np.testing.assert_allclose(sharp[4, 44:84], 1.0, atol=0.01)  # no ringing beyond a percent
    assert sharp.mean() == pytest.approx(image.mean(), rel=1e-6)  # float32


def test_noise_stays_bounded():
    rng = np.random.default_rng(0)
    image = 1 + 0.014 * rng.standard_normal((128, 128))
    sharp = Deconvolution(image.shape, PIXEL_M, FWHM_M, noise=0.014)(image)
    assert sharp.std() < 2 * image.std()
    assert noise_to_signal(0.1) > noise_to_signal(0.01) > noise_to_signal(0.0) > 0


def test_without_blur_only_the_pixel_is_taken_out():
    assert detector_mtf((8, 8), PIXEL_M, 0.0)[0, 4] == pytest.approx(2 / np.pi)


def test_another_array_library_gives_the_same():
    image = np.random.default_rng(1).random((16, 24), dtype=np.float32)
    wanted = Deconvolution(image.shape, PIXEL_M, FWHM_M, 0.01)(image)
    strict = Deconvolution(image.shape, PIXEL_M, FWHM_M, 0.01, xp=array_api_strict)
    found = np.from_dlpack(strict(array_api_strict.asarray(image)))
    np.testing.assert_allclose(found, wanted, atol=2e-6)  # float32 rounding


@pytest.mark.parametrize("fwhm", [-1e-9, np.inf, np.nan])
def test_an_impossible_blur_is_refused(fwhm):
    with pytest.raises(ReconstructionError, match="blur of 0 or more"):
        Deconvolution((8, 8), PIXEL_M, fwhm, 0.01)
