"""Samples whose inside is known: what a reconstruction of the simulated beamline is judged by."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from xsn_acq.sim.cathodes import cobalt_target, three_cathodes
from xsn_acq.sim.near_edge import Line, NearEdge
from xsn_acq.sim.pooling import Array
from xsn_acq.sim.sample import Phantom
from xsn_acq.sim.shapes import AIR, Ellipsoid, Material, Shape, VerticalCylinder

GLUE = Material("glue", "C5H8O2", 1.19)
ALUMINIUM = Material("Al", "Al", 2.70)
SILICA = Material("SiO2", "SiO2", 2.20)
COPPER = Material("Cu", "Cu", 8.96)
NICKEL_POWDER = Material("Ni powder", "C5H8O2Ni1.2", 1.86, NearEdge("Ni", 8333.0, 1.2, 0.0, 0.0, 1.0))
OXIDE_PRE_EDGE = Line(0.0353, 8328.0, 3.0)
"""At 8326 eV, before the edge of every oxide here, it makes up for the soft foot of the table's own edge."""


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
        "three_cathodes": three_cathodes,
        "cobalt_target": cobalt_target,
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
