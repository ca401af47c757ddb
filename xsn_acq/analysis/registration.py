"""Two volumes of one sample on one grid: rescaled, because a zone plate magnifies by energy, and shifted."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from xsn_acq.analysis.matching import shift_between
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

HALO_ROWS = 12
"""Rows beyond a slab that its cubic splines need: their weight falls as 0.27 to this power."""
_COARSE_VOXELS = 96
_FINE_VOXELS = 160
_ROUNDS = 2


@dataclass(frozen=True)
class Placement:
    """Where the voxels of a reference lie in another volume of the same sample.

    Attributes
    ----------
    scale : float
        Voxel of the reference over voxel of the other.
    shift_voxels : (y, z, x)
        The sample stands so far towards larger coordinates in the other volume, in voxels of the reference.
    correlation : float
        Of both volumes after the match, in the band that was used; 1 at best.
    """

    scale: float
    shift_voxels: tuple[float, float, float]
    correlation: float = 1.0

    def origin(self, shape: tuple[int, ...], other_shape: tuple[int, ...]) -> FloatArray:
        """Where the reference's voxel (0, 0, 0) lies in the other volume; both turn about their centres."""
        centre, other_centre = (0.5 * (np.asarray(each) - 1) for each in (shape, other_shape))
        return np.asarray(other_centre + self.scale * (np.asarray(self.shift_voxels) - centre))


def match_volumes(
    reference: Any,
    other: Any,
    voxel_m: float,
    other_voxel_m: float,
    *,
    least_correlation: float = 0.2,
) -> Placement:
    """Find where a volume lies in another of the same sample, to a small part of a voxel.

    First on both volumes pooled to some 100 voxels a side, then on the block with the richest structure, at
    full resolution. Take delta of both: it has the better signal.

    Parameters
    ----------
    reference, other : (ny, nz, nx), or HDF5 datasets
        Of datasets a few rows are read at once, and the block.
    voxel_m, other_voxel_m : float
        The scale follows from these; it is not searched.
    least_correlation : float
        Below this the volumes do not show the same sample.

    Returns
    -------
    Placement

    Raises
    ------
    ReconstructionError
        The volumes do not match.
    """
    scale = voxel_m / other_voxel_m
    pool = max(1, math.ceil(max(reference.shape) / _COARSE_VOXELS))
    coarse = pooled(reference, pool)
    start = _coarse_match(reference.shape, other, coarse, pool, scale)
    block = richest_block(coarse, pool, reference.shape)
    still = np.asarray(reference[block], dtype=np.float32)
    for _ in range(_ROUNDS):
        step, found = shift_between(still, resample_block(other, start, reference.shape, block))
        start = _moved(start, step, found)
    if start.correlation < least_correlation:
        raise ReconstructionError(
            f"registration: wanted a correlation of {least_correlation} or more, found "
            f"{start.correlation:.2f}; do both volumes show the same sample?"
        )
    return start


def _coarse_match(
    shape: tuple[int, ...], other: Any, coarse: FloatArray, pool: int, scale: float
) -> Placement:
    """Match pooled volumes; their centres lie off by the remainders that pooling leaves out."""
    coarse_other = pooled(other, pool)
    off, off_other = (
        0.5 * (pool * np.asarray(few.shape) - np.asarray(many))
        for few, many in ((coarse, shape), (coarse_other, other.shape))
    )
    start = Placement(scale, (0.0, 0.0, 0.0))
    for _ in range(_ROUNDS):
        whole = (slice(None),) * 3
        step, found = shift_between(coarse, resample_block(coarse_other, start, coarse.shape, whole))
        start = _moved(start, step, found)
    shift = pool * np.asarray(start.shift_voxels) - off + off_other / scale
    return _moved(Placement(scale, (0.0, 0.0, 0.0)), shift, start.correlation)


def _moved(placement: Placement, step: FloatArray, correlation: float) -> Placement:
    y, z, x = (float(a + b) for a, b in zip(placement.shift_voxels, step, strict=True))
    return Placement(placement.scale, (y, z, x), correlation)


def resample_rows(other: Any, placement: Placement, shape: tuple[int, ...], rows: slice) -> FloatArray:
    """Read rows of a volume on the reference's grid, by cubic splines.

    Parameters
    ----------
    other : (ny, nz, nx), or an HDF5 dataset: only the rows that are needed are read
    placement : Placement
    shape : (ny, nz, nx)
        Of the reference.
    rows : slice
        Rows of the reference.

    Returns
    -------
    float32 (rows, nz, nx); the nearest voxel's value beyond the other volume's border
    """
    start, stop, _ = rows.indices(shape[0])
    return resample_block(other, placement, shape, (slice(start, stop), slice(None), slice(None)))


def resample_block(
    other: Any, placement: Placement, shape: tuple[int, ...], block: tuple[slice, ...]
) -> FloatArray:
    """Read a block as `resample_rows` reads rows."""
    ranges = [part.indices(n)[:2] for part, n in zip(block, shape, strict=True)]
    first, last = (np.array([each[side] for each in ranges]) for side in (0, 1))
    at = placement.origin(shape, other.shape) + placement.scale * first
    end = at + placement.scale * (last - first - 1)
    low = np.clip(np.floor(at).astype(int) - HALO_ROWS, 0, np.array(other.shape) - 1)
    high = np.clip(np.ceil(end).astype(int) + HALO_ROWS + 1, low + 1, other.shape)
    source = np.asarray(other[tuple(map(slice, low, high))], dtype=np.float32)
    size = tuple(int(n) for n in last - first)
    return np.asarray(
        ndimage.affine_transform(
            source, np.full(3, placement.scale), at - low, size, np.float32, order=3, mode="nearest"
        )
    )


def pooled(volume: Any, factor: int) -> FloatArray:
    """Means over cubes of ``factor`` voxels a side, reading a few rows at once; remainders are left out."""
    shape = tuple(max(1, n // factor) for n in volume.shape)
    result = np.empty(shape, np.float32)
    for row in range(shape[0]):
        result[row] = _pool(np.asarray(volume[row * factor : (row + 1) * factor]), factor, shape)
    return result


def _pool(rows: FloatArray, factor: int, shape: tuple[int, ...]) -> FloatArray:
    nz, nx = shape[1:]
    part = rows[:, : nz * factor, : nx * factor]
    return np.asarray(part.reshape(len(rows), nz, factor, nx, factor).mean(axis=(0, 2, 4)))


def richest_block(coarse: FloatArray, factor: int, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Block of the full volume, of 160 voxels a side at most, with the strongest contrast."""
    side = [min(n, _FINE_VOXELS) for n in shape]
    if side == list(shape):
        return tuple(slice(0, n) for n in shape)
    size = [max(1, n // factor) for n in side]
    mean, square = (ndimage.uniform_filter(each, size, mode="constant") for each in (coarse, coarse**2))
    at = [int(i) for i in np.unravel_index(int(np.argmax(square - mean**2)), coarse.shape)]
    start = [min(max(0, factor * i - n // 2), whole - n) for i, n, whole in zip(at, side, shape, strict=True)]
    return tuple(slice(a, a + n) for a, n in zip(start, side, strict=True))
