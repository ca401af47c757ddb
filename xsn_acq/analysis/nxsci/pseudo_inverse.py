"""Direct inversion: the singular value decomposition, cut where only noise is left."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from xsn_acq.analysis.nxsci.forward import Whitened, misfit, whiten
from xsn_acq.analysis.nxsci.problem import Guide, Maps, Sweep, check_fit
from xsn_acq.optics.arrays import FloatArray


@dataclass(frozen=True)
class PseudoInverseSolver:
    """Moore-Penrose inverse of the patterns, truncated by the noise; guide and start are not looked at.

    Of each element so many components are kept as make the expected error of the predicted counts least:
    Mallows' C_p, Technometrics 15, 661 (1973). `Maps.iterations` is the most components kept.
    """

    def solve(self, sweep: Sweep, guide: Guide, *, start: Maps | None = None) -> Maps:
        """Find the maps, see `problem.Solver`."""
        check_fit(sweep, guide, start)
        light = whiten(sweep)
        squares, left = scipy.linalg.eigh(_gram(light), driver="evd")
        order = np.argsort(squares)[::-1]
        squares, left = squares[order], left[:, order]
        squares = np.maximum(squares, squares[0] * np.finfo(float).eps * len(squares))
        seen = light.data @ left  # of each component, noise 1
        kept = np.argmax(np.cumsum(seen**2 - 2, axis=1), axis=1) + 1
        chosen = np.where(np.arange(len(squares)) < kept[:, None], seen / squares, 0.0)
        values = light.maps(light.adjoint(chosen @ left.T))
        return Maps(values, 0.0, int(kept.max()), misfit(sweep, values))


def _gram(light: Whitened) -> FloatArray:
    """W A A^T W, (N, N)."""
    parts = [light.forward(light.rows(rows)) for rows in light.blocks()]
    return np.concatenate(parts)
