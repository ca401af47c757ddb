"""Counts of maps under patterns, whitened: noise of 1, the same matrix for all elements."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from xsn_acq.analysis.nxsci.problem import Maps, Sweep, blocks
from xsn_acq.optics.arrays import FloatArray

_HELD_BYTES = 2**29
"""Patterns up to this size are held as float64; larger ones are read block by block each time."""
_CONTRAST_FROM = 64
"""So many patterns tell the contrast of all."""


@dataclass(frozen=True, eq=False)
class Whitened:
    """The sweep with unit noise: d_e = W A v_e, maps m_e = scale_e v_e.

    The noise of element e under pattern n is taken as scale_e / row_weight_n: as exact as one matrix for all
    elements allows, and exact for Poisson noise where exposures differ.

    Attributes
    ----------
    patterns : (N, ny, nx)
    row_weight : (N,)
        W, about 1: less for noisier patterns.
    data : (E, N)
        d.
    scale : (E,)
    """

    patterns: Any
    row_weight: FloatArray
    data: FloatArray
    scale: FloatArray

    @property
    def pixels(self) -> int:
        """Number of pixels of a map."""
        return int(np.prod(self.patterns.shape[1:]))

    def forward(self, v: FloatArray) -> FloatArray:
        """W A v, (E, N) of v (E, M)."""
        parts = [v @ self._rows(rows).T for rows in self.blocks()]
        return np.asarray(np.concatenate(parts, axis=1) * self.row_weight)

    def adjoint(self, residual: FloatArray) -> FloatArray:
        """A^T W r, (E, M) of r (E, N)."""
        weighted = residual * self.row_weight
        result = np.zeros((len(residual), self.pixels))
        for rows in self.blocks():
            result += weighted[:, rows] @ self._rows(rows)
        return result

    def rows(self, chosen: slice) -> FloatArray:
        """Rows of W A, (n, M)."""
        return self._rows(chosen) * self.row_weight[chosen, None]

    def blocks(self) -> list[slice]:
        """Slices of patterns to be taken at once."""
        return [slice(0, len(self.patterns))] if self._held else blocks(self.patterns)

    def pull_of_noise(self) -> float:
        """How far noise of 1 in the data pulls at a pixel against its neighbours: contrast * sqrt(N)."""
        number = len(self.patterns)
        some = [
            slice(b.start, min(b.stop, _CONTRAST_FROM)) for b in self.blocks() if b.start < _CONTRAST_FROM
        ]
        squares = sum(float(np.sum((self._rows(rows) - 1) ** 2)) for rows in some)
        variance = squares / (self.pixels * min(number, _CONTRAST_FROM))
        return (variance**0.5 or 1.0) * number**0.5

    def spread(self, image: FloatArray) -> FloatArray:
        """The multiple of an image (M,) that fits each element best, (E, M): somewhere to begin."""
        seen = self.forward(image[None])[0]
        return np.outer(self.data @ seen / (float(seen @ seen) or 1.0), image)

    def whitened_maps(self, maps: Maps) -> FloatArray:
        """V of maps, (E, M)."""
        return maps.values.reshape(len(self.scale), -1) / self.scale[:, None]

    def maps(self, v: FloatArray) -> FloatArray:
        """Maps (E, ny, nx) of v (E, M)."""
        return (v * self.scale[:, None]).reshape(-1, *self.patterns.shape[1:])

    @property
    def _held(self) -> bool:
        return isinstance(self.patterns, np.ndarray) and self.patterns.dtype == float

    def _rows(self, rows: slice) -> FloatArray:
        part = self.patterns if self._held and rows == self.blocks()[0] else self.patterns[rows]
        return np.asarray(part, dtype=float).reshape(-1, self.pixels)


def whiten(sweep: Sweep) -> Whitened:
    """Scale the counts so that their noise is 1.

    Parameters
    ----------
    sweep : Sweep

    Returns
    -------
    Whitened
    """
    scale = np.median(sweep.sigma, axis=1)
    row_weight = np.exp(-np.log(sweep.sigma / scale[:, None]).mean(axis=0))
    patterns = sweep.patterns
    if 8 * np.prod(patterns.shape, dtype=float) <= _HELD_BYTES:
        patterns = np.asarray(patterns, dtype=float)
    return Whitened(patterns, row_weight, sweep.counts / scale[:, None] * row_weight, scale)


def misfit(sweep: Sweep, values: FloatArray) -> FloatArray:
    """Chi-square per pattern of each element, (E,), of maps (E, ny, nx)."""
    return np.asarray(np.mean(((forward(sweep.patterns, values) - sweep.counts) / sweep.sigma) ** 2, axis=1))


def forward(patterns: Any, values: FloatArray) -> FloatArray:
    """Counts (E, N) of maps (E, ny, nx) under patterns (N, ny, nx), without noise."""
    flat = values.reshape(len(values), -1)
    parts = [
        flat @ np.asarray(patterns[rows], dtype=float).reshape(-1, flat.shape[1]).T
        for rows in blocks(patterns)
    ]
    return np.asarray(np.concatenate(parts, axis=1))
