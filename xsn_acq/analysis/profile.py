"""Profiles over shells: distance from a centre or below a surface, mean and standard error of each shell."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray


def distance_from(
    shape: tuple[int, ...], centre: tuple[float, ...], voxel_m: float, *, start_row: int = 0
) -> FloatArray:
    """Distance of each voxel from a point, metres.

    Parameters
    ----------
    shape : (ny, nz, nx)
    centre : (y, z, x), voxels
        Voxel centres at integers.
    voxel_m : float
    start_row : int
        Row of the volume at which a slab of this shape starts.

    Returns
    -------
    float64 (ny, nz, nx)
    """
    axes = [np.arange(n, dtype=float) - at for n, at in zip(shape, centre, strict=True)]
    axes[0] += start_row
    grids = np.meshgrid(*axes, indexing="ij", sparse=True)
    return np.asarray(voxel_m * np.sqrt(sum(grid**2 for grid in grids)))


def depth_below_surface(inside: NDArray[np.bool_], voxel_m: float) -> FloatArray:
    """Distance of each voxel of a particle from its outer surface, metres; negative outside.

    Hollows that do not open to the outside, as cracks, belong to the particle. The surface lies half a voxel
    from the centres of its voxels: depths are right to about half a voxel.

    Parameters
    ----------
    inside : bool (ny, nz, nx)
    voxel_m : float

    Returns
    -------
    float64 (ny, nz, nx)
    """
    filled = ndimage.binary_fill_holes(inside)
    within = ndimage.distance_transform_edt(filled)
    without = ndimage.distance_transform_edt(~filled)
    return np.asarray(voxel_m * np.where(filled, within - 0.5, 0.5 - without))


@dataclass(frozen=True, eq=False)
class Profile:
    """Shell by shell, from the smallest distance.

    Attributes
    ----------
    edges_m : (n + 1,)
        Borders of the shells.
    mean, error : (quantities, n)
        Mean of the voxels and its standard error; NaN in a shell with too few voxels.
    covariance : (quantities, quantities, n)
        Of the means.
    voxels : (n,)
        How many were used.
    """

    edges_m: FloatArray
    mean: FloatArray
    error: FloatArray
    covariance: FloatArray
    voxels: NDArray[np.int64]

    @property
    def middle_m(self) -> FloatArray:
        """Middle of each shell."""
        return 0.5 * (self.edges_m[1:] + self.edges_m[:-1])


class ShellProfile:
    """Means over shells, fed slab by slab.

    Parameters
    ----------
    edges_m : (n + 1,)
        Borders of the shells, rising.
    quantities : int
        How many volumes are averaged at once.
    margin_m : float
        Voxels nearer than this to a border are left out, because the blur mixes both sides. Shells thinner
        than twice the margin come out empty: compare those with a truth blurred alike, or undo the blur with
        `unblurred_means`.
    correlated_voxels : float
        Voxels that share one resolution element: the standard error grows by the root of it.
    """

    def __init__(
        self,
        edges_m: ArrayLike,
        *,
        quantities: int = 1,
        margin_m: float = 0.0,
        correlated_voxels: float = 1.0,
    ) -> None:
        self._edges = np.asarray(edges_m, dtype=float)
        if self._edges.ndim != 1 or self._edges.size < 2 or np.any(np.diff(self._edges) <= 0):
            raise ReconstructionError("shells: wanted two or more rising borders")
        self._quantities = quantities
        self._margin = margin_m
        self._correlated = correlated_voxels
        self.clear()

    def clear(self) -> None:
        """Forget all voxels."""
        n, q = self._edges.size - 1, self._quantities
        self._count = np.zeros(n, np.int64)
        self._sum = np.zeros((q, n))
        self._square = np.zeros((q, q, n))

    def push(self, values: ArrayLike, distance_m: FloatArray, where: NDArray[np.bool_] | None = None) -> None:
        """Take voxels.

        Parameters
        ----------
        values : (quantities, ...) or (...) for a single quantity
            Voxels where one is NaN are left out.
        distance_m : (...)
        where : bool (...), optional
            Voxels that count.
        """
        data = np.asarray(values, dtype=float).reshape(self._quantities, -1)
        distance = np.ravel(distance_m)
        shell = np.searchsorted(self._edges, distance, side="right") - 1
        n = self._edges.size - 1
        good = (shell >= 0) & (shell < n) & np.isfinite(data).all(axis=0)
        if where is not None:
            good &= np.ravel(where)
        shell, data, distance = shell[good], data[:, good], distance[good]
        if self._margin > 0:
            off = np.minimum(distance - self._edges[shell], self._edges[shell + 1] - distance)
            clear = off >= self._margin
            shell, data = shell[clear], data[:, clear]
        self._count += np.bincount(shell, minlength=n)
        for i, first in enumerate(data):
            self._sum[i] += np.bincount(shell, first, minlength=n)
            for j, second in enumerate(data):
                self._square[i, j] += np.bincount(shell, first * second, minlength=n)

    def value(self) -> Profile:
        """Means and standard errors so far."""
        count = self._count.astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(count > 0, self._sum / count, np.nan)
            spread = (self._square / count - mean[:, None] * mean[None]) * count / (count - 1)
            covariance = np.where(count > 1, spread * self._correlated / count, np.nan)
        error = np.sqrt(np.maximum(np.moveaxis(np.diagonal(covariance), -1, 0), 0))
        return Profile(self._edges, mean, error, covariance, self._count.copy())


def unblurred_means(values: FloatArray, regions: ArrayLike, blur_sigma_voxels: float) -> FloatArray:
    """Mean of each region with the known blur undone, for regions that are uniform inside.

    The blurred image of each region tells how much of it lies in every other; the means follow from a linear
    system (geometric transfer matrix: Rousset et al., J. Nucl. Med. 39, 904 (1998)).

    Parameters
    ----------
    values : (ny, nz, nx)
        Blurred measurement.
    regions : (n, ny, nz, nx)
        Part of each voxel, 0 to 1, that belongs to each region; air is a region too.
    blur_sigma_voxels : float
        Standard deviation of the Gaussian blur.

    Returns
    -------
    (n,)
        Value of each region.

    Raises
    ------
    ReconstructionError
        A region is empty, or the blur leaves nothing to tell two regions apart.
    """
    parts = np.asarray(regions, dtype=np.float32)
    sizes = parts.sum(axis=(1, 2, 3), dtype=float)
    blurred = (ndimage.gaussian_filter(part, blur_sigma_voxels, mode="nearest") for part in parts)
    overlap = np.stack([np.tensordot(parts, each, 3) for each in blurred], axis=1)
    try:
        return np.asarray(np.linalg.solve(overlap, np.tensordot(parts, values, 3)))
    except np.linalg.LinAlgError as error:
        raise ReconstructionError(
            f"shells: wanted {len(parts)} regions that can be told apart, found sizes {sizes} voxels and a "
            f"blur of {blur_sigma_voxels:g}"
        ) from error
