"""The images of an energy stack brought to one pixel size and one place.

A zone plate magnifies by energy, and its stage runs on when the energy changes.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from xsn_acq.analysis.matching import match
from xsn_acq.analysis.shift import shift_image
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

_MOST_SCALE = 0.2
"""Change of scale beyond which cubic splines would need a blur before them."""
_TAPER = 0.2
_ROUNDS = 2
_WHOLE_PX = 0.5
"""Shift above which both images see different parts of the sample: undone, and measured again."""
_LEAST_SIGNIFICANCE = 20.0
"""Noise and slow changes of the light reach 13 by chance, particles in 1000 photons a pixel 30 and more."""


def to_pixel_size(
    image: FloatArray, pixel_size_m: float, wanted_m: float, *, centre: tuple[float, float] | None = None
) -> FloatArray:
    """Resample an image to another pixel size by cubic splines; the optical axis keeps its pixel.

    Parameters
    ----------
    image : real (ny, nx)
        Absorbance, transmission or phase: what does not depend on the pixel's area.
    pixel_size_m, wanted_m : float
        Within 20 % of each other.
    centre : (row, column), optional
        Where the optical axis is, pixel centres at integers; left out: the middle of the image.

    Returns
    -------
    float32 (ny, nx); the nearest pixel's value where the image does not reach

    Raises
    ------
    ReconstructionError
        Not an image, or too large a change of scale.
    """
    scale = wanted_m / pixel_size_m if min(wanted_m, pixel_size_m) > 0 else math.inf
    if np.ndim(image) != 2 or not abs(scale - 1) <= _MOST_SCALE:
        raise ReconstructionError(
            f"pixel size: wanted an image (ny, nx) and sizes within {_MOST_SCALE:.0%} of each other, found "
            f"{np.shape(image)}, {pixel_size_m:g} m and {wanted_m:g} m"
        )
    values = np.asarray(image, np.float32)
    if scale == 1:
        return values
    middle = 0.5 * (np.array(values.shape) - 1) if centre is None else np.asarray(centre, float)
    return np.asarray(
        ndimage.affine_transform(
            values, np.full(2, scale), middle * (1 - scale), output=np.float32, order=3, mode="nearest"
        )
    )


class AlignedImage(NamedTuple):
    """An image moved to where the reference shows the sample.

    Attributes
    ----------
    image : float32 (ny, nx)
        As it came where the shift is unknown.
    shift_px : (rows, columns)
        By which it was moved, towards larger coordinates, as `xsn_acq.analysis.shift.shift_image` takes it;
        NaN where unknown.
    sigma_px : (rows, columns)
        Standard errors; NaN where unknown.
    """

    image: FloatArray
    shift_px: tuple[float, float]
    sigma_px: tuple[float, float]


_UNKNOWN = (math.nan, math.nan)


class StackAligner:
    """Moves images to where a reference shows the sample, one by one.

    The contrast may change from image to image, also by different factors in different parts, as it does
    across an edge. Take a reference above the edge, with many photons: its noise counts in every shift.

    Parameters
    ----------
    reference : real (ny, nx)
        Absorbance or phase, of the pixel size of all others, see `to_pixel_size`.
    most_shift_px : float
        A shift beyond this, along an axis, is not believed.

    Raises
    ------
    ReconstructionError
        The reference is not an image, or not finite.
    """

    def __init__(self, reference: FloatArray, *, most_shift_px: float = 50.0) -> None:
        self._reference = _image(reference, np.shape(reference))
        self._most = most_shift_px
        self.clear()

    def clear(self) -> None:
        """Forget all images but the reference."""
        self._shifts: list[tuple[float, float]] = []
        self._sigmas: list[tuple[float, float]] = []

    def push(self, image: FloatArray) -> AlignedImage:
        """Align an image.

        Parameters
        ----------
        image : real (ny, nx)

        Raises
        ------
        ReconstructionError
            It has not the reference's shape, or is not finite.
        """
        found = self._aligned(_image(image, self._reference.shape))
        self._shifts.append(found.shift_px)
        self._sigmas.append(found.sigma_px)
        return found

    def value(self) -> tuple[FloatArray, FloatArray]:
        """Return the shifts (n, 2) and their errors (n, 2) of all images, in the order they came."""
        return np.array(self._shifts).reshape(-1, 2), np.array(self._sigmas).reshape(-1, 2)

    def _aligned(self, image: FloatArray) -> AlignedImage:
        shift, moved = np.zeros(2), image
        for _ in range(_ROUNDS):
            found = match(self._reference, moved, weighted=True, taper=_TAPER)
            shift = shift - found.shift
            if found.significance < _LEAST_SIGNIFICANCE or np.abs(shift).max() > self._most:
                return AlignedImage(image, _UNKNOWN, _UNKNOWN)
            moved = shift_image(image, float(shift[0]), float(shift[1]))
            if np.abs(found.shift).max() < _WHOLE_PX:
                break
        rows, columns = (float(part) for part in shift)
        sigma_rows, sigma_columns = (float(part) for part in found.sigma)
        return AlignedImage(moved, (rows, columns), (sigma_rows, sigma_columns))


def _image(image: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    values = np.asarray(image, np.float32)
    if values.ndim != 2 or values.shape != shape or not np.isfinite(values).all():
        raise ReconstructionError(
            f"energy stack: wanted finite images of {shape} pixels, found {values.shape} with "
            f"{np.count_nonzero(~np.isfinite(values))} pixels not finite"
        )
    return values
