"""Two reconstructions of one sample at two energies, read on one grid, a few rows at once."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xsn_acq.analysis.profile import depth_below_surface, distance_from
from xsn_acq.analysis.registration import Placement, match_volumes, pooled, resample_rows
from xsn_acq.analysis.xsn_stream import Quantity
from xsn_acq.closing import Closing
from xsn_acq.errors import ReconstructionError
from xsn_acq.live.volume import QUANTITIES, VolumeFile
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.units import energy_ev

_TRUNCATE = 3.0
_ROUGH_VOXELS = 256
_ROUGH_SIGMA = 1.5
_AIR_ROWS = 16
_AIR_FRACTION = 0.5
_LEAST_AIR = 1000
_ROUNDS = 30

Images = dict[tuple[Quantity, int], FloatArray]
"""Rows of each quantity at the lower (0) and the higher (1) energy."""
Noise = dict[tuple[Quantity, int], float]


class EnergyPair(Closing):
    """Volumes at a lower and a higher energy; the grid is the lower one's.

    Parameters
    ----------
    first, second : Path
        ``reconstruction.h5`` of both, in any order.

    Raises
    ------
    StorageError
        A file is no reconstruction.
    ReconstructionError
        Both have the same energy, or do not show the same sample.
    """

    def __init__(self, first: Path, second: Path) -> None:
        files = [VolumeFile(first), VolumeFile(second)]
        self.files = sorted(files, key=lambda file: -file.wavelength_m)
        self.energies_ev = [energy_ev(file.wavelength_m) for file in self.files]
        self.voxel_m = self.files[0].pixel_size_m
        self.shape: tuple[int, int, int] = self.files[0].delta.shape
        try:
            self.placement = self._matched()
        except BaseException:
            self.close()
            raise

    def _matched(self) -> Placement:
        low, high = self.files
        if self.energies_ev[0] == self.energies_ev[1]:
            raise ReconstructionError(
                f"chemistry: wanted volumes at two energies, found {self.energies_ev[0]:.1f} eV twice"
            )
        return match_volumes(low.delta, high.delta, low.pixel_size_m, high.pixel_size_m)

    def rows(self, rows: slice, *, sigma: float = 0.0, deltas: bool = True) -> tuple[Images, Images]:
        """Read rows of all volumes.

        Parameters
        ----------
        rows : slice
        sigma : float, voxels
            Standard deviation of a Gaussian that smooths in all three directions.
        deltas : bool
            False leaves delta at the higher energy out.

        Returns
        -------
        plain, smooth : Images
            As they are, and smoothed.
        """
        reach = math.ceil(_TRUNCATE * sigma)
        start, stop, _ = rows.indices(self.shape[0])
        low, high = max(0, start - reach), min(self.shape[0], stop + reach)
        inner = slice(start - low, stop - low)
        plain: Images = {}
        smooth: Images = {}
        for quantity in QUANTITIES:
            for which in (0, 1) if deltas or quantity == "beta" else (0,):
                image = self._read(quantity, which, slice(low, high))
                plain[quantity, which] = smooth[quantity, which] = image[inner]
                if sigma > 0:
                    blurred = ndimage.gaussian_filter(image, sigma, mode="nearest", truncate=_TRUNCATE)
                    smooth[quantity, which] = blurred[inner]
        return plain, smooth

    def _read(self, quantity: Quantity, which: int, rows: slice) -> FloatArray:
        source = getattr(self.files[which], quantity)
        if which == 0:
            return np.asarray(source[rows], dtype=np.float32)
        return resample_rows(source, self.placement, self.shape, rows)

    def noise(self, solid_delta: float, *, sigma: float = 0.0) -> tuple[Noise, Noise]:
        """Standard deviation of a voxel in the air of the middle rows, plain and smoothed.

        Where the sample fills the field: that of the half sets, which stands for the smoothed one too, as an
        upper bound.

        Raises
        ------
        ReconstructionError
            When there is too little air around the sample, and half sets were not compared.
        """
        middle = max(0, self.shape[0] // 2 - _AIR_ROWS // 2)
        plain, smooth = self.rows(slice(middle, middle + _AIR_ROWS), sigma=sigma)
        rough = ndimage.gaussian_filter(plain["delta", 0], _ROUGH_SIGMA)
        air = ndimage.binary_erosion(rough < _AIR_FRACTION * solid_delta, iterations=2, border_value=1)
        air &= _seen(self.shape[1:])
        if air.sum() < _LEAST_AIR:
            return self._noise_of_halves(int(air.sum()))
        both = ({key: float(np.std(image[air])) for key, image in each.items()} for each in (plain, smooth))
        return next(both), next(both)

    def _noise_of_halves(self, air_voxels: int) -> tuple[Noise, Noise]:
        known = [file.noise for file in self.files]
        if any(quantity not in each for quantity in QUANTITIES for each in known):
            raise ReconstructionError(
                f"chemistry: noise: wanted {_LEAST_AIR} voxels of air around the sample in the middle rows, "
                f"found {air_voxels}, and no half sets in the files; xsn-acq reconstruct compares them"
            )
        noise: Noise = {(q, which): known[which][q] for q in QUANTITIES for which in (0, 1)}
        return noise, noise

    def close(self) -> None:
        """Close the files."""
        for file in self.files:
            file.close()


def _seen(shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Circle that every projection sees."""
    z, x = (np.arange(n) - (n - 1) / 2 for n in shape)
    return np.asarray(np.hypot(z[:, None], x) < 0.95 * min(shape) / 2)


class Particle:
    """Where the particle is: distance of voxels from its surface or from a point, at any size of volume.

    Parameters
    ----------
    pair : EnergyPair
    centre_m : (y, z, x), optional
        Count from this point, metres from the volume's centre; left out: from the particle's surface inwards.

    Attributes
    ----------
    solid_delta : float
        Delta above which a voxel belongs to the particle: midway between it and what is around it.
    reach_m : float
        Greatest distance in the particle.
    finest_m : float
        How finely distances are known: a voxel, or those that are pooled to find the surface.
    """

    def __init__(self, pair: EnergyPair, centre_m: tuple[float, float, float] | None = None) -> None:
        self._pair = pair
        self._pool = math.ceil(max(pair.shape) / _ROUGH_VOXELS)
        rough = ndimage.gaussian_filter(pooled(pair.files[0].delta, self._pool), _ROUGH_SIGMA / self._pool)
        self.solid_delta = between_two_means(rough)
        self._centre_m = centre_m
        voxel_m = self._pool * pair.voxel_m
        inside = rough > self.solid_delta
        if centre_m is None:
            self._depth = depth_below_surface(inside, voxel_m).astype(np.float32)
        else:
            at = tuple(c / voxel_m + (n - 1) / 2 for c, n in zip(centre_m, rough.shape, strict=True))
            self._depth = distance_from(rough.shape, at, voxel_m).astype(np.float32)
        self.finest_m = pair.voxel_m if centre_m is not None else voxel_m
        self.reach_m = float(self._depth[inside].max(initial=0.0))

    def distance_m(self, rows: slice) -> FloatArray:
        """Distance of the voxels of some rows, metres, float32 (rows, nz, nx)."""
        start, stop, _ = rows.indices(self._pair.shape[0])
        shape = (stop - start, *self._pair.shape[1:])
        if self._centre_m is not None:
            voxel, whole = self._pair.voxel_m, self._pair.shape
            at = tuple(c / voxel + (n - 1) / 2 for c, n in zip(self._centre_m, whole, strict=True))
            return distance_from(shape, at, voxel, start_row=start)
        if self._pool == 1:
            return self._depth[start:stop]
        first = (np.array([start, 0, 0]) + 0.5) / self._pool - 0.5
        step = np.full(3, 1 / self._pool)
        return np.asarray(
            ndimage.affine_transform(self._depth, step, first, shape, np.float32, order=1, mode="nearest")
        )


def between_two_means(values: FloatArray) -> float:
    """Threshold midway between the means of what lies below and above it (Ridler and Calvard, 1978).

    >>> between_two_means(np.array([0.0, 0.1, -0.1, 2.0, 2.2, 1.8]))
    1.0
    """
    threshold = 0.5 * float(values.min() + values.max())
    for _ in range(_ROUNDS):
        above = values > threshold
        if above.all() or not above.any():
            break
        threshold = 0.5 * float(values[above].mean(dtype=float) + values[~above].mean(dtype=float))
    return threshold
