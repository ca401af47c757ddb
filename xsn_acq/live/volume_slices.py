"""Middle slices of the volumes of a hyperspectral scan, at one voxel size and in one place."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from xsn_acq.analysis.energy_stack import StackAligner, to_pixel_size
from xsn_acq.analysis.shift import shift_image
from xsn_acq.live.spectra import Image
from xsn_acq.live.volume import QUANTITIES, VolumeFile
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.units import energy_ev

SLAB_ROWS = 5
"""Rows in the middle of a volume that are averaged."""


def slices_of(volumes: Sequence[Path]) -> Iterator[Image]:
    """Energy, slices (nz, nx) of delta and beta, and the noise of a pixel, of each volume.

    The slices are brought to the voxel size of the first volume, about the rotation axis in their middle, and
    moved to where delta of the first lies: delta hardly changes with the energy, beta does.

    Parameters
    ----------
    volumes : sequence of Path
        ``reconstruction.h5`` of each energy.

    Raises
    ------
    StorageError
        A file is no reconstruction.
    """
    aligner: StackAligner | None = None
    wanted_m = 0.0
    for path in volumes:
        with VolumeFile(path) as volume:
            slices: dict[str, FloatArray] = {name: middle_slab(getattr(volume, name)) for name in QUANTITIES}
            noise: dict[str, float] = {
                name: volume.noise.get(name, math.nan) / math.sqrt(SLAB_ROWS) for name in QUANTITIES
            }
            energy, size_m = energy_ev(volume.wavelength_m), volume.pixel_size_m
        if aligner is None:
            wanted_m, aligner = size_m, StackAligner(slices["delta"])
            yield energy, slices, noise
            continue
        ny, nx = slices["delta"].shape
        centre = ((ny - 1) / 2, (nx - 1) / 2)
        scaled = {
            name: to_pixel_size(image, size_m, wanted_m, centre=centre) for name, image in slices.items()
        }
        aligned, shift, _ = aligner.push(scaled["delta"])
        moved = {"delta": aligned, "beta": _moved(scaled["beta"], shift)}
        yield energy, moved, noise


def middle_slab(volume: FloatArray) -> FloatArray:
    """Mean of the middle rows of a volume (y, z, x), float32 (nz, nx)."""
    rows = min(SLAB_ROWS, volume.shape[0])
    first = (volume.shape[0] - rows) // 2
    return np.asarray(volume[first : first + rows].mean(axis=0, dtype=np.float32))


def _moved(image: FloatArray, shift: Sequence[float]) -> FloatArray:
    """Image moved as another was; not at all where that shift is unknown."""
    rows, columns = (float(part) for part in shift)
    return shift_image(image, rows, columns) if math.isfinite(rows + columns) else image
