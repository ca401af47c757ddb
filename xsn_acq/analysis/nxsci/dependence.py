"""How much the patterns tell pixels apart: correlation between the intensities of two pixels over the sweep.

After Li et al., "Analysis of Structured Illumination Patterns". Their formula for the mean says two rows of
the pattern matrix; their text and figures take two pixels, its columns, as we do. The mean of signed
correlations is theirs: positive and negative ones cancel, and it hardly predicts what a reconstruction will
be worth. The mean of absolute values does so better.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

_BLOCK = 1024
"""Pixels whose correlations with all others are held at once."""
_LEAST_PATTERNS = 3
_FLAT = 1e-9
"""Standard deviation over mean below which a pixel is the same in all patterns."""


@dataclass(frozen=True)
class Dependence:
    """Mean Pearson correlation between two different pixels.

    Attributes
    ----------
    signed : float
        The paper's mean dependence.
    absolute : float
        Mean of |r|.
    chance : float
        What |r| is for independent pixels at this number of patterns, sqrt(2 / (pi n)).
    patterns : int
    """

    signed: float
    absolute: float
    chance: float
    patterns: int

    @property
    def over_chance(self) -> float:
        """Mean |r| over what chance gives: near 1 when patterns are fresh, 2 or more when they repeat."""
        return self.absolute / self.chance


@dataclass(frozen=True, eq=False)
class DependenceMap:
    """The paper's dependence map: a column for each target pixel, other pixels from near to far.

    Attributes
    ----------
    correlation : float32 (rows, T)
    distance : float32 (rows, T), pixels
    targets : (T,)
        Flat indices of the target pixels.
    """

    correlation: NDArray[np.float32]
    distance: NDArray[np.float32]
    targets: NDArray[np.intp]


def dependence_map(patterns: Any, *, most_targets: int = 256, rows: int = 256) -> DependenceMap:
    """Correlation of pixels with all others, sorted by distance.

    Parameters
    ----------
    patterns : (N, ny, nx)
    most_targets : int
        Targets, evenly spread over the pixels; of fewer pixels each one is a target.
    rows : int
        So many rows at most: each is the mean over as many pixels of like distance.

    Raises
    ------
    ReconstructionError
        Fewer than three patterns, or pixels that are the same in all of them.
    """
    _check_stack(patterns)
    scores = _scores(np.asarray(patterns).reshape(len(patterns), -1))
    nx = patterns.shape[2]
    pixels = scores.shape[1]
    targets = np.unique(np.linspace(0, pixels - 1, min(most_targets, pixels)).round().astype(np.intp))
    edges = np.linspace(0, pixels - 1, min(rows, pixels - 1) + 1).round().astype(np.intp)
    y, x = np.divmod(np.arange(pixels), nx)
    shape = (edges.size - 1, targets.size)
    correlation, distance = np.empty(shape, np.float32), np.empty(shape, np.float32)
    for column, target in enumerate(targets):
        away = np.hypot(y - y[target], x - x[target])
        order = np.argsort(away, kind="stable")[1:]  # the first is the target itself
        alike = scores[:, target] @ scores
        for result, values in ((correlation, alike[order]), (distance, away[order])):
            result[:, column] = np.add.reduceat(values, edges[:-1]) / np.diff(edges)
    return DependenceMap(correlation, distance, targets)


def mean_dependence(patterns: Any, *, most_pixels: int | None = None) -> Dependence:
    """Mean correlation over all pairs of pixels, in blocks: its cost grows as patterns times pixels squared.

    Parameters
    ----------
    patterns : (N, ny, nx)
    most_pixels : int, optional
        Take so many of the pixels at most, those that `RunningDependence` draws: 1024 tell the mean to 1 %.

    Raises
    ------
    ReconstructionError
        Fewer than three patterns, or pixels that are the same in all of them.
    """
    _check_stack(patterns)
    flat = np.asarray(patterns).reshape(len(patterns), -1)
    if most_pixels is not None:
        flat = flat[:, drawn_pixels(flat.shape[1], most_pixels)]
    scores = _scores(flat)
    number, pixels = scores.shape
    absolute = 0.0
    for first in range(0, pixels, _BLOCK):
        block = scores[:, first : first + _BLOCK].T @ scores
        absolute += float(np.abs(block).sum(dtype=float))
    signed = float((scores.sum(axis=1, dtype=float) ** 2).sum())
    return _dependence(signed, absolute, pixels, number)


class RunningDependence:
    """Mean dependence as patterns arrive, on some of the pixels.

    Parameters
    ----------
    shape : (ny, nx)
        Of the patterns.
    most_pixels : int
        So many pixels at most, drawn once: their covariance is kept, an update costs their number squared.
    seed : int
        Of the draw.
    """

    def __init__(self, shape: tuple[int, int], *, most_pixels: int = 1024, seed: int = 0) -> None:
        self.pixels: NDArray[np.intp] = drawn_pixels(shape[0] * shape[1], most_pixels, seed)
        """Flat indices of the pixels."""
        self._shape = shape
        self.clear()

    def clear(self) -> None:
        """Forget all patterns."""
        self._number = 0
        self._mean = np.zeros(self.pixels.size)
        self._products = np.zeros((self.pixels.size, self.pixels.size))

    def push(self, pattern: FloatArray) -> None:
        """Take one more pattern (ny, nx).

        Raises
        ------
        ReconstructionError
            It has another shape.
        """
        if np.shape(pattern) != self._shape:
            raise ReconstructionError(f"dependence: wanted {self._shape} pixels, found {np.shape(pattern)}")
        values = np.asarray(pattern, dtype=float).ravel()[self.pixels]
        self._number += 1
        before = values - self._mean
        self._mean += before / self._number
        self._products += np.outer(before, before) * (1 - 1 / self._number)

    def value(self) -> Dependence:
        """Mean dependence of the patterns so far.

        Raises
        ------
        ReconstructionError
            Fewer than three patterns, or pixels that are the same in all of them.
        """
        _require(self._number)
        deviation = np.sqrt(np.diag(self._products))
        _require_change(deviation / math.sqrt(self._number), self._mean)
        correlation = self._products / np.outer(deviation, deviation)
        return _dependence(
            float(correlation.sum()), float(np.abs(correlation).sum()), self.pixels.size, self._number
        )


def drawn_pixels(size: int, most: int, seed: int = 0) -> NDArray[np.intp]:
    """Draw ``most`` of ``size`` flat indices, or all of them, rising."""
    return np.sort(np.random.default_rng(seed).permutation(size)[:most])


def _check_stack(patterns: Any) -> None:
    if len(patterns.shape) != 3:
        raise ReconstructionError(f"dependence: wanted patterns (N, ny, nx), found {patterns.shape}")


def _scores(flat: FloatArray) -> NDArray[np.float32]:
    """Each pixel's intensities less their mean, of length 1: (N, pixels). Their products are correlations."""
    _require(len(flat))
    values = np.asarray(flat, dtype=np.float32)
    mean = values.mean(axis=0, dtype=float)
    scores = (values - mean).astype(np.float32)
    length = np.sqrt(np.einsum("ij,ij->j", scores, scores, dtype=float))
    _require_change(length / math.sqrt(len(values)), mean)
    scores /= length
    return scores


def _dependence(signed: float, absolute: float, pixels: int, number: int) -> Dependence:
    """From sums over all pairs, each pixel with itself too."""
    pairs = pixels * (pixels - 1)
    chance = math.sqrt(2 / (math.pi * number))
    return Dependence((signed - pixels) / pairs, (absolute - pixels) / pairs, chance, number)


def _require(number: int) -> None:
    if number < _LEAST_PATTERNS:
        raise ReconstructionError(
            f"dependence: wanted {_LEAST_PATTERNS} or more patterns, found {number}; measure more"
        )


def _require_change(deviation: FloatArray, mean: FloatArray) -> None:
    flat = int(np.count_nonzero(~(deviation > _FLAT * np.abs(mean))))
    if flat:
        raise ReconstructionError(
            f"dependence: wanted pixels whose light changes, found {flat} of {mean.size} that do not; "
            "crop what is not lit"
        )
