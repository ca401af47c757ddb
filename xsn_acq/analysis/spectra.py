"""Spectra of regions of an energy stack, image by image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

_PER_EV = 1000
"""Energies that agree to so small a part of an eV are one."""


@dataclass(frozen=True, eq=False)
class Region:
    """Pixels of the reference image, binned ones where it is binned.

    Parameters
    ----------
    name : str
    min_x, min_y, size_x, size_y : int
        Rectangle; not looked at where a mask is given.
    mask : bool (ny, nx), optional
    """

    name: str
    min_x: int = 0
    min_y: int = 0
    size_x: int = 0
    size_y: int = 0
    mask: NDArray[np.bool_] | None = field(default=None, kw_only=True)

    def pixels(self, image: FloatArray) -> FloatArray:
        """Return the region's pixels of an image (ny, nx) as (n,).

        Raises
        ------
        ReconstructionError
            The region is empty or not within the image.
        """
        ny, nx = image.shape
        if self.mask is not None:
            if self.mask.shape != image.shape or not self.mask.any():
                raise ReconstructionError(
                    f"region {self.name!r}: wanted a mask of {image.shape} pixels with some in it, found "
                    f"{np.count_nonzero(self.mask)} in {self.mask.shape}"
                )
            return image[self.mask]
        right, low = self.min_x + self.size_x, self.min_y + self.size_y
        if min(self.size_x, self.size_y) < 1 or min(self.min_x, self.min_y) < 0 or right > nx or low > ny:
            raise ReconstructionError(
                f"region {self.name!r}: wanted pixels within {nx} x {ny}, found columns {self.min_x} to "
                f"{right - 1} and rows {self.min_y} to {low - 1}"
            )
        return image[self.min_y : low, self.min_x : right].ravel()


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Mean of a region at each energy, (n,) each, energies rising.

    Attributes
    ----------
    energy_ev, mean, error : (n,)
        The error is the standard error of the mean: from the variances where they were given, else from the
        scatter of the region's pixels, which is too large where the sample is not even.
    """

    energy_ev: FloatArray
    mean: FloatArray
    error: FloatArray


class RegionSpectra:
    """Means of regions, fed image by image, in any order; images are not kept.

    Images of one energy are averaged: with variances by their inverse, else by the number of pixels. For
    other regions make another and push the images again.

    Parameters
    ----------
    regions : sequence of Region
        Of different names.

    Raises
    ------
    ReconstructionError
        Two regions have one name.
    """

    def __init__(self, regions: Sequence[Region]) -> None:
        names = [region.name for region in regions]
        if len(set(names)) < len(names):
            raise ReconstructionError(f"regions: wanted different names, found {', '.join(names)}")
        self.regions = tuple(regions)
        self.clear()

    def clear(self) -> None:
        """Forget all images."""
        # of each region, quantity and energy: sums of the weights, weighted means and squares of their errors
        self._sums: dict[tuple[str, str], dict[int, FloatArray]] = {}
        self._with_variance: dict[str, bool] = {}

    def push(
        self,
        energy_ev: float,
        images: ArrayLike | Mapping[str, ArrayLike],
        *,
        variance: ArrayLike | Mapping[str, ArrayLike] | None = None,
    ) -> None:
        """Take the images of one energy.

        Parameters
        ----------
        energy_ev : float
            As asked for, not as read back: the images of one energy belong together.
        images : (ny, nx), or mapping of quantity to (ny, nx)
            A single image is the quantity "absorbance". Pixels that are not finite do not count; a region
            without any is left out at this energy.
        variance : the same, optional
            Of one pixel, above 0; for a quantity always or never.

        Raises
        ------
        ReconstructionError
            A region is not within the image, or a quantity comes with a variance once and once without.
        """
        quantities, variances = _named(images), {} if variance is None else _named(variance)
        means = {}
        for quantity, values in quantities.items():
            image = np.asarray(values)
            spread = None if quantity not in variances else np.asarray(variances[quantity])
            if self._with_variance.get(quantity, spread is not None) != (spread is not None):
                raise ReconstructionError(
                    f"spectra of {quantity}: wanted a variance with every image or with none, found both"
                )
            for region in self.regions:
                means[region.name, quantity] = _weighted(region, image, spread)
        for quantity in quantities:  # all images were good: none is taken in part
            self._with_variance[quantity] = quantity in variances
        step = round(energy_ev * _PER_EV)
        for key, (weight, mean, error) in means.items():
            if weight > 0:
                sums = self._sums.setdefault(key, {}).setdefault(step, np.zeros(3))
                sums += (weight, weight * mean, (weight * error) ** 2)

    def value(self) -> dict[str, dict[str, Spectrum]]:
        """Return the spectrum of each region and, in it, quantity."""
        return {
            region.name: {
                quantity: _spectrum(sums)
                for (name, quantity), sums in self._sums.items()
                if name == region.name
            }
            for region in self.regions
        }


def _named(images: ArrayLike | Mapping[str, ArrayLike]) -> Mapping[str, ArrayLike]:
    return images if isinstance(images, Mapping) else {"absorbance": images}


def _weighted(region: Region, image: FloatArray, variance: FloatArray | None) -> tuple[float, float, float]:
    """Weight, mean and standard error; weight 0 without any pixel."""
    pixels = region.pixels(image).astype(float)
    spread = None if variance is None else region.pixels(variance).astype(float)
    good = np.isfinite(pixels) if spread is None else np.isfinite(pixels) & (spread > 0) & np.isfinite(spread)
    n = int(np.count_nonzero(good))
    if n == 0:
        return 0.0, 0.0, 0.0
    mean = float(pixels[good].mean())
    if spread is not None:
        error = float(np.sqrt(spread[good].sum())) / n
        return error**-2, mean, error
    return float(n), mean, float(pixels[good].std(ddof=1)) / n**0.5 if n > 1 else float("nan")


def _spectrum(sums: Mapping[int, FloatArray]) -> Spectrum:
    steps = sorted(sums)
    weight, weighted, square = np.array([sums[step] for step in steps]).T
    return Spectrum(np.array(steps) / _PER_EV, weighted / weight, np.sqrt(square) / weight)
