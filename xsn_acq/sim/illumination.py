"""How the light arrives at the sample: its directions, its outline, its speckle."""

import math
from functools import lru_cache

import numpy as np
from scipy import fft, ndimage

from xsn_acq.config import Beamline
from xsn_acq.optics.knife_edge import KnifeEdge
from xsn_acq.sim.pooling import Array
from xsn_acq.sim.source import beam_height_um, diffuser_in
from xsn_acq.sim.state import BeamState
from xsn_acq.sim.truth import Truth
from xsn_acq.units import wavelength_m

_TILE = 512
_TILE_STEPS_PER_SPECKLE = 4


@lru_cache(maxsize=32)
def spectrum(half_width_per_m: float, skew: float, softness: float, points: int = 481) -> KnifeEdge:
    """Return the knife-edge curve of the illumination.

    Its density is sqrt(1 - u^2) (1 + skew u) with u = k / half_width, softened.

    Parameters
    ----------
    half_width_per_m : float
        Cycles per metre at the sample.
    skew : float
        Asymmetry, between -1 and 1.
    softness : float
        Standard deviation of the Gaussian that blurs the density, in u.
    points : int
        Samples of the curve.
    """
    reach = 1 + 4 * softness
    fine = np.linspace(-reach, reach, 16 * (points - 1) + 1)
    density = np.sqrt(np.clip(1 - fine**2, 0, None)) * (1 + skew * fine)
    density = ndimage.gaussian_filter1d(density, softness / (fine[1] - fine[0]), mode="constant", truncate=6)
    area = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    transmitted = (1 - area / area[-1])[::16]
    transmitted[-1] = 0.0
    return KnifeEdge(fine[::16] * half_width_per_m, np.clip(transmitted, 0.0, 1.0))


def knife_edge(beamline: Beamline, truth: Truth, state: BeamState, energy_ev: float) -> KnifeEdge:
    """Return the true knife-edge curve; without the diffuser the light is more parallel.

    The condenser does not follow the energy: the angles stay, so frequencies go as 1 / wavelength.
    """
    half_width = truth.condenser_na * beamline.zone_plate.numerical_aperture(truth.reference_energy_ev)
    if not diffuser_in(truth, state):
        half_width /= truth.bare_narrowing
    return spectrum(
        half_width / wavelength_m(energy_ev), truth.illumination_skew, truth.illumination_softness
    )


def outline(beamline: Beamline, truth: Truth, state: BeamState, x_um: Array, y_um: Array) -> Array:
    """Return the beam's profile within the pinhole, float32 (ny, nx), 1 in the centre when aligned.

    Parameters
    ----------
    x_um, y_um : array (nx,), (ny,)
        Positions in the sample's plane about the optical axis.
    """
    phase = 2 * math.pi * state.time_s / truth.drift_period_s
    centre_x = state.condenser_x_um + truth.beam_drift_um * math.sin(0.7 * phase)
    centre_y = state.condenser_y_um + beam_height_um(beamline, truth, state)
    centre_y += truth.beam_drift_um * math.sin(1.3 * phase)
    across = np.exp(-0.5 * ((x_um - centre_x) / truth.beam_sigma_um) ** 2).astype(np.float32)
    along = np.exp(-0.5 * ((y_um - centre_y) / truth.beam_sigma_um) ** 2).astype(np.float32)
    beam: Array = along[:, None] * across
    x, y = x_um - state.pinhole_x_um, y_um - state.pinhole_y_um
    radius, edge = beamline.geometry.pinhole_diameter_um / 2, truth.pinhole_edge_um
    if math.hypot(np.abs(x).max(), np.abs(y).max()) < radius - 8 * edge:
        return beam
    distance = np.hypot(x, y[:, None]).astype(np.float32)
    beam *= 0.5 * (1 - np.tanh((distance - np.float32(radius)) / np.float32(edge)))
    return beam


def speckle(truth: Truth, state: BeamState, x_um: Array, y_um: Array) -> Array | None:
    """Return the pattern (ny, nx), mean 1, of a diffuser that stands still; None when it turns or is out."""
    if state.diffuser_rotating or not diffuser_in(truth, state):
        return None
    step = truth.speckle_size_um / _TILE_STEPS_PER_SPECKLE
    columns = np.rint((x_um + 1e3 * state.diffuser_x_mm) / step).astype(int) % _TILE
    rows = np.rint(y_um / step).astype(int) % _TILE
    return _speckle_tile(truth.seed, truth.speckle_contrast)[np.ix_(rows, columns)]


@lru_cache(maxsize=4)
def _speckle_tile(seed: int, contrast: float) -> Array:
    """Log-normal periodic pattern of mean 1 and the given contrast."""
    field = smooth_noise(np.random.default_rng((seed, 3)), _TILE, _TILE_STEPS_PER_SPECKLE / 2)
    sigma = math.sqrt(math.log1p(contrast**2))
    tile: Array = np.exp(sigma * field - sigma**2 / 2)
    return tile


def smooth_noise(rng: np.random.Generator, size: int, sigma: float) -> Array:
    """Return periodic Gaussian noise (size, size) of standard deviation 1, smooth over ``sigma`` pixels."""
    f = fft.fftfreq(size)
    v, u = f[:, None], fft.rfftfreq(size)
    low_pass = np.exp(-2 * (math.pi * sigma) ** 2 * (u**2 + v**2))
    noise = fft.irfft2(
        fft.rfft2(rng.standard_normal((size, size), dtype=np.float32)) * low_pass, (size, size)
    )
    smooth: Array = ((noise - noise.mean()) / noise.std()).astype(np.float32)
    return smooth
