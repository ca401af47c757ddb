"""How good a volume is, against a truth or a table of values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


@dataclass(frozen=True)
class MaterialValue:
    """Mean of one material's voxels beside its true value; ``voxels`` is how many were used."""

    material: str
    measured: float
    truth: float
    voxels: int

    @property
    def error(self) -> float:
        """Relative error, (measured - truth) / truth."""
        return (self.measured - self.truth) / self.truth


def interior(labels: NDArray[np.integer[Any]], label: int, erosion: int) -> NDArray[np.bool_]:
    """Voxels of ``label`` at least ``erosion`` voxels away from any other label.

    Parameters
    ----------
    labels : (ny, nz, nx) int array
    label : int
    erosion : int, voxels
        Edges are blurred by the optics; means are taken inside.
    """
    inside = labels == label
    if erosion == 0:
        return inside
    return ndimage.binary_erosion(inside, iterations=erosion)


def material_values(
    volume: NDArray[Any],
    labels: NDArray[np.integer[Any]],
    truth: Mapping[str, tuple[int, float]],
    *,
    erosion: int = 2,
) -> list[MaterialValue]:
    """Mean of ``volume`` inside each material.

    The ramp filter of the back-projection makes the noise of neighbours opposite: in a mean it cancels, in a
    median it does not. Over a few hundred voxels of beta the mean is twice as sure.

    Parameters
    ----------
    volume, labels : (ny, nz, nx) arrays
        Delta or beta, and which material each voxel belongs to.
    truth : mapping of material name to (label, true value)
    erosion : int, voxels
        See `interior`.

    Returns
    -------
    list of MaterialValue
        In the order of ``truth``; a material without a voxel inside is left out.
    """
    found = []
    for material, (label, value) in truth.items():
        mask = interior(labels, label, erosion)
        count = int(mask.sum())
        if count:
            found.append(MaterialValue(material, float(np.mean(volume[mask], dtype=float)), value, count))
    return found


@dataclass(frozen=True)
class Background:
    """Where nothing is: median (what is systematic) and standard deviation of a voxel (what is noise)."""

    median: float
    voxel_sigma: float


def background(volume: NDArray[Any], labels: NDArray[np.integer[Any]], *, erosion: int = 4) -> Background:
    """Judge the air around the sample, inside the circle that every projection sees.

    Parameters
    ----------
    volume, labels : (ny, nz, nx) arrays
        Label 0 is air.
    erosion : int, voxels
        Distance kept from the sample.
    """
    _, nz, nx = volume.shape
    z, x = np.arange(nz) - (nz - 1) / 2, np.arange(nx) - (nx - 1) / 2
    seen = np.hypot(z[:, None], x[None, :]) < 0.95 * min(nz, nx) / 2
    air = volume[interior(labels, 0, erosion) & seen]
    return Background(float(np.median(air)), float(np.std(air)))
