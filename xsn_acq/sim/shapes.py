"""Solid shapes whose projections are known in closed form.

Sample coordinates: x, y, z in micrometres about the rotation axis at theta = 0. Turned by theta about +y, a
point is seen at t = x cos(theta) + z sin(theta). An axis that leans turns the laboratory's frame after that.
"""

import math
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from xsn_acq.sim.near_edge import NearEdge
from xsn_acq.sim.pooling import Array, pooled
from xsn_acq.units import UM

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Material:
    """A compound and its density; ``formula`` empty means nothing at all.

    ``near_edge`` is how one of its elements absorbs close to its edge; None: as the tables have it.
    """

    name: str
    formula: str = ""
    density_g_cm3: float = 0.0
    near_edge: NearEdge | None = None


AIR = Material("air")


@dataclass(frozen=True)
class Patch:
    """Thickness in metres on a part of the grid."""

    rows: slice
    columns: slice
    thickness_m: Array


class Shape(Protocol):
    """A solid of ``material`` that takes the place of ``host``."""

    @property
    def material(self) -> Material:
        """What it is made of."""

    @property
    def host(self) -> Material:
        """What was there before."""

    @property
    def reach_um(self) -> float:
        """Largest distance from the rotation axis."""

    @property
    def span_y_um(self) -> tuple[float, float]:
        """Lowest and highest y."""

    def project(self, turn: Array, x_um: Array, y_um: Array) -> Patch | None:
        """Return the thickness along the beam, averaged over each pixel; None when out of view.

        ``turn`` (3, 3) takes sample coordinates to the laboratory's.
        """

    def contains(self, x_um: Array, y_um: Array, z_um: Array) -> NDArray[np.bool_]:
        """Return which points are inside, by broadcasting."""


@dataclass(frozen=True)
class Ellipsoid:
    """Points with (r - centre)^T C^-1 (r - centre) <= 1.

    Parameters
    ----------
    centre_um : (x, y, z)
    form_um2 : 3 x 3
        C = R diag(a^2) R^T with semi-axes a and orientation R.
    """

    centre_um: Vector
    form_um2: tuple[Vector, Vector, Vector]
    material: Material
    host: Material = AIR

    @classmethod
    def sphere(cls, centre_um: Vector, radius_um: float, material: Material, host: Material = AIR) -> Self:
        """Return a ball."""
        return cls.oblate(centre_um, radius_um, radius_um, (0.0, 1.0, 0.0), material, host)

    @classmethod
    def oblate(
        cls,
        centre_um: Vector,
        radius_um: float,
        half_thickness_um: float,
        normal: Vector,
        material: Material,
        host: Material = AIR,
    ) -> Self:
        """Return a lens: round, flattened along ``normal``."""
        n = np.asarray(normal, float) / np.linalg.norm(normal)
        outer = np.outer(n, n)
        form = radius_um**2 * (np.eye(3) - outer) + half_thickness_um**2 * outer
        rows = tuple(tuple(float(v) for v in row) for row in form)
        return cls(centre_um, rows, material, host)  # type: ignore[arg-type]

    @property
    def reach_um(self) -> float:
        """Largest distance from the rotation axis (bound)."""
        c = np.asarray(self.form_um2)[np.ix_([0, 2], [0, 2])]
        return math.hypot(self.centre_um[0], self.centre_um[2]) + float(np.sqrt(np.linalg.eigvalsh(c).max()))

    @property
    def span_y_um(self) -> tuple[float, float]:
        """Lowest and highest y."""
        half = math.sqrt(self.form_um2[1][1])
        return self.centre_um[1] - half, self.centre_um[1] + half

    def project(self, turn: Array, x_um: Array, y_um: Array) -> Patch | None:
        """Return the chord 2 sqrt(det C / det C_xy) sqrt(1 - q), q the quadratic form of the shadow C_xy."""
        centre, form = turn @ np.asarray(self.centre_um), turn @ np.asarray(self.form_um2) @ turn.T
        shadow = form[:2, :2]
        pitch = _pitch(x_um)
        columns = _within(x_um, centre[0], math.sqrt(shadow[0, 0]) + pitch)
        rows = _within(y_um, centre[1], math.sqrt(shadow[1, 1]) + pitch)
        if columns.start >= columns.stop or rows.start >= rows.stop:
            return None
        longest = 2 * math.sqrt(np.linalg.det(form) / np.linalg.det(shadow)) * UM
        thinnest = math.sqrt(np.linalg.eigvalsh(shadow)[0])
        parts = 2 if thinnest > 8 * pitch else 4
        x = _subdivided(x_um[columns] - centre[0], pitch, parts).astype(np.float32)
        y = _subdivided(y_um[rows] - centre[1], pitch, parts).astype(np.float32)
        inverse = np.linalg.inv(shadow).astype(np.float32)
        inside = (1 - inverse[0, 0] * x**2) - (inverse[1, 1] * y**2)[:, None]
        if inverse[0, 1] != 0:
            inside -= np.multiply.outer(2 * inverse[0, 1] * y, x)
        np.sqrt(np.maximum(inside, 0, out=inside), out=inside)
        return Patch(rows, columns, pooled(inside, parts) * np.float32(longest))

    def contains(self, x_um: Array, y_um: Array, z_um: Array) -> NDArray[np.bool_]:
        """Return which points are inside, by broadcasting."""
        a = np.linalg.inv(np.asarray(self.form_um2))
        x, y, z = (v - c for v, c in zip((x_um, y_um, z_um), self.centre_um, strict=True))
        form = a[0, 0] * x * x + a[1, 1] * y * y + a[2, 2] * z * z
        mixed = a[0, 1] * x * y + a[0, 2] * x * z + a[1, 2] * y * z
        inside: NDArray[np.bool_] = form + 2 * mixed <= 1
        return inside


@dataclass(frozen=True)
class VerticalCylinder:
    """An upright cylinder without ends, axis along y at ``centre_um`` (x, z)."""

    centre_um: tuple[float, float]
    radius_um: float
    material: Material
    host: Material = AIR

    @property
    def reach_um(self) -> float:
        """Largest distance from the rotation axis."""
        return math.hypot(*self.centre_um) + self.radius_um

    @property
    def span_y_um(self) -> tuple[float, float]:
        """Lowest and highest y: none."""
        return -math.inf, math.inf

    def project(self, turn: Array, x_um: Array, y_um: Array) -> Patch | None:
        """Return the chord, exactly averaged over each pixel along x (and along y where it stands upright).

        Leaning along (dx, dy, dz), at a distance s from its middle line in the image, a cylinder is
        2 sqrt(r^2 - s^2) / hypot(dx, dy) thick.
        """
        pitch, radius = _pitch(x_um), self.radius_um
        centre = turn @ np.array([self.centre_um[0], 0.0, self.centre_um[1]])
        dx, dy, _ = turn[:, 1]
        across = math.hypot(dx, dy)  # s grows by dy / across for each step along x
        rows = y_um if dx != 0 else y_um[:1]
        middle = centre[0] + (rows - centre[1]) * dx / dy
        half = radius * across / abs(dy) + pitch
        columns = _within(x_um, 0.5 * (middle.min() + middle.max()), 0.5 * np.ptp(middle) + half)
        if columns.start >= columns.stop:
            return None
        x = x_um[columns]
        if pitch > 0:
            edges = np.append(x - pitch / 2, x[-1] + pitch / 2) - middle[:, None]
            chord = np.diff(_disc_area(edges * abs(dy) / across, radius)) / (pitch * abs(dy))
        else:
            distance = (x - middle[:, None]) * abs(dy) / across
            chord = 2 * np.sqrt(np.maximum(radius**2 - distance**2, 0)) / across
        return Patch(slice(0, y_um.size), columns, (chord * UM).astype(np.float32))

    def contains(self, x_um: Array, y_um: Array, z_um: Array) -> NDArray[np.bool_]:
        """Return which points are inside, by broadcasting."""
        inside = (x_um - self.centre_um[0]) ** 2 + (z_um - self.centre_um[1]) ** 2 <= self.radius_um**2
        return inside & np.isfinite(y_um)


def turned(theta_rad: float) -> Array:
    """Return the rotation (3, 3) about +y: x' = x cos + z sin, z' = -x sin + z cos."""
    c, s = math.cos(theta_rad), math.sin(theta_rad)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def leaning(roll_rad: float, tilt_rad: float) -> Array:
    """Return the rotation (3, 3) that takes +y to the axis (sin r cos t, cos r cos t, sin t).

    With roll r > 0 the axis goes to larger x as y grows, with tilt t > 0 downstream.
    """
    cr, sr, ct, st = math.cos(roll_rad), math.sin(roll_rad), math.cos(tilt_rad), math.sin(tilt_rad)
    roll = np.array([[cr, sr, 0.0], [-sr, cr, 0.0], [0.0, 0.0, 1.0]])
    tilt = np.array([[1.0, 0.0, 0.0], [0.0, ct, -st], [0.0, st, ct]])
    upright: Array = roll @ tilt
    return upright


def _pitch(axis: Array) -> float:
    return float(axis[1] - axis[0]) if axis.size > 1 else 0.0


def _within(axis: Array, centre: float, half: float) -> slice:
    """Pixels of a rising axis that lie within ``half`` of the centre."""
    begin, end = np.searchsorted(axis, (centre - half, centre + half))
    return slice(int(begin), int(end))


def _subdivided(axis: Array, pitch: float, parts: int) -> Array:
    """Centres of ``parts`` equal parts of each pixel."""
    offsets = ((np.arange(parts) + 0.5) / parts - 0.5) * pitch
    return (axis[:, None] + offsets).ravel()


def _disc_area(x: Array, radius: float) -> Array:
    """Area of a disc left of x: the integral of its chord."""
    s = np.clip(x / radius, -1, 1)
    return radius**2 * (s * np.sqrt(1 - s**2) + np.arcsin(s) + math.pi / 2)
