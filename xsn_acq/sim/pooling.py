"""Coarser grids from finer ones."""

from functools import reduce

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def pooled(image: Array, parts: int) -> Array:
    """Return the mean of each block of ``parts`` x ``parts`` pixels, (ny / parts, nx / parts)."""
    rows = reduce(np.add, (image[k::parts] for k in range(parts)))
    blocks: Array = reduce(np.add, (rows[:, k::parts] for k in range(parts)))
    return blocks * image.dtype.type(1 / parts**2)
