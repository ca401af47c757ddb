"""Whether a picture comes back from the counts it makes under the patterns."""

from collections.abc import Callable

import numpy as np

from xsn_acq.analysis.nxsci.scores import ssim
from xsn_acq.optics.arrays import FloatArray


def invertibility(
    patterns: FloatArray, picture: FloatArray, solve: Callable[[FloatArray, FloatArray], FloatArray]
) -> float:
    """The paper's invertibility: likeness of a picture and what a solver makes of its noise-free counts.

    Parameters
    ----------
    patterns : (N, ny, nx)
    picture : (ny, nx)
        What is put in the place of the sample.
    solve : callable
        ``solve(patterns, counts (N,))`` returns the picture; the paper takes the pseudo-inverse.

    Returns
    -------
    float
        Structural similarity, -1 to 1.
    """
    counts = np.tensordot(patterns, picture, axes=2)
    return ssim(solve(patterns, counts), picture)
