"""Samples whose inside is known: what a reconstruction of the simulated beamline is judged by."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from xsn_acq.optics.materials import optical_constants
from xsn_acq.sim.near_edge import Line, NearEdge, near_edge_constants
from xsn_acq.sim.pooling import Array
from xsn_acq.sim.shapes import AIR, Ellipsoid, Material, Shape, VerticalCylinder, turned

GLUE = Material("glue", "C5H8O2", 1.19)
ALUMINIUM = Material("Al", "Al", 2.70)
SILICA = Material("SiO2", "SiO2", 2.20)
COPPER = Material("Cu", "Cu", 8.96)
NICKEL_POWDER = Material("Ni powder", "C5H8O2Ni1.2", 1.86, NearEdge("Ni", 8333.0, 1.2, 0.0, 0.0, 1.0))
OXIDE_PRE_EDGE = Line(0.0353, 8328.0, 3.0)
"""At 8326 eV, before the edge of every oxide here, it makes up for the soft foot of the table's own edge."""


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


def empty(seed: int = 0) -> Phantom:
    """Return no sample at all."""
    return Phantom("empty", ())


def microparticles(seed: int = 0) -> Phantom:
    """Return spheres in a thread of glue 5 um wide.

    Al of 0.8 um, SiO2 of 0.4 to 0.6 um, Cu of 0.3 to 0.5 um.

    All fits a field 7.2 um wide and 5 um high with air on both sides at every angle.
    """
    rng = np.random.default_rng((seed, 1))
    thread = VerticalCylinder((0.15, -0.1), 2.5, GLUE)
    diameters = [(ALUMINIUM, 0.8, 0.8, 7), (SILICA, 0.4, 0.6, 14), (COPPER, 0.3, 0.5, 10)]
    shapes: list[Shape] = [thread]
    placed: list[tuple[Array, float]] = []
    for material, small, large, count in diameters:
        for radius in rng.uniform(small, large, count) / 2:
            centre = _free_place(rng, placed, float(radius), thread)
            placed.append((centre, float(radius)))
            x, y, z = (float(v) for v in centre)
            shapes.append(Ellipsoid.sphere((x, y, z), float(radius), material, GLUE))
    return Phantom("microparticles", tuple(shapes))


def _free_place(
    rng: np.random.Generator, placed: list[tuple[Array, float]], radius: float, thread: VerticalCylinder
) -> Array:
    """Draw a centre inside the thread, clear of all spheres placed before by 60 nm."""
    clearance, half_height = 0.06, 2.25
    for _ in range(10_000):
        x, z = rng.uniform(-thread.radius_um, thread.radius_um, 2)
        y = rng.uniform(-half_height + radius, half_height - radius)
        centre = np.array([x + thread.centre_um[0], y, z + thread.centre_um[1]])
        inside = math.hypot(x, z) + radius + clearance < thread.radius_um
        if inside and all(np.linalg.norm(centre - c) > radius + r + clearance for c, r in placed):
            return centre
    raise ValueError(f"no place left for a sphere of radius {radius:.2f} um")


def nmc_graded(seed: int = 0) -> Phantom:
    """Return a cathode particle 4.8 um wide, graded and cracked.

    Core Ni50 Co30 Mn20, rim Ni90 Co5 Mn5, Ni60 on average: between 0.82 and 1 of the radius the
    composition changes in six shells. With it the edge goes from 8343.5 eV in the core to 8345.5 eV at the
    rim: that stands for the nickel's valence.
    """
    rng = np.random.default_rng((seed, 2))
    radius, centre, steps = 2.4, (0.2, 0.05, -0.15), 6
    shapes: list[Shape] = []
    host = AIR
    for k in range(steps, -1, -1):
        material = _nmc(k / steps)
        shell = radius * (0.82 + 0.18 * k / steps)
        shapes.append(Ellipsoid.sphere(centre, shell, material, host))
        host = material
    normal = rng.normal(size=3)
    normal /= np.linalg.norm(normal)
    for offset in (-1.15, -0.45, 0.35, 1.05):
        wide = math.sqrt((0.78 * radius) ** 2 - offset**2)
        tilted = normal + 0.12 * rng.normal(size=3)
        place = np.asarray(centre) + offset * normal
        size = float(rng.uniform(0.5, 0.85)) * wide
        shapes.append(Ellipsoid.oblate(_vector(place), size, 0.06, _vector(tilted), AIR, host))
    return Phantom("nmc_graded", tuple(shapes))


def _vector(values: Array) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z


def _nmc(rim: float) -> Material:
    """Cathode oxide between core (0) and rim (1)."""
    nickel, cobalt, manganese = 0.5 + 0.4 * rim, 0.3 - 0.25 * rim, 0.2 - 0.15 * rim
    formula = f"LiNi{nickel:.4f}Co{cobalt:.4f}Mn{manganese:.4f}O2"
    edge = NearEdge("Ni", 8343.5 + 2.0 * rim, 2.6, 0.7, 5.0, 2.4, OXIDE_PRE_EDGE)
    return Material(f"NMC Ni{100 * nickel:.0f}", formula, 4.7, edge)


def nickel_standard(seed: int = 0) -> Phantom:
    """Return metal to calibrate the energy by: nickel powder in glue, an upright cylinder 50 um thick.

    Its absorbance is steepest at 8333.0 eV, where it rises by 1.1 in the middle. It fills the field of view.
    """
    return Phantom("nickel_standard", (VerticalCylinder((0.0, 0.0), 25.0, NICKEL_POWDER),))


PHANTOMS: Mapping[str, Callable[[int], Phantom]] = MappingProxyType(
    {
        "empty": empty,
        "microparticles": microparticles,
        "nmc_graded": nmc_graded,
        "nickel_standard": nickel_standard,
    }
)


def phantom(name: str, seed: int = 0) -> Phantom:
    """Return a sample by name.

    Raises
    ------
    ValueError
        No sample of that name.
    """
    if name not in PHANTOMS:
        raise ValueError(f"sample {name!r} is unknown; choose from {', '.join(PHANTOMS)}")
    return PHANTOMS[name](seed)
