"""Boxes, which resolution targets are made of."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xsn_acq.sim.pooling import Array, pooled
from xsn_acq.sim.shapes import AIR, Material, Patch, Vector
from xsn_acq.units import UM

_PARTS = 8
_PARALLEL = 1e-9
"""A ray whose direction has a smaller component runs along the face."""


@dataclass(frozen=True)
class Box:
    """A block with its sides along x, y and z of the sample.

    Parameters
    ----------
    centre_um, size_um : (x, y, z)
    """

    centre_um: Vector
    size_um: Vector
    material: Material
    host: Material = AIR

    @property
    def reach_um(self) -> float:
        """Largest distance from the rotation axis."""
        x, _, z = (abs(c) + s / 2 for c, s in zip(self.centre_um, self.size_um, strict=True))
        return math.hypot(x, z)

    @property
    def span_y_um(self) -> tuple[float, float]:
        """Lowest and highest y."""
        return self.centre_um[1] - self.size_um[1] / 2, self.centre_um[1] + self.size_um[1] / 2

    def project(self, turn: Array, x_um: Array, y_um: Array) -> Patch | None:
        """Return how long each ray is within all three pairs of faces, mean of 8 x 8 rays a pixel.

        ``turn`` (3, 3) takes sample coordinates to the laboratory's. None when out of view.
        """
        half = 0.5 * np.asarray(self.size_um)
        centre = turn @ np.asarray(self.centre_um)
        pitch = float(x_um[1] - x_um[0]) if x_um.size > 1 else 0.0
        shadow = np.abs(turn) @ half
        columns = _within(x_um, centre[0], shadow[0] + pitch)
        rows = _within(y_um, centre[1], shadow[1] + pitch)
        if columns.start >= columns.stop or rows.start >= rows.stop:
            return None
        offsets = ((np.arange(_PARTS) + 0.5) / _PARTS - 0.5) * pitch
        x = (x_um[columns, None] + offsets).ravel() - centre[0]
        y = (y_um[rows, None] + offsets).ravel() - centre[1]
        length = pooled(_length_within(half, turn, x, y), _PARTS)
        return Patch(rows, columns, (UM * length).astype(np.float32))

    def contains(self, x_um: Array, y_um: Array, z_um: Array) -> NDArray[np.bool_]:
        """Return which points are inside, by broadcasting."""
        inside = np.ones((), bool)
        for at, centre, size in zip((x_um, y_um, z_um), self.centre_um, self.size_um, strict=True):
            inside = inside & (np.abs(np.asarray(at) - centre) <= size / 2)
        return np.asarray(inside)


def _length_within(half: Array, turn: Array, x: Array, y: Array) -> Array:
    """Length (ny, nx) of rays along z within |coordinate| <= half on each axis of the box."""
    enter, leave = np.full((y.size, x.size), -np.inf), np.full((y.size, x.size), np.inf)
    for axis in range(3):
        start = turn[0, axis] * x + (turn[1, axis] * y)[:, None]
        slope = turn[2, axis]
        if abs(slope) < _PARALLEL:
            leave[np.abs(start) > half[axis]] = -np.inf
            continue
        reach = half[axis] / abs(slope)
        middle = -start / slope
        np.maximum(enter, middle - reach, out=enter)
        np.minimum(leave, middle + reach, out=leave)
    length: Array = np.maximum(leave - enter, 0)
    return length


def _within(axis: Array, centre: float, half: float) -> slice:
    """Pixels of a rising axis that lie within ``half`` of the centre."""
    begin, end = np.searchsorted(axis, (centre - half, centre + half))
    return slice(int(begin), int(end))
