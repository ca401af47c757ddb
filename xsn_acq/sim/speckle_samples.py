"""Samples for speckle microtomography, whose inside is known: glass spheres, wood, a seed.

Lengths are those of the real things, some hundred micrometres; a scale makes them fit a small region.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from xsn_acq.sim.pooling import Array
from xsn_acq.sim.sample import Phantom
from xsn_acq.sim.shapes import AIR, Ellipsoid, Material, Shape, Vector, VerticalCylinder

GLASS = Material("soda-lime glass", "Si0.72Na0.28Ca0.1Mg0.04O1.72", 2.5)
EARLY_WOOD = Material("early wood", "C6H10O5", 0.45)
LATE_WOOD = Material("late wood", "C6H10O5", 0.90)
SEED = Material("seed", "C12H20O5N", 1.10)

_TRIES = 10_000
_CLEARANCE = 1.04
"""Spheres keep apart by this factor of the sum of their radii."""
_WOOD_RADIUS_UM = 300.0
Solid = Ellipsoid | VerticalCylinder


def empty(rng: np.random.Generator) -> list[Solid]:
    """Return no sample at all."""
    return []


def glass_spheres(rng: np.random.Generator) -> list[Solid]:
    """Return 24 spheres of 60 to 106 um, every third with a void, that fit the whole field."""

    def place(radius: float) -> Vector:
        return _around(rng, rng.uniform(150.0, 450.0), 480.0)

    return _spheres(rng, rng.uniform(60.0, 106.0, 24), place)


def few_spheres(rng: np.random.Generator) -> list[Solid]:
    """Return four spheres of 28 to 64 um, two with a void, that fit a field of 160 um at every angle."""

    def place(radius: float) -> Vector:
        return _around(rng, (72.0 - radius) * math.sqrt(rng.random()), 70.0 - radius)

    return _spheres(rng, np.array([64.0, 46.0, 36.0, 28.0]), place)


def toothpick(rng: np.random.Generator) -> list[Solid]:
    """Return a wooden stick 600 um wide with rings and vessels, and twelve glass spheres on it: a mixture."""
    wood = _rings() + _vessels(rng)

    def place(radius: float) -> Vector:
        return _around(rng, _WOOD_RADIUS_UM + 1.001 * radius, 450.0)

    return wood + _spheres(rng, rng.uniform(50.0, 106.0, 12), place)


def cumin(rng: np.random.Generator) -> list[Solid]:
    """Return a seed of one organic matter, 520 um wide, with six ducts and 240 cells of air in it."""
    body = _upright((0.0, 0.0, 0.0), 260.0, 560.0, SEED, AIR)
    ducts: list[Solid] = []
    for number in range(6):
        turn = 2 * math.pi * (number + 0.2 * rng.random()) / 6
        centre = 175.0 * math.cos(turn), float(rng.uniform(-60, 60)), 175.0 * math.sin(turn)
        ducts.append(_upright(centre, float(rng.uniform(18, 28)), 260.0, AIR, SEED))
    cells: list[tuple[Vector, float]] = []
    while len(cells) < 240:
        centre, radius = _around(rng, 130.0 * math.sqrt(rng.random()), 300.0), float(rng.uniform(3, 9))
        if _free(centre, radius, cells):
            cells.append((centre, radius))
    return [body, *ducts, *(Ellipsoid.sphere(centre, radius, AIR, SEED) for centre, radius in cells)]


SAMPLES: Mapping[str, Callable[[np.random.Generator], list[Solid]]] = MappingProxyType(
    {
        "glass_spheres": glass_spheres,
        "few_spheres": few_spheres,
        "toothpick": toothpick,
        "cumin": cumin,
        "empty": empty,
    }
)


def speckle_sample(text: str, seed: int = 0) -> Phantom:
    """Return a sample by name, ``name`` or ``name scale=0.5``.

    Parameters
    ----------
    text : str
        A name of `SAMPLES`; the scale multiplies all its lengths.
    seed : int
        Of where things are.

    Raises
    ------
    ValueError
        No sample of that name, another word than a scale, or a scale that is not above 0.

    Examples
    --------
    >>> speckle_sample("few_spheres scale=0.5").reach_um < 37
    True
    """
    name, *words = text.split() or [""]
    if name not in SAMPLES:
        raise ValueError(f"sample {name!r} is unknown; choose from {', '.join(SAMPLES)}")
    factor = _scale(text, words)
    solids = SAMPLES[name](np.random.default_rng((seed, list(SAMPLES).index(name))))
    shapes: tuple[Shape, ...] = tuple(_scaled(solid, factor) for solid in solids)
    return Phantom(text, shapes)


def true_slice(
    sample: Phantom, energy_ev: float, axis_um: Array, y_um: float, parts: int = 4
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Delta and beta of a horizontal slice, mean over each voxel.

    Parameters
    ----------
    sample : Phantom
    energy_ev : float
    axis_um : array (n,)
        Centres of the voxels about the rotation axis, along x and along z, evenly rising.
    y_um : float
        Height of the slice; it is one voxel high.
    parts : int
        A voxel is the mean of so many points along each side.

    Returns
    -------
    (delta, beta) : float32 (n, n), z and x
    """
    pitch, n = float(axis_um[1] - axis_um[0]), axis_um.size
    offsets = ((np.arange(parts) + 0.5) / parts - 0.5) * pitch
    fine = (np.asarray(axis_um)[:, None] + offsets).ravel()
    met = [s for s in sample.shapes if s.span_y_um[0] < y_um + pitch and s.span_y_um[1] > y_um - pitch]
    slab = replace(sample, shapes=tuple(met))
    delta, beta = np.zeros((n, n), np.float32), np.zeros((n, n), np.float32)
    for height in y_um + offsets:
        found = slab.index(energy_ev, fine[None, :], np.asarray(height), fine[:, None])
        for total, values in zip((delta, beta), found, strict=True):
            total += values.reshape(n, parts, n, parts).mean(axis=(1, 3)) / parts
    return delta, beta


def _scale(text: str, words: list[str]) -> float:
    if not words:
        return 1.0
    key, _, value = words[0].partition("=")
    try:
        factor = float(value) if key == "scale" and len(words) == 1 else math.nan
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise ValueError(f"sample {text!r}: wanted a name, or a name and scale= a number above 0")
    return factor


def _scaled(solid: Solid, factor: float) -> Solid:
    """The same shape, all lengths times a factor."""
    if isinstance(solid, VerticalCylinder):
        x, z = solid.centre_um
        return replace(solid, centre_um=(factor * x, factor * z), radius_um=factor * solid.radius_um)
    first, second, third = (_times(factor**2, row) for row in solid.form_um2)
    return replace(solid, centre_um=_times(factor, solid.centre_um), form_um2=(first, second, third))


def _times(factor: float, vector: Vector) -> Vector:
    x, y, z = vector
    return factor * x, factor * y, factor * z


def _spheres(rng: np.random.Generator, diameters_um: Array, place: Callable[[float], Vector]) -> list[Solid]:
    """Glass balls that do not touch, where ``place`` draws them; the first and every third has a bubble."""
    placed: list[tuple[Vector, float]] = []
    solids: list[Solid] = []
    for number, diameter in enumerate(diameters_um):
        radius = float(diameter) / 2
        centre = _free_place(place, radius, placed)
        placed.append((centre, radius))
        solids.append(Ellipsoid.sphere(centre, radius, GLASS))
        if number % 3 == 0:
            solids.append(_bubble(rng, centre, radius))
    return solids


def _bubble(rng: np.random.Generator, centre: Vector, radius: float) -> Ellipsoid:
    """A void within a ball, off its centre."""
    size = float(rng.uniform(0.2, 0.4)) * radius
    way = rng.standard_normal(3)
    way *= 0.8 * (radius - size) * rng.random() / np.linalg.norm(way)
    x, y, z = (float(c + w) for c, w in zip(centre, way, strict=True))
    return Ellipsoid.sphere((x, y, z), size, AIR, GLASS)


def _free_place(
    place: Callable[[float], Vector], radius: float, placed: list[tuple[Vector, float]]
) -> Vector:
    for _ in range(_TRIES):
        centre = place(radius)
        if _free(centre, radius, placed):
            return centre
    raise ValueError(f"no place left for a sphere of radius {radius:.0f} um")


def _free(centre: Vector, radius: float, placed: list[tuple[Vector, float]]) -> bool:
    return all(math.dist(centre, other) > _CLEARANCE * (radius + size) for other, size in placed)


def _around(rng: np.random.Generator, from_axis_um: float, half_height_um: float) -> Vector:
    """Draw a place at a distance from the axis."""
    turn, height = 2 * math.pi * rng.random(), float(rng.uniform(-half_height_um, half_height_um))
    return float(from_axis_um) * math.cos(turn), height, float(from_axis_um) * math.sin(turn)


def _upright(
    centre: Vector, radius: float, half_height: float, material: Material, host: Material
) -> Ellipsoid:
    form = (radius**2, 0.0, 0.0), (0.0, half_height**2, 0.0), (0.0, 0.0, radius**2)
    return Ellipsoid(centre, form, material, host)


def _rings() -> list[Solid]:
    """Year rings about a pith beside the axis, each with its early and its late wood, outermost first."""
    solids: list[Solid] = []
    host, radius = AIR, _WOOD_RADIUS_UM
    for number in range(8):
        material = (LATE_WOOD, EARLY_WOOD)[number % 2]
        solids.append(VerticalCylinder((0.0, 0.0), radius, material, host))
        host, radius = material, radius - (14.0, 58.0)[number % 2]
    return solids


def _vessels(rng: np.random.Generator) -> list[Solid]:
    """Upright air ducts in the early wood of the outer three rings."""
    solids: list[Solid] = []
    for ring in range(3):
        outer = _WOOD_RADIUS_UM - 14.0 - 72.0 * ring
        count = round(2 * math.pi * (outer - 29.0) / 60.0)
        for number in range(count):
            turn = 2 * math.pi * (number + 0.5 * rng.random()) / count
            from_pith = outer - float(rng.uniform(18.0, 40.0))
            place = from_pith * math.cos(turn), from_pith * math.sin(turn)
            solids.append(VerticalCylinder(place, float(rng.uniform(6.0, 14.0)), AIR, EARLY_WOOD))
    return solids
