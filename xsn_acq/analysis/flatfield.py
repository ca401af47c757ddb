"""Dark and flat correction."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

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


_ODD_RESPONSE = 0.5
_ODD_DARK = 0.25
"""A pixel is bad whose light differs from its neighbours' by this share, or whose dark does, in units of the
light."""
_NEIGHBOURS = 5
_MAD_TO_SIGMA = 1.4826


def bad_pixels(dark: ArrayLike, flat: ArrayLike) -> NDArray[np.bool_]:
    """Pixels that tell nothing: dead, hot, or of an odd response; True where bad, (ny, nx).

    Parameters
    ----------
    dark, flat : (ny, nx)
        Mean frames, raw counts. Each pixel is compared with the median of the 5 x 5 around it.
    """
    offset = np.asarray(dark, dtype=np.float32)
    light = np.asarray(flat, dtype=np.float32) - offset
    usual = ndimage.median_filter(light, _NEIGHBOURS, mode="nearest")
    usual_dark = ndimage.median_filter(offset, _NEIGHBOURS, mode="nearest")
    odd = np.abs(light - usual) > _ODD_RESPONSE * np.abs(usual)
    hot = np.abs(offset - usual_dark) > _ODD_DARK * np.abs(usual)
    return odd | hot | ~(light > 0)


class Repair:
    """Gives bad pixels the mean of the good ones around them.

    Parameters
    ----------
    bad : bool (ny, nx)
        See `bad_pixels`; the window grows, 3 x 3 first, until it holds good ones.
    """

    def __init__(self, bad: NDArray[np.bool_]) -> None:
        self._bad = bad
        self._width = _widest_window(bad)

    @property
    def count(self) -> int:
        """Number of bad pixels."""
        return int(self._bad.sum())

    def __call__(self, image: FloatArray) -> FloatArray:
        """Return the image (ny, nx) repaired, float32."""
        if not self._bad.any() or self._bad.all():
            return image
        good = (~self._bad).astype(np.float32)
        repaired, left = image.astype(np.float32), self._bad.copy()
        for width in range(3, self._width + 1, 2):
            share = ndimage.uniform_filter(good, width, mode="nearest")
            mean = ndimage.uniform_filter(
                np.where(self._bad, 0, image).astype(np.float32), width, mode="nearest"
            )
            now = left & (share > 0.5 / width**2)
            repaired[now] = mean[now] / share[now]
            left &= ~now
        return repaired


def _widest_window(bad: NDArray[np.bool_]) -> int:
    """Window that reaches a good pixel from any bad one."""
    if bad.all():
        return 3
    distance = ndimage.distance_transform_cdt(bad, metric="chessboard")
    return 2 * int(distance.max()) + 1


def frame_noise(first: ArrayLike, second: ArrayLike, dark: ArrayLike) -> float:
    """Noise of one frame in air: standard deviation over mean, from two frames of the same light.

    The ratio of both frees it of the sensor's pattern, their medians of changes of brightness, and the
    median deviation of bad pixels.

    Parameters
    ----------
    first, second : (ny, nx)
        Single flats, raw counts.
    dark : (ny, nx)
        Mean dark.

    Raises
    ------
    ReconstructionError
        There is no light.
    """
    one, other = (np.asarray(frame, np.float32) - np.asarray(dark, np.float32) for frame in (first, second))
    lit = (one > 0) & (other > 0)
    if not lit.any():
        raise ReconstructionError("noise: wanted light in the flats, found none; was the shutter open?")
    ratio = one[lit] / other[lit]
    middle = float(np.median(ratio))
    return float(_MAD_TO_SIGMA * np.median(np.abs(ratio / middle - 1)) / np.sqrt(2))
