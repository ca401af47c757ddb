"""Scintillator and camera: blur, sensor structure, noise, digits."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from xsn_acq.sim.illumination import smooth_noise
from xsn_acq.sim.microscope_truth import FullFieldTruth
from xsn_acq.sim.pooling import Array, pooled
from xsn_acq.sim.state import CameraSettings

_TILE = 1024
_SMOOTH_PIXELS = 14.0
_FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))


def blur(image: Array, pixel_um: float, fwhm_um: float, truth: FullFieldTruth) -> Array:
    """Return the image (ny, nx), periodic, blurred by the scintillator: a Gaussian core in a weak halo.

    Parameters
    ----------
    image : real (ny, nx)
    pixel_um, fwhm_um : float
        Pixel and full width at half maximum of the core, both at the sample.
    """
    ny, nx = image.shape
    transfer = _transfer(ny, nx, pixel_um, fwhm_um, truth.scintillator_tail, truth.scintillator_tail_ratio)
    blurred: Array = fft.irfft2(fft.rfft2(image) * transfer, (ny, nx), overwrite_x=True)
    return blurred


@lru_cache(maxsize=12)
def _transfer(ny: int, nx: int, pixel_um: float, fwhm_um: float, tail: float, ratio: float) -> Array:
    v, u = fft.fftfreq(ny, pixel_um)[:, None], fft.rfftfreq(nx, pixel_um)
    exponent = -2 * (math.pi * fwhm_um / _FWHM_PER_SIGMA) ** 2 * (u**2 + v**2)
    transfer: Array = ((1 - tail) * np.exp(exponent) + tail * np.exp(ratio**2 * exponent)).astype(np.float32)
    return transfer


def response(truth: FullFieldTruth, camera: CameraSettings) -> Array:
    """Return the sensor's relative response in each binned pixel of a region, mean about 1 (read only)."""
    region = (camera.min_x, camera.min_y, camera.shape, camera.binning)
    return _response(truth.seed, truth.pattern_white, truth.pattern_smooth, *region)


@lru_cache(maxsize=8)
def _response(
    seed: int, white: float, smooth: float, min_x: int, min_y: int, shape: tuple[int, int], binning: int
) -> Array:
    rows = (min_y + np.arange(shape[0] * binning)) % _TILE
    columns = (min_x + np.arange(shape[1] * binning)) % _TILE
    return pooled(_pattern(seed, white, smooth)[np.ix_(rows, columns)], binning)


@lru_cache(maxsize=2)
def _pattern(seed: int, white: float, smooth: float) -> Array:
    rng = np.random.default_rng((seed, 4))
    grain = rng.standard_normal((_TILE, _TILE), dtype=np.float32)
    stains = smooth_noise(rng, _TILE, _SMOOTH_PIXELS)
    pattern: Array = np.clip(1 + np.float32(white) * grain + np.float32(smooth) * stains, 0.5, 1.5)
    return pattern


def digitised(
    photons: Array, truth: FullFieldTruth, camera: CameraSettings, rng: np.random.Generator
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return a frame: photon noise, gain, read noise, pedestal, saturation at the port's bit depth.

    Parameters
    ----------
    photons : real (ny, nx)
        Expected photons in each binned pixel.
    rng : numpy Generator
        The only source of chance.

    Returns
    -------
    uint8 for ports of 8 bits, else uint16, (ny, nx)
    """
    mode = truth.modes[camera.readout_port]
    counted = (
        rng.poisson(photons).astype(np.float32) if photons.any() else np.zeros(photons.shape, np.float32)
    )
    adu = counted * np.float32(mode.gain_adu) + np.float32(mode.offset_adu)
    adu += np.float32(mode.read_noise_adu) * rng.standard_normal(photons.shape, dtype=np.float32)
    digits = np.clip(np.rint(adu), 0, 2**mode.bits - 1)
    return digits.astype(np.uint8) if mode.bits <= 8 else digits.astype(np.uint16)
