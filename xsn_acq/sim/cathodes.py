"""Samples for chemical imaging: particles of three cathode materials, and a target of cobalt bars."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from xsn_acq.optics.materials import molar_mass_g
from xsn_acq.sim.boxes import Box
from xsn_acq.sim.pooling import Array
from xsn_acq.sim.sample import Phantom
from xsn_acq.sim.shapes import AIR, Ellipsoid, Material, Shape, turned

NMC = Material("NMC", "LiNi0.7Mn0.2Co0.1O2", 4.75)
LCO = Material("LCO", "LiCoO2", 5.05)
LNO = Material("LNO", "LiNiO2", 4.78)
COBALT = Material("Co", "Co", 8.90)

TWIN_LNO, TWIN_LCO = 5, 6
"""Places in ``three_cathodes``' shapes of two particles alike in outline and transmission at 9 keV."""
FRAGMENT = 9
"""Place of the LCO fragment on a particle of LNO, the shape before it."""

_TWIN_RADIUS_UM, _TWIN_HALF_UM = 0.9, 0.7
_TWIN_RATIO = 1.0678
"""Thickness of LCO that absorbs at 9 keV as much as 1 of LNO: the ratio of their beta."""

_PARTICLES = (
    (NMC, (-3.6, 3.1, 0.4), 1.55, 1.35),
    (NMC, (0.4, -0.5, -0.6), 1.20, 1.05),
    (NMC, (4.6, 0.2, 0.3), 0.75, 0.70),
    (LCO, (-4.0, -1.2, 0.2), 1.30, 1.00),
    (LCO, (1.1, 4.6, -0.3), 0.80, 0.65),
    (LNO, (-1.5, -4.4, 0.5), _TWIN_RADIUS_UM, _TWIN_HALF_UM),
    (LCO, (1.3, -4.4, 0.5), _TWIN_RADIUS_UM, _TWIN_HALF_UM * _TWIN_RATIO),
    (LNO, (4.4, -3.3, -0.2), 1.10, 0.95),
)
"""Material, centre, radius and half thickness along the beam at theta = 0, micrometres."""
_HOST_CENTRE_UM, _HOST_RADIUS_UM = (3.2, 2.9, 0.1), 1.50
_FRAGMENT_RADIUS_UM = 0.35
_FRAGMENT_TOWARDS = (-0.62, -0.55, 0.56)

_BARS_UM = (0.10, 0.15, 0.20, 0.30, 0.50)
_BAR_THICK_UM = 1.0
_BARS_IN_GROUP = 3


def three_cathodes(seed: int = 0) -> Phantom:
    """Return particles of NMC, LiCoO2 and LiNiO2, 1.4 to 3.1 um wide, in a field of 12.8 um.

    A fragment of LCO, 0.7 um wide, sits on a particle of LNO. Two more of LNO and LCO look the same in
    transmission. Another seed leans the particles, apart from the twins, another way.
    """
    rng = np.random.default_rng((seed, 5))
    shapes: list[Shape] = []
    for place, (material, centre, radius, half) in enumerate(_PARTICLES):
        lean = rng.normal(scale=0.25, size=2)
        normal = (0.0, 0.0, 1.0) if place in (TWIN_LNO, TWIN_LCO) else (float(lean[0]), float(lean[1]), 1.0)
        shapes.append(Ellipsoid.oblate(centre, radius, half, normal, material))
    shapes.append(Ellipsoid.sphere(_HOST_CENTRE_UM, _HOST_RADIUS_UM, LNO))
    shapes.append(_fragment())
    return Phantom("three_cathodes", tuple(shapes))


def _fragment() -> Ellipsoid:
    """Ball that touches its host."""
    towards = np.asarray(_FRAGMENT_TOWARDS) / np.linalg.norm(_FRAGMENT_TOWARDS)
    x, y, z = np.asarray(_HOST_CENTRE_UM) + (_HOST_RADIUS_UM + _FRAGMENT_RADIUS_UM) * towards
    return Ellipsoid.sphere((float(x), float(y), float(z)), _FRAGMENT_RADIUS_UM, LCO)


def cobalt_target(seed: int = 0) -> Phantom:
    """Return bars of cobalt 1 um thick: groups of three, 0.10 to 0.50 um wide, as far apart as wide.

    Upright groups stand in the upper half, lying ones in the lower, the finest on the left; a square 1.5 um
    wide marks a corner.
    """
    shapes: list[Shape] = [_plate(5.0, 5.0, 1.5, 1.5)]
    left = -5.6
    for width in _BARS_UM:
        group = (2 * _BARS_IN_GROUP - 1) * width
        for k in range(_BARS_IN_GROUP):
            along = (0.5 + 2 * k) * width
            shapes.append(_plate(left + along, 1.8, width, 2.4))
            shapes.append(_plate(left + group / 2, -0.6 - along, max(group, 1.0), width))
        left += max(group, 1.0) + 0.6
    return Phantom("cobalt_target", tuple(shapes))


def _plate(x_um: float, y_um: float, wide_um: float, high_um: float) -> Box:
    return Box((x_um, y_um, 0.0), (wide_um, high_um, _BAR_THICK_UM), COBALT)


def areal_density(
    phantom: Phantom, element: str, x_um: Array, y_um: Array, theta_deg: float = 0.0
) -> NDArray[np.float32]:
    """Mass of an element along the beam, averaged over each pixel.

    Parameters
    ----------
    phantom : Phantom
    element : str
        Its symbol.
    x_um, y_um : array (nx,), (ny,)
        Pixel centres about the rotation axis, evenly rising, the same step on both.
    theta_deg : float
        Angle of the rotation stage.

    Returns
    -------
    float32 (ny, nx), g/cm2
    """
    density = np.zeros((np.size(y_um), np.size(x_um)), np.float32)
    turn = turned(math.radians(theta_deg))
    for shape in phantom.shapes:
        more = _element_g_cm3(shape.material, element) - _element_g_cm3(shape.host, element)
        patch = shape.project(turn, np.asarray(x_um), np.asarray(y_um)) if more else None
        if patch is not None:
            density[patch.rows, patch.columns] += np.float32(100 * more) * patch.thickness_m
    return density


@lru_cache(maxsize=256)
def _element_g_cm3(material: Material, element: str) -> float:
    """Mass of an element in a volume of a material."""
    import xraydb

    if material == AIR:
        return 0.0
    atoms = xraydb.chemparse(material.formula)
    mass = molar_mass_g({element: atoms.get(element, 0.0)})
    return material.density_g_cm3 * mass / molar_mass_g(atoms)
