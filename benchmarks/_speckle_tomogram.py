"""A small speckle tomogram of glass spheres on the simulator's finer grid, and how good a volume of it is."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np
from scipy import ndimage

from xsn_acq.analysis.background import flattened
from xsn_acq.analysis.frc import fourier_shell_correlation, resolution
from xsn_acq.analysis.tomography import volume
from xsn_acq.sim.speckle_diffuser import SandpaperDiffuser
from xsn_acq.sim.speckle_imaging import SpeckleOptics, fine_grid, speckle_image
from xsn_acq.sim.speckle_samples import speckle_sample, true_slice
from xsn_acq.units import wavelength_m

ENERGY_EV = 10_000.0
WAVELENGTH_M = wavelength_m(ENERGY_EV)
PIXEL_UM = 0.65
PIXEL_M = PIXEL_UM * 1e-6
LENGTHS_UM = (3.48, 4.31)
OPTICS = SpeckleOptics().with_lengths(*LENGTHS_UM, PIXEL_UM)
PHOTONS = 20_000
REFERENCE_FRAMES = 20
SAMPLE = "few_spheres scale=0.48"
AIR_COLUMNS = 5
"""Beside the spheres at every angle."""
_STEP_UM = 150.0
"""From one diffuser position to the next."""


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan at several diffuser positions.

    Attributes
    ----------
    theta_rad : (n,)
    references : (K, ny, nx)
    projections : float32 (n, K, ny, nx)
    """

    theta_rad: np.ndarray
    references: np.ndarray
    projections: np.ndarray


def axis_um(side: int) -> np.ndarray:
    """Centres of pixels about the rotation axis."""
    return (np.arange(side) - 0.5 * (side - 1)) * PIXEL_UM


def scan(side: int, angles: int, positions: int, *, workers: int = 1) -> Scan:
    """Draw a scan with photon noise."""
    theta = np.arange(angles) * np.pi / angles
    x = axis_um(side)
    images = [speckle_image(OPTICS, x, x, diffuser=grains) for grains in _diffusers(side, positions)]
    light = REFERENCE_FRAMES * PHOTONS
    references = np.random.default_rng(0).poisson(np.asarray(images, float) * light) / light
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        blocks = list(pool.map(partial(_projections, side, positions), np.array_split(theta, 4 * workers)))
    return Scan(theta, references, np.concatenate(blocks))


def truth(side: int) -> np.ndarray:
    """Delta (ny, nz, nx)."""
    x, sample = axis_um(side), speckle_sample(SAMPLE)
    return np.stack([true_slice(sample, ENERGY_EV, x, y, parts=3)[0] for y in x])


def _diffusers(side: int, positions: int) -> list:
    """The diffuser at each position, drawn once on the fine grid."""
    grid = fine_grid(OPTICS, *2 * [axis_um(side)])
    places = [(_STEP_UM * n, 0.0) for n in range(positions)]
    maps = [SandpaperDiffuser().projected(ENERGY_EV, grid.x_um, grid.y_um, at) for at in places]
    return [lambda x, y, drawn=drawn: drawn for drawn in maps]


def _projections(side: int, positions: int, theta_rad: np.ndarray) -> np.ndarray:
    x, sample, diffusers = axis_um(side), speckle_sample(SAMPLE), _diffusers(side, positions)
    grid = fine_grid(OPTICS, x, x)
    result = np.empty((len(theta_rad), positions, side, side), np.float32)
    for i, theta in enumerate(theta_rad):
        drawn = sample.projection(ENERGY_EV, np.rad2deg(theta), grid.x_um, grid.y_um)
        rng = np.random.default_rng(round(1e6 * theta) + 1)
        for k, grains in enumerate(diffusers):
            image = speckle_image(OPTICS, x, x, sample=lambda x, y, drawn=drawn: drawn, diffuser=grains)
            result[i, k] = rng.poisson(image.astype(float) * PHOTONS) / PHOTONS
    return result


def delta(phi: np.ndarray, theta_rad: np.ndarray) -> np.ndarray:
    """Delta (ny, nz, nx) of phases (n, ny, nx), the background of each slice subtracted."""
    slices = volume(phi.astype(np.float32), theta_rad, pixel_size_m=PIXEL_M, wavelength_m=WAVELENGTH_M)
    return np.stack([flattened(each) for each in slices])


@dataclass(frozen=True)
class Score:
    """How good a volume is.

    Attributes
    ----------
    error : float
        Rms of found less true delta over that of true delta.
    glass : float
        Mean delta within glass, two voxels off its rims, over the true one.
    resolution_um : float
        Period to which it correlates with the truth by 1/2, which is 1/4 between two of its kind (Eq. 17).
    """

    error: float
    glass: float
    resolution_um: float


def score(found: np.ndarray, true: np.ndarray) -> Score:
    inside = _circle(true.shape)
    error = np.std((found - true)[:, inside]) / np.std(true[:, inside])
    core = ndimage.binary_erosion(true > 0.99 * true.max(), iterations=2)
    curve = fourier_shell_correlation(found * inside, true * inside, PIXEL_M)
    return Score(float(error), float(found[core].mean() / true[core].mean()), 1e6 * resolution(curve, 0.5))


def agreement_um(first: np.ndarray, second: np.ndarray) -> float:
    """Period to which two volumes correlate by 1/4, micrometres."""
    inside = _circle(first.shape)
    curve = fourier_shell_correlation(first * inside, second * inside, PIXEL_M)
    return 1e6 * resolution(curve, 0.25)


def _circle(shape: tuple[int, ...]) -> np.ndarray:
    """The part of each slice that is reconstructed."""
    z, x = np.meshgrid(*((np.arange(n) - 0.5 * (n - 1)) / (0.5 * n) for n in shape[1:]), indexing="ij")
    return np.hypot(z, x) < 0.95
