"""From camera frames to illumination patterns: what is wrong with them, their mean, where the light stood.

Each pattern is taken twice, without the sample and with it. The stages do not come back exactly: the picture
with the sample tells where the pattern stood while the fluorescence was counted.
"""

from dataclasses import dataclass
from enum import IntFlag
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from xsn_acq.analysis.matching import match
from xsn_acq.analysis.shift import shift_image
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

_TEXTURE_PIXELS = 4.0
"""Standard deviation of the local mean that the texture is taken against: some speckles."""
_LEAST_LOCAL = 0.02
"""Of a frame's mean: where there is less light, nothing is seen."""
_TAPER = 0.25


class Flaw(IntFlag):
    """What is wrong with a frame."""

    NONE = 0
    MISSING = 1
    """The same value everywhere, or no number: a file that is not there reads so."""
    DARK = 2
    """Less light than the other frames have."""
    STUCK = 4
    """The pattern of the frame before."""
    SATURATED = 8
    """Pixels at the camera's limit."""


@dataclass(frozen=True, eq=False)
class Normalised:
    """Patterns of mean 1.

    Attributes
    ----------
    patterns : float32 (N, ny, nx)
        0 everywhere where there was no light.
    light : (N,)
        Mean of each before, per unit of exposure and I0: counts under a pattern are to be divided by it.
    """

    patterns: NDArray[np.float32]
    light: FloatArray


@dataclass(frozen=True, eq=False)
class Passes:
    """Where patterns stood in the pass with the sample, from where they stood without it.

    Attributes
    ----------
    shift : (N, 2)
        Rows and columns, pixels: so far towards larger y and x. 0 where it could not be told.
    sigma : (N, 2)
        Standard errors; inf where it could not be told.
    significance : (N,)
        Correlation over its own noise.
    """

    shift: FloatArray
    sigma: FloatArray
    significance: FloatArray


def flaws(
    frames: Any,
    dark: ArrayLike,
    *,
    saturation: float | None = None,
    least_light: float = 0.1,
    most_alike: float = 0.9,
) -> NDArray[np.uint8]:
    """Look for frames that are no new pattern.

    Parameters
    ----------
    frames : (N, ny, nx)
        Raw counts in the order they were taken; an HDF5 dataset is read frame by frame.
    dark : (ny, nx)
        Mean frame without beam.
    saturation : float, optional
        A frame with a pixel of this value or more is saturated.
    least_light : float
        A frame with less than this part of the median frame's light is dark.
    most_alike : float
        Correlation of the texture with the frame before, above which the pattern did not change. Photon noise
        lowers it: to 0.9 for the same pattern of contrast 0.5 at 36 photons a pixel.

    Returns
    -------
    uint8 (N,)
        Sums of `Flaw`; 0 is sound.
    """
    offset = _image("dark", dark, frames)
    found = np.zeros(len(frames), np.uint8)
    light = np.zeros(len(frames))
    before: FloatArray | None = None
    for n in range(len(frames)):
        raw = np.asarray(frames[n], dtype=float)
        if not np.isfinite(raw).all() or np.ptp(raw) == 0:
            found[n] |= Flaw.MISSING
            continue
        if saturation is not None and raw.max() >= saturation:
            found[n] |= Flaw.SATURATED
        light[n] = (raw - offset).mean()
        now = texture(raw - offset)
        if before is not None and _alike(before, now) > most_alike:
            found[n] |= Flaw.STUCK
        before = now
    there = (found & Flaw.MISSING) == 0
    if there.any():
        found[there & (light < least_light * np.median(light[there]))] |= np.uint8(Flaw.DARK)
    return found


def normalise_patterns(frames: Any, dark: ArrayLike, *, gain: ArrayLike = 1.0) -> Normalised:
    """Divide each frame, less the dark, by its mean.

    Parameters
    ----------
    frames : (N, ny, nx)
        Raw counts; an HDF5 dataset is read frame by frame.
    dark : (ny, nx)
        Mean frame without beam.
    gain : (N,) or float
        Exposure times I0 of each frame.

    Raises
    ------
    ReconstructionError
        Shapes differ, or a gain is not above 0.
    """
    offset = _image("dark", dark, frames)
    scale = np.broadcast_to(np.asarray(gain, dtype=float), (len(frames),))
    if not (scale > 0).all():
        raise ReconstructionError(f"patterns: gain: wanted values above 0, found {np.min(scale):g} at least")
    patterns = np.zeros((len(frames), *offset.shape), np.float32)
    light = np.zeros(len(frames))
    for n in range(len(frames)):
        image = np.asarray(frames[n], dtype=float) - offset
        mean = image.mean()
        if np.isfinite(mean) and mean > 0:
            patterns[n] = image / mean
            light[n] = mean / scale[n]
    return Normalised(patterns, light)


def register_passes(out: Any, within: Any, *, least_significance: float = 6.0) -> Passes:
    """Find how far each pattern moved between the pass without the sample and the pass with it.

    What is matched is the texture, each pixel over the mean around it: there the sample, which is smoother
    than the light, drops out, and what it hides counts little. Subpixel peak of the correlation, see
    `xsn_acq.analysis.matching.match`.

    Parameters
    ----------
    out, within : (N, ny, nx)
        Frames less their dark, or patterns; HDF5 datasets are read frame by frame.
    least_significance : float
        Below this the two do not show the same pattern; noise alone has 3 to 4.

    Raises
    ------
    ReconstructionError
        Shapes differ.
    """
    if out.shape != within.shape or len(out.shape) != 3:
        raise ReconstructionError(
            f"patterns: wanted as many frames of one shape without and with the sample, found {out.shape} "
            f"and {within.shape}"
        )
    shift, sigma = np.zeros((len(out), 2)), np.full((len(out), 2), np.inf)
    significance = np.zeros(len(out))
    for n in range(len(out)):
        still, moved = (texture(np.asarray(frames[n], dtype=float)) for frames in (out, within))
        if not (still.any() and moved.any()):
            continue
        found = match(still, moved, taper=_TAPER)
        significance[n] = found.significance
        if found.significance >= least_significance:
            shift[n], sigma[n] = found.shift, found.sigma
    return Passes(shift, sigma, significance)


def move_patterns(patterns: Any, shift: FloatArray) -> NDArray[np.float32]:
    """Move patterns to where they stood with the sample; each has the mean 1 again.

    Parameters
    ----------
    patterns : (N, ny, nx)
    shift : (N, 2), pixels
        As `Passes` has it.

    Returns
    -------
    float32 (N, ny, nx), 0 or more
    """
    moved = np.zeros(patterns.shape, np.float32)
    for n, (rows, columns) in enumerate(shift):
        image = np.maximum(shift_image(np.asarray(patterns[n], dtype=float), rows, columns), 0)
        moved[n] = image / (image.mean() or 1.0)
    return moved


def texture(image: FloatArray) -> FloatArray:
    """Each pixel over the mean around it, less 1; 0 where there is no light. (ny, nx)."""
    local = ndimage.gaussian_filter(image, _TEXTURE_PIXELS)
    seen = local > _LEAST_LOCAL * max(float(image.mean()), 0.0)
    return np.where(seen, np.divide(image, local, where=seen, out=np.ones_like(image)) - 1, 0.0)


def _alike(one: FloatArray, other: FloatArray) -> float:
    """Pearson correlation; 0 where one of them is flat."""
    a, b = one - one.mean(), other - other.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 0 else 0.0


def _image(name: str, values: ArrayLike, frames: Any) -> FloatArray:
    image = np.asarray(values, dtype=float)
    if len(frames.shape) != 3 or image.shape != tuple(frames.shape[1:]):
        raise ReconstructionError(
            f"patterns: wanted frames (N, ny, nx) and {name} (ny, nx), found {frames.shape} and {image.shape}"
        )
    return image
