"""A small measured tomogram: spheres on a finer grid, blurred, with flat-field structure and noise."""

from dataclasses import dataclass

import numpy as np
from schlieren_truth import APERTURE_PER_M, smooth_knife_edge
from scipy import ndimage

from xsn_acq.analysis.xsn_settings import XsnSettings
from xsn_acq.optics.schlieren import ImageFormation, Schlieren

PIXEL_M = 40e-9
WAVELENGTH_M = 1.494e-10
INDEX = {"Al": (7.96e-6, 1.38e-7), "SiO2": (6.70e-6, 8.2e-8), "Cu": (2.27e-5, 4.8e-7)}
SPHERES_UM = (  # material, x, y, z, radius
    ("Al", -0.7, 0.3, 0.5, 0.40),
    ("SiO2", 0.6, -0.4, -0.5, 0.30),
    ("Cu", 0.3, 0.5, 0.6, 0.25),
)


@dataclass(frozen=True)
class Tomogram:
    settings: XsnSettings
    theta_deg: np.ndarray
    frames: np.ndarray
    dark: np.ndarray
    flat: np.ndarray


def projection(theta_deg, y_um, x_um):
    """(integral of delta, of beta) in metres, at the detector coordinate t = x cos(theta) + z sin(theta)."""
    theta = np.deg2rad(theta_deg)
    delta, beta = np.zeros((2, y_um.size, x_um.size))
    for material, x, y, z, radius in SPHERES_UM:
        t = x * np.cos(theta) + z * np.sin(theta)
        square = radius**2 - (x_um - t) ** 2 - (y_um[:, None] - y) ** 2
        chord_m = 2e-6 * np.sqrt(np.maximum(0, square))
        delta += INDEX[material][0] * chord_m
        beta += INDEX[material][1] * chord_m
    return delta, beta


def measure(
    pairs=90, *, shape=(64, 96), photons=5000.0, passes="positive", cutoff=0.0, axis_offset=1.37, seed=1,
    start_deg=0.0, drift=0.0,
):  # fmt: skip
    """Raw frames of a full turn; ``photons`` per pixel of air, ``drift``: brightness lost over the turn."""
    ny, nx = shape
    axis = 0.5 * (nx - 1) + axis_offset
    step = 180 / pairs
    knife_edge = smooth_knife_edge()
    settings = XsnSettings(
        WAVELENGTH_M, PIXEL_M, APERTURE_PER_M, cutoff, passes, knife_edge, axis_column=axis, step_deg=step
    )
    fine = Schlieren((2 * ny, 2 * nx), PIXEL_M / 2, APERTURE_PER_M, cutoff, knife_edge, passes)
    y_um, x_um = ((np.arange(2 * n) - n + 0.5) * PIXEL_M * 0.5e6 for n in shape)
    theta = start_deg + np.arange(2 * pairs) * step
    wave_number = 2 * np.pi / WAVELENGTH_M
    waves = np.empty((theta.size, *fine.shape), np.complex64)
    for wave, angle in zip(waves, theta, strict=True):
        delta, beta = projection(angle, y_um, x_um - axis_offset * PIXEL_M * 1e6)
        wave[:] = np.exp(-wave_number * (beta + 1j * delta))
    images = ImageFormation(fine).intensity(waves)
    blur = 72e-9 / 2.355 / (PIXEL_M / 2)
    images = ndimage.gaussian_filter(images, (0, blur, blur), mode="nearest")
    images = images.reshape(theta.size, ny, 2, nx, 2).mean((2, 4)) / fine.background
    rng = np.random.default_rng(seed)
    pattern = photons * (1 + 0.1 * rng.standard_normal(shape))
    brightness = 1 - drift * np.linspace(0, 1, theta.size)[:, None, None]
    frames = rng.poisson(images * pattern * brightness) + 100.0
    flat = rng.poisson(np.broadcast_to(pattern, (20, *shape))).mean(axis=0) + 100.0
    return Tomogram(settings, theta, frames, np.full(shape, 100.0), flat)


def inside(material, shape=(64, 96), margin_um=0.08):
    """Voxels (y, z, x) of a material, away from its surface."""
    ny, nx = shape
    y, x = ((np.arange(n) - 0.5 * (n - 1)) * PIXEL_M * 1e6 for n in (ny, nx))
    grids = (y[:, None, None], x[None, :, None], x[None, None, :])
    mask = np.zeros((ny, nx, nx), bool)
    for name, x0, y0, z0, radius in SPHERES_UM:
        if name == material:
            distance = sum((grid - at) ** 2 for grid, at in zip(grids, (y0, z0, x0), strict=True))
            mask |= distance < (radius - margin_um) ** 2
    return mask
