"""Dark and flat correction."""

import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray


def mean_frame(stack: ArrayLike) -> FloatArray:
    """Mean of a stack of frames (n, ny, nx) -> (ny, nx) float32.

    Raises
    ------
    ReconstructionError
        The stack is empty or not three-dimensional.
    """
    frames = np.asarray(stack)
    if frames.ndim != 3 or frames.shape[0] == 0:
        raise ReconstructionError(
            f"mean frame: wanted one or more frames (n, ny, nx), found shape {frames.shape}"
        )
    return frames.mean(axis=0, dtype=np.float64).astype(np.float32)


def normalise(
    frames: ArrayLike, dark: ArrayLike, flat: ArrayLike, *, background: float = 1.0, air_columns: int = 0
) -> FloatArray:
    """(frame - dark) / (flat - dark), scaled so that air has the value ``background``.

    Parameters
    ----------
    frames : (..., ny, nx)
        Raw counts.
    dark, flat : (ny, nx)
        Mean frames without beam and without sample, raw counts.
    background : float
        Value of air, for the schlieren model `Schlieren.background`.
    air_columns : int
        Columns at the left and right border known to see air only. Their means are brought to ``background``
        with a gain linear in x, which takes out what changed since the flats: ring current and beam
        position. 0: no change.

    Returns
    -------
    float32 (..., ny, nx); pixels without light in the flat (flat <= dark) read ``background``

    Raises
    ------
    ReconstructionError
        Shapes differ, or no pixel of the flat has light.
    """
    raw = np.asarray(frames, dtype=np.float32)
    offset = np.asarray(dark, dtype=np.float32)
    light = np.asarray(flat, dtype=np.float32) - offset
    if raw.shape[-2:] != light.shape or offset.shape != light.shape:
        raise ReconstructionError(
            f"flat correction: frames {raw.shape[-2:]}, dark {offset.shape} "
            f"and flat {light.shape} pixels must agree"
        )
    good = light > 0
    if not good.any():
        raise ReconstructionError(
            "flat correction: the flat is nowhere brighter than the dark; was the shutter open?"
        )
    gain = np.divide(np.float32(background), light, out=np.zeros_like(light), where=good)
    corrected = (raw - offset) * gain
    corrected[..., ~good] = background
    if air_columns:
        corrected *= _air_gain(corrected, background, air_columns)
    return corrected


def _air_gain(corrected: FloatArray, background: float, columns: int) -> FloatArray:
    """Gain (..., 1, nx), linear in x, that brings the air at both borders to ``background``."""
    nx = corrected.shape[-1]
    left = corrected[..., :columns].mean(axis=(-2, -1), dtype=np.float64)
    right = corrected[..., nx - columns :].mean(axis=(-2, -1), dtype=np.float64)
    across = (np.arange(nx) - 0.5 * (columns - 1)) / max(nx - columns, 1)
    air = left[..., None] + (right - left)[..., None] * across
    return (background / np.maximum(air, 1e-3 * background)).astype(np.float32)[..., None, :]
