"""How much of each element a particle or a region holds, straight from the counts, with its uncertainty.

A map that is smoothed hides what is small: a fragment shows a part of its content and the rest is spread over
its surroundings. A region whose outline is known needs no smoothing: its sum is one number, and the patterns
hold hundreds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from xsn_acq.analysis.nxsci.forward import Whitened, whiten
from xsn_acq.analysis.nxsci.guided import seen_thickness
from xsn_acq.analysis.nxsci.problem import Guide, Sweep, check_fit
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

_RIM_PIXELS = 2.0
_LEAST_SCATTER, _MOST_SCATTER, _HALVINGS = 1e-3, 10.0, 30


@dataclass(frozen=True, eq=False)
class RegionSums:
    """Sums over regions.

    Attributes
    ----------
    labels : (K,)
        The regions, in rising order.
    sums : (E, K)
        Line counts per unit illumination, all pixels of the region together.
    covariance : (E, K, K)
        Of the sums. Neighbours are anticorrelated: what one has too much, the other has too little.
    scatter : (E,)
        Of the pixels about their region's shape, relative, as the counts show it; it is in the covariance.
    regions : int (ny, nx)
        The labels as they were used, with their rims.
    """

    labels: NDArray[np.intp]
    sums: FloatArray
    covariance: FloatArray
    scatter: FloatArray
    regions: NDArray[np.intp]

    @property
    def sigma(self) -> FloatArray:
        """Standard error of each sum, (E, K)."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))

    def total(self, chosen: NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
        """Sum over some regions together and its standard error, (E,) each.

        Parameters
        ----------
        chosen : labels
        """
        pick = np.isin(self.labels, chosen).astype(float)
        return self.sums @ pick, np.sqrt(np.einsum("k,ekl,l->e", pick, self.covariance, pick))


def region_sums(sweep: Sweep, guide: Guide, labels: NDArray[np.intp]) -> RegionSums:
    """Regress the counts on what each region would give alone.

    Within a region the element goes as the TXM image's absorbance; each region is free, and may come out
    negative within its error. What varies within a region, rims, and light finer than the pixels show in the
    counts as scatter, and widen the errors.

    Parameters
    ----------
    sweep : Sweep
    guide : Guide
        On the pixels of the patterns.
    labels : int (ny, nx)
        Number of the region each pixel belongs to; negative: empty. Empty pixels up to 2 pixels from a
        region are counted to it.

    Returns
    -------
    RegionSums

    Raises
    ------
    ReconstructionError
        Other pixels than the patterns', no region, or as many regions as patterns.
    """
    check_fit(sweep, guide)
    if labels.shape != sweep.shape:
        raise ReconstructionError(f"region sums: wanted labels of shape {sweep.shape}, found {labels.shape}")
    regions = _with_rims(labels)
    known = np.unique(labels[labels >= 0])
    number = sweep.counts.shape[1]
    if not 0 < len(known) < number:
        raise ReconstructionError(
            f"region sums: wanted 1 to {number - 1} regions for {number} patterns, found {len(known)}; "
            "join regions"
        )
    light = whiten(sweep)
    shapes = _shapes(guide, regions, known)
    seen = light.forward(shapes).T
    fits = [
        _regress(light, seen, data, shapes, start)
        for data, start in zip(light.data, light.data @ np.linalg.pinv(seen).T, strict=True)
    ]
    sums, covariance, scatter = (np.array(part) for part in zip(*fits, strict=True))
    scale = light.scale[:, None]
    return RegionSums(known, sums * scale, covariance * scale[..., None] ** 2, scatter, regions)


def _regress(
    light: Whitened, seen: FloatArray, data: FloatArray, shapes: FloatArray, start: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """Generalised least squares: noise of 1, and a relative scatter of each pixel about its region's shape.

    The scatter is as large as makes chi-square what it must be. Returns sums (K,), covariance (K, K) and it.
    """
    free = seen.shape[0] - seen.shape[1]
    spread = start @ shapes
    roots = np.concatenate([light.rows(rows) * spread for rows in light.blocks()])
    values, turn = np.linalg.eigh(np.asarray(roots @ roots.T, dtype=float))
    values, x, y = np.maximum(values, 0.0), turn.T @ seen, turn.T @ data

    def fit(variance: float) -> tuple[FloatArray, FloatArray, float]:
        weight = 1 / (1 + variance * values)
        inverse = np.linalg.pinv((x.T * weight) @ x)
        sums = inverse @ (x.T @ (weight * y))
        return sums, inverse, float(weight @ (y - x @ sums) ** 2)

    low, high = _LEAST_SCATTER**2, _MOST_SCATTER**2
    if fit(low)[2] <= free:
        return *fit(low)[:2], 0.0
    for _ in range(_HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if fit(middle)[2] > free else (low, middle)
    return *fit(high)[:2], high**0.5


def _with_rims(labels: NDArray[np.intp]) -> NDArray[np.intp]:
    """Let each region take the empty pixels around it: matter covers a part of them, and blur some more."""
    distance, nearest = distance_transform_edt(labels < 0, return_indices=True)
    return np.asarray(np.where(distance <= _RIM_PIXELS, labels[tuple(nearest)], -1))


def _shapes(guide: Guide, labels: NDArray[np.intp], known: NDArray[np.intp]) -> FloatArray:
    """Absorbance of each region alone, its sum 1, (K, M)."""
    thickness = seen_thickness(guide).ravel()
    shapes = np.where(labels.ravel() == known[:, None], thickness, 0.0)
    return np.asarray(shapes / shapes.sum(axis=1, keepdims=True))
