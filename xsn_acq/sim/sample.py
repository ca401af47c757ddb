"""A sample made of shapes, and what light sees of it."""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from xsn_acq.optics.materials import optical_constants
from xsn_acq.sim.near_edge import near_edge_constants
from xsn_acq.sim.pooling import Array
from xsn_acq.sim.shapes import AIR, Material, Shape, turned


@dataclass(frozen=True)
class Phantom:
    """A sample made of shapes, each in the place of what its host was.

    Parameters
    ----------
    name : str
    shapes : tuple of Shape
        Outer ones before those inside them.
    """

    name: str
    shapes: tuple[Shape, ...]

    @cached_property
    def reach_um(self) -> float:
        """Largest distance from the rotation axis, micrometres; 0 when there is no sample."""
        return max((shape.reach_um for shape in self.shapes), default=0.0)

    @cached_property
    def span_y_um(self) -> tuple[float, float]:
        """Lowest and highest y, micrometres; infinite for what has no ends."""
        spans = [shape.span_y_um for shape in self.shapes] or [(0.0, 0.0)]
        return min(low for low, _ in spans), max(high for _, high in spans)

    @cached_property
    def materials(self) -> tuple[Material, ...]:
        """Every material, air first: the number in :meth:`labels` is the place in this list."""
        return tuple(dict.fromkeys([AIR, *(shape.material for shape in self.shapes)]))

    def projection(
        self,
        energy_ev: float,
        theta_deg: float,
        x_um: Array,
        y_um: Array,
        lean: Array | None = None,
        bandwidth: float = 0.0,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Integrals of delta and beta along the beam, averaged over each pixel.

        Parameters
        ----------
        energy_ev : float
            Photon energy.
        theta_deg : float
            Angle of the rotation stage; a point is seen at x cos(theta) + z sin(theta).
        x_um, y_um : array (nx,), (ny,)
            Pixel centres about the rotation axis, evenly rising, the same step on both.
        lean : (3, 3), optional
            Rotation that takes +y to the rotation axis; left out: it stands upright.
        bandwidth : float
            Relative width of the light's band, FWHM: it blurs what is close to an edge.

        Returns
        -------
        (delta, beta) : float32 (ny, nx), metres
        """
        delta = np.zeros((np.size(y_um), np.size(x_um)), np.float32)
        beta = np.zeros_like(delta)
        turn = turned(math.radians(theta_deg))
        if lean is not None:
            turn = lean @ turn
        for shape in self.shapes:
            patch = shape.project(turn, np.asarray(x_um), np.asarray(y_um))
            if patch is not None:
                more_delta, more_beta = _contrast(shape, energy_ev, bandwidth)
                delta[patch.rows, patch.columns] += np.float32(more_delta) * patch.thickness_m
                beta[patch.rows, patch.columns] += np.float32(more_beta) * patch.thickness_m
        return delta, beta

    def index(
        self, energy_ev: float, x_um: Array, y_um: Array, z_um: Array
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Delta and beta at points, for light of one energy.

        Parameters
        ----------
        energy_ev : float
            Photon energy.
        x_um, y_um, z_um : array
            Sample coordinates; they broadcast: a volume (y, z, x) comes from ``x[None, None, :]``,
            ``y[:, None, None]``, ``z[None, :, None]``.

        Returns
        -------
        (delta, beta) : float32, the broadcast shape
        """
        constants = np.array([_index(material, energy_ev) for material in self.materials], np.float32)
        labels = self.labels(x_um, y_um, z_um)
        return constants[labels, 0], constants[labels, 1]

    def labels(self, x_um: Array, y_um: Array, z_um: Array) -> NDArray[np.uint8]:
        """Which material is where: places in :attr:`materials`, 0 is air. Coordinates as in :meth:`index`."""
        x, y, z = np.asarray(x_um), np.asarray(y_um), np.asarray(z_um)
        labels = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), np.uint8)
        for shape in self.shapes:
            labels[shape.contains(x, y, z)] = self.materials.index(shape.material)
        return labels


@lru_cache(maxsize=4096)
def _index(material: Material, energy_ev: float, bandwidth: float = 0.0) -> tuple[float, float]:
    if not material.formula:
        return 0.0, 0.0
    compound, near = (material.formula, material.density_g_cm3), material.near_edge
    if near is None:
        constants = optical_constants(*compound, energy_ev)
    else:
        constants = near_edge_constants(*compound, near, energy_ev, bandwidth)
    return constants.delta, constants.beta


def _contrast(shape: Shape, energy_ev: float, bandwidth: float) -> tuple[float, float]:
    """Material minus host."""
    inside = _index(shape.material, energy_ev, bandwidth)
    outside = _index(shape.host, energy_ev, bandwidth)
    return inside[0] - outside[0], inside[1] - outside[1]
