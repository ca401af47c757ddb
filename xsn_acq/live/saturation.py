"""Pixels at the camera's full scale: how many counts they should have nobody knows."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xsn_acq.live.scan import FrameSet
from xsn_acq.storage.frames import FrameReader

MOST_FULL = 1e-3
"""Share of the pixels that may be at full scale: hot ones, and hits of stray radiation."""
_BLOCK = 32
"""Frames in memory at once."""


def full_scale(frames: FrameSet) -> float:
    """Counts of a full pixel where a camera uses all bits of its frames; infinite if they are no integers.

    Raises
    ------
    StorageError
        When the file is missing.
    """
    with FrameReader.of_file(Path(frames.path), frames.dataset) as reader:
        return _most(reader.dtype)


def _most(dtype: np.dtype) -> float:
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else float("inf")


def full_pixels(frames: FrameSet) -> NDArray[np.bool_]:
    """Pixels (ny, nx) that are at full scale in any of the frames: their mean is too low.

    Raises
    ------
    StorageError
        When the file is missing or shorter than announced.
    """
    with FrameReader.of_file(Path(frames.path), frames.dataset) as reader:
        full, most = np.zeros(reader.shape, bool), _most(reader.dtype)
        for first, last in frames.spans:
            for start in range(first, last, _BLOCK):
                full |= (reader.read(start, min(start + _BLOCK, last)) >= most).any(axis=0)
    return full


def saturation_warnings(shares: Mapping[str, float], counts: float) -> list[str]:
    """What a person must know, one line for each kind of frame of which more than `MOST_FULL` is full.

    Parameters
    ----------
    shares : mapping of str to float
        Share of the pixels at full scale, by what the frames are.
    counts : float
        Full scale.

    >>> saturation_warnings({"flats": 0.0, "references": 0.18}, 65535.0)
    ['references: 18.0% of the pixels are at 65535, full scale; take a shorter exposure']
    """
    return [
        f"{name}: {share:.1%} of the pixels are at {counts:.0f}, full scale; take a shorter exposure"
        for name, share in shares.items()
        if share > MOST_FULL
    ]
