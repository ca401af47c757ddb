"""Differences between pixels as sparse matrices: (2 M, M), along y of all pixels, then along x."""

import numpy as np
from scipy import sparse

from xsn_acq.optics.arrays import FloatArray

_EDGE_TRUST = 0.8
"""How far an edge of the TXM image frees a map's edge: at 1 noise there would cost nothing either."""


def differences(shape: tuple[int, int]) -> sparse.csr_array:
    """Forward differences; 0 at the last row and column.

    >>> (differences((1, 3)) @ [1.0, 3.0, 7.0]).tolist()
    [0.0, 0.0, 0.0, 2.0, 4.0, 0.0]
    """
    ny, nx = shape
    along_y = sparse.kron(_forward(ny), sparse.eye_array(nx))
    along_x = sparse.kron(sparse.eye_array(ny), _forward(nx))
    return sparse.csr_array(sparse.vstack([along_y, along_x]))


def _forward(n: int) -> sparse.dia_array:
    main = -np.ones(n)
    main[-1] = 0.0
    return sparse.dia_array((np.array([main, np.ones(n)]), [0, 1]), shape=(n, n))


def directional_ratio(thickness: FloatArray, edge_level: float) -> sparse.csr_array:
    """G = P Tbar grad diag(1 / T): differences of the ratio v / T, free across the edges of T.

    P = 1 - xi xi^T with xi = 0.8 grad T / sqrt(|grad T|^2 + edge_level^2): Ehrhardt and Betcke, SIAM J.
    Imaging Sci. 9, 1084 (2016); doi:10.1137/15M1047325, applied to the ratio: where composition is even the
    ratio is, whatever the thickness.

    Parameters
    ----------
    thickness : (ny, nx)
        T, above 0: the absorbance without its noise.
    edge_level : float
        Difference between pixels above which T counts as having an edge.
    """
    grad = differences((int(thickness.shape[0]), int(thickness.shape[1])))
    flat = thickness.ravel()
    mean = 0.5 * (abs(grad) @ flat)
    ratio = sparse.diags_array(mean) @ grad @ sparse.diags_array(1 / flat)
    slope = (grad @ flat).reshape(2, -1)
    xi = _EDGE_TRUST * slope / np.sqrt(np.sum(slope**2, axis=0) + edge_level**2)
    across = sparse.diags_array(xi[0] * xi[1])
    project = sparse.block_array(
        [
            [sparse.diags_array(1 - xi[0] ** 2), -across],
            [-across, sparse.diags_array(1 - xi[1] ** 2)],
        ]
    )
    return sparse.csr_array(project @ ratio)
