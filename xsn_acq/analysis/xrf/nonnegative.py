"""Many small non-negative least-squares problems at once."""

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from xsn_acq.optics.arrays import FloatArray

_MOST_EXCHANGES = 20


def nonnegative(matrices: FloatArray, sides: FloatArray) -> FloatArray:
    """Minimum of x H x / 2 - g x over x >= 0 for each of n problems.

    All problems exchange at once the variables that are below 0 and those held at 0 that want to rise (block
    principal pivoting, Portugal, Judice and Vicente, Math. Comp. 63, 625 (1994)); the few that go round in
    circles are solved one by one.

    Parameters
    ----------
    matrices : (n, m, m)
        Symmetric, positive definite.
    sides : (n, m)

    Returns
    -------
    (n, m)

    Examples
    --------
    >>> nonnegative(np.eye(2)[None], np.array([[3.0, -1.0]])).tolist()
    [[3.0, 0.0]]
    """
    free = np.ones(sides.shape, bool)
    found = np.zeros(sides.shape)
    open_ = np.arange(len(sides))
    small = 1e-10 * np.abs(sides).max(axis=1, initial=0.0)
    for _ in range(_MOST_EXCHANGES):
        if not open_.size:
            return found
        x = _where_free(matrices[open_], sides[open_], free[open_])
        rising = sides[open_] - np.einsum("nij,nj->ni", matrices[open_], x)
        wrong = np.where(free[open_], x < 0, rising > small[open_, None])
        found[open_] = np.maximum(x, 0.0)
        free[open_] ^= wrong
        open_ = open_[wrong.any(axis=1)]
    for n in open_:
        root = np.linalg.cholesky(matrices[n])
        found[n] = scipy.optimize.nnls(root.T, np.linalg.solve(root, sides[n]))[0]
    return found


def _where_free(matrices: FloatArray, sides: FloatArray, free: NDArray[np.bool_]) -> FloatArray:
    """Solutions with the variables that are not free held at 0."""
    both = free[:, :, None] & free[:, None, :]
    held = np.where(both, matrices, 0.0) + np.where(free, 0.0, 1.0)[:, None] * np.eye(sides.shape[1])
    solved = np.linalg.solve(held, np.where(free, sides, 0.0)[..., None])
    return np.asarray(solved[..., 0])
