"""Many spectra of counts as sums of the same shapes."""

from dataclasses import dataclass

import numpy as np

from xsn_acq.analysis.xrf.nonnegative import nonnegative
from xsn_acq.optics.arrays import FloatArray

_WEIGHTINGS = 2
_LEAST_COUNTS = 0.2
"""Of the expected counts in a bin, where weights are made of them."""
_RIDGE = 1e-12
_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class PoissonFit:
    """Counts of each shape in each spectrum.

    Attributes
    ----------
    counts : (n, parts)
    covariance : (n, parts, parts)
        Inverse of the information that the spectrum has of all parts.
    misfit : (n,)
        Mean square of the deviations in units of the expected ones; those are the counts' own scatter and
        ``shape_error`` of the counts.
    """

    counts: FloatArray
    covariance: FloatArray
    misfit: FloatArray


def poisson_fit(spectra: FloatArray, shapes: FloatArray, shape_error: float = 0.02) -> PoissonFit:
    """Fit spectra with shapes whose counts are not below 0.

    Least squares whose weights are one over the expected counts: first those of the mean of all spectra, then
    those of the fit so far. That is the same as greatest likelihood, without the bias that weights of the
    measured counts have.

    Parameters
    ----------
    spectra : (n, bins)
        Counts.
    shapes : (bins, parts)
    shape_error : float
        Relative error of the shapes, in the judgement of the misfit.

    Returns
    -------
    PoissonFit
    """
    parts = [
        _fitted(spectra[i : i + _AT_ONCE], shapes, shape_error) for i in range(0, len(spectra), _AT_ONCE)
    ]
    return PoissonFit(
        np.concatenate([part.counts for part in parts]),
        np.concatenate([part.covariance for part in parts]),
        np.concatenate([part.misfit for part in parts]),
    )


def _fitted(spectra: FloatArray, shapes: FloatArray, shape_error: float) -> PoissonFit:
    measured = np.asarray(spectra, float)
    pairs = _Pairs(shapes)
    mean = measured.mean(axis=0)
    share = measured.sum(axis=1, keepdims=True) / max(mean.sum(), 1.0)
    expected = share * np.convolve(mean, np.full(9, 1 / 9), "same")
    for _ in range(_WEIGHTINGS):
        weights = 1 / np.maximum(expected, _LEAST_COUNTS)
        information = pairs.summed(weights)
        counts = nonnegative(information, (weights * measured) @ shapes)
        expected = counts @ shapes.T
    variance = np.maximum(expected, _LEAST_COUNTS) + (shape_error * expected) ** 2
    spare = max(shapes.shape[0] - shapes.shape[1], 1)
    misfit = ((measured - expected) ** 2 / variance).sum(axis=1) / spare
    return PoissonFit(counts, np.linalg.inv(information), misfit)


class _Pairs:
    """Products of every two shapes, so that the information of many spectra is one matrix product."""

    def __init__(self, shapes: FloatArray) -> None:
        self._size = shapes.shape[1]
        self._first, self._second = np.triu_indices(self._size)
        self._products = shapes[:, self._first] * shapes[:, self._second]

    def summed(self, weights: FloatArray) -> FloatArray:
        """Information (n, parts, parts) of spectra of these weights (n, bins)."""
        upper = weights @ self._products
        found = np.empty((len(weights), self._size, self._size))
        found[:, self._first, self._second] = upper
        found[:, self._second, self._first] = upper
        strongest = np.einsum("nii->ni", found).max(axis=1)
        found += (_RIDGE * strongest)[:, None, None] * np.eye(self._size)
        return found
