"""(A^T A + R) v = b solved for many b, with one factorisation: R is sparse, A has fewer rows than columns."""

from typing import Protocol

import numpy as np
import scipy.linalg
from scipy import sparse
from scipy.sparse.linalg import splu

from xsn_acq.analysis.nxsci.forward import Whitened
from xsn_acq.optics.arrays import FloatArray

_BLOCK_BYTES = 2**28


class NormalEquations(Protocol):
    """A factorised matrix."""

    def solve(self, b: FloatArray) -> FloatArray:
        """V (E, M) of b (E, M)."""


class DirectEquations:
    """M x M, dense: for sweeps with more patterns than pixels."""

    def __init__(self, light: Whitened, regular: sparse.csc_array) -> None:
        matrix = regular.toarray()
        for rows in light.blocks():
            part = light.rows(rows)
            matrix += part.T @ part
        self._factor = scipy.linalg.cho_factor(matrix, lower=True, overwrite_a=True)

    def solve(self, b: FloatArray) -> FloatArray:
        """V (E, M) of b (E, M)."""
        return np.asarray(scipy.linalg.cho_solve(self._factor, b.T).T)


class WoodburyEquations:
    """N x N, by the Woodbury identity: (A^T A + R)^-1 = R^-1 - R^-1 A^T (1 + A R^-1 A^T)^-1 A R^-1."""

    def __init__(self, light: Whitened, regular: sparse.csc_array) -> None:
        self._light = light
        self._sparse = splu(
            regular, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
        number = len(light.row_weight)
        small = np.eye(number)
        step = max(1, _BLOCK_BYTES // (16 * light.pixels))
        for first in range(0, number, step):
            rows = slice(first, min(number, first + step))
            small[rows] += light.forward(self._regular_solve(light.rows(rows)))
        self._factor = scipy.linalg.cho_factor(0.5 * (small + small.T), lower=True, overwrite_a=True)

    def solve(self, b: FloatArray) -> FloatArray:
        """V (E, M) of b (E, M)."""
        seen = self._light.forward(self._regular_solve(b))
        return self._regular_solve(b - self._light.adjoint(scipy.linalg.cho_solve(self._factor, seen.T).T))

    def _regular_solve(self, b: FloatArray) -> FloatArray:
        return np.asarray(self._sparse.solve(np.ascontiguousarray(b.T)).T)


def factorise(light: Whitened, regular: sparse.csc_array) -> NormalEquations:
    """Factorise A^T A + R.

    Parameters
    ----------
    light : Whitened
        A.
    regular : sparse (M, M)
        R, symmetric and positive.
    """
    if len(light.row_weight) < light.pixels:
        return WoodburyEquations(light, regular)
    return DirectEquations(light, regular)
