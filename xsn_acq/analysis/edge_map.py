"""Edge energy of each pixel of an energy stack."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.analysis.near_edge import EdgeFinder, EdgeShapes
from xsn_acq.analysis.normalisation import Normalisation, Window, noise_of, normalisation, rising
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

_CHUNK = 65536
"""Pixels at once; in float32 some 100 MB."""
_SCATTER_PIXELS = 100_000
_SHAPES = EdgeShapes()


@dataclass(frozen=True, eq=False)
class EdgeMap:
    """Edge energies of an image, float32 (ny, nx) each.

    Attributes
    ----------
    edge_ev, sigma_ev : (ny, nx)
        NaN where the jump is too small or the edge not found.
    jump : (ny, nx)
        Post-edge less pre-edge; with the method "half_height" the white line's maximum less pre-edge.
        NaN only where the stack is not finite.
    method : "half_jump" or "half_height"
        See `xsn_acq.analysis.xanes.edge_energy`.
    """

    edge_ev: FloatArray
    sigma_ev: FloatArray
    jump: FloatArray
    method: Literal["half_jump", "half_height"]


def edge_map(
    energy_ev: ArrayLike,
    stack: ArrayLike,
    *,
    sigma: ArrayLike | None = None,
    edge_ev: float,
    least_jump_sigmas: float = 5.0,
    pre_ev: Window | None = None,
    post_ev: Window | None = None,
    pre_slope: bool = True,
    shapes: EdgeShapes = _SHAPES,
) -> EdgeMap:
    """Find the edge of each pixel as `xsn_acq.analysis.xanes.edge_energy` finds that of a spectrum.

    Parameters
    ----------
    energy_ev : (n,)
        Rising.
    stack : (n, ny, nx)
        Absorbance, or anything linear in it; read in chunks, so a memory-mapped file will do.
    sigma : (n,) or float, optional
        Noise of a pixel at each energy; left out: equal, known from the scatter of all pixels about their
        pre-edge and post-edge lines.
    edge_ev, pre_ev, post_ev, pre_slope, shapes
        See there. Where a pixel has much noise and the scan is short, take a constant pre-edge
        (``pre_slope`` False).
    least_jump_sigmas : float
        Pixels whose jump stands less far out of its noise are NaN.

    Raises
    ------
    ReconstructionError
        The stack does not fit the energies, or as `edge_energy`.
    """
    energy = rising(energy_ev)
    images = stack if isinstance(stack, np.ndarray) else np.asarray(stack)
    if images.ndim != 3 or len(images) != energy.size:
        raise ReconstructionError(
            f"edge map: wanted an image for each of {energy.size} energies, found shape {images.shape}"
        )
    lines = normalisation(
        energy, edge_ev=edge_ev, sigma=sigma, pre_ev=pre_ev, post_ev=post_ev, pre_slope=pre_slope
    )
    pixels = images.reshape(energy.size, -1)
    given = noise_of(sigma, energy.size)
    noise = np.full(energy.size, _scatter(lines, pixels)) if given is None else given
    finder = EdgeFinder(energy, lines, edge_ev, shapes)
    found = np.empty((3, pixels.shape[1]), np.float32)
    for start in range(0, pixels.shape[1], _CHUNK):
        part = slice(start, start + _CHUNK)
        found[:, part] = _chunk(finder, pixels[:, part], noise, least_jump_sigmas)
    edge, error, jump = found.reshape(3, *images.shape[1:])
    return EdgeMap(edge, error, jump, finder.method)


def _chunk(finder: EdgeFinder, pixels: FloatArray, noise: FloatArray, least: float) -> FloatArray:
    """Edge, error and jump, (3, m); those without a value at some energy are NaN."""
    mu = np.asarray(pixels, np.float32)
    whole = np.isfinite(mu).all(axis=0)
    found = finder.crossings(np.where(whole, mu, 0), noise)
    unsure = ~whole | ~(found.height > 0) | (found.height < least * found.height_sigma)
    edge, error = (np.where(unsure, np.nan, each) for each in (found.energy_ev, found.sigma_ev))
    return np.stack([edge, error, np.where(whole, found.height, np.nan)])


def _scatter(lines: Normalisation, pixels: FloatArray) -> float:
    """Noise of a pixel, from a part of them spread over the image."""
    some = np.asarray(pixels[:, :: max(1, pixels.shape[1] // _SCATTER_PIXELS)], float)
    return lines.noise(some[:, np.isfinite(some).all(axis=0)])
