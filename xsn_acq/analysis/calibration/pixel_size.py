"""The pixel at the sample, from images of a sample that the stage displaces."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from xsn_acq.analysis.calibration.line import fit_line
from xsn_acq.analysis.calibration.overlap import shared, shift_of_overlap
from xsn_acq.errors import CalibrationError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.units import UM

_FEWEST = 4
_SMALLEST = 32
_STEPS = 5
_SMOOTH_PX = 1.5
_RIM = 8
"""Pixels at the border that are left out where the smoothing and the shift have no neighbours."""
_LEAST_MOVE_PX = 10.0
_OUTLIER = 5.0
"""Distance from the line, in robust standard deviations, beyond which an image is left out."""
_SMALLEST_SCATTER_PX = 0.02
_UNSURE = 0.05
"""Relative error of the movement above which there is none."""
_MOST_OUT = 0.34
"""Part of the images that may be left out."""


@dataclass(frozen=True, eq=False)
class PixelSizeResult:
    """The pixel and the camera's direction.

    Attributes
    ----------
    pixel_size_m, sigma_m : float
        Of the pixels of the images (binned ones, when binned), and standard error from the scatter about the
        line; the noise of the middle image, common to all, is as much again.
    shift_px : (n, 2)
        (rows, columns) by which the sample stands further than in the image nearest to the middle.
    used : (n,)
        False for images that do not lie on the line.
    rotation_deg, rotation_sigma_deg : float
        Direction in which the sample moves on the camera, from its columns towards its rows.
    """

    pixel_size_m: float
    sigma_m: float
    shift_px: FloatArray
    used: NDArray[np.bool_]
    rotation_deg: float
    rotation_sigma_deg: float


def pixel_size(displacement_um: ArrayLike, images: ArrayLike) -> PixelSizeResult:
    """Measure how far the image moves for each micrometre of the stage.

    All images are registered to the one nearest to the middle, over what both show, to a fraction of a pixel:
    the sample may leave the field in part. A line is fitted to the positions; images far
    off it are left out.

    Parameters
    ----------
    displacement_um : (n,)
        Readings of ``sample_x``, four or more different ones, in any order.
    images : (n, ny, nx)
        Divided by the flat: what does not move with the sample would hold the correlation back.

    Raises
    ------
    CalibrationError
        Too few images, too many off the line, or a sample that hardly moves.
    """
    displacement, frames = _checked(displacement_um, images)
    middle = int(np.argmin(np.abs(displacement - np.median(displacement))))
    shift = np.array([registered(frames[middle], frame) for frame in frames])
    used = _on_a_line(displacement, shift)
    rows, columns = (fit_line(displacement[used], along[used]) for along in shift.T)
    rate = np.array([rows.slope, columns.slope])
    error = np.array([rows.slope_sigma, columns.slope_sigma])
    fast = float(np.hypot(*rate))
    moved = fast * float(np.ptp(displacement[used]))
    if moved < _LEAST_MOVE_PX:
        raise CalibrationError(
            f"pixel size: the image moves by {moved:.1f} px over {np.ptp(displacement):.2f} um, wanted "
            f"{_LEAST_MOVE_PX:.0f} px or more; is the sample in the field and the images divided by the flat?"
        )
    if float(error.max()) > _UNSURE * fast:
        raise CalibrationError(
            f"pixel size: the images lie on no line, {rows.scatter:.1f} and {columns.scatter:.1f} px off it "
            "along rows and columns; is the sample in the field, and are the images divided by the flat?"
        )
    along, across = rate / fast, rate[::-1] * (1, -1) / fast
    return PixelSizeResult(
        pixel_size_m=UM / fast,
        sigma_m=float(np.hypot(*(along * error))) / fast**2 * UM,
        shift_px=shift,
        used=used,
        rotation_deg=float(np.rad2deg(np.arctan2(rate[0], rate[1]))),
        rotation_sigma_deg=float(np.rad2deg(np.hypot(*(across * error)) / fast)),
    )


def registered(reference: FloatArray, image: FloatArray) -> tuple[float, float]:
    """Return by how many (rows, columns) the sample stands further in ``image`` than in ``reference``.

    First to a whole pixel by correlation of both images; then the parts that both show are correlated again
    until the whole pixels stay, and the rest is a least-squares fit.

    Parameters
    ----------
    reference, image : real (ny, nx)
    """
    whole = shift_of_overlap(reference, image)
    fraction = _fraction(*shared(reference, image, whole))
    return whole[0] + fraction[0], whole[1] + fraction[1]


def _checked(displacement_um: ArrayLike, images: ArrayLike) -> tuple[FloatArray, FloatArray]:
    displacement, frames = np.asarray(displacement_um, dtype=float), np.asarray(images, dtype=float)
    if displacement.ndim != 1 or frames.ndim != 3 or len(frames) != displacement.size:
        raise CalibrationError(
            f"pixel size: wanted an image for each of {displacement.size} displacements, found {frames.shape}"
        )
    found = np.unique(displacement).size
    if found < _FEWEST or min(frames.shape[1:]) < _SMALLEST:
        raise CalibrationError(
            f"pixel size: wanted {_FEWEST} displacements and images of {_SMALLEST} x {_SMALLEST} pixels or "
            f"more, found {found} of {frames.shape[1:]}"
        )
    if not np.isfinite(frames).all() or not np.isfinite(displacement).all():
        raise CalibrationError("pixel size: images and displacements must be finite numbers")
    return displacement, frames


def _fraction(reference: FloatArray, image: FloatArray) -> tuple[float, float]:
    """Least squares of the difference of both, smoothed, over the shift and a change of brightness.

    No window and no correlation: both would pull a sample that fills the field towards no shift at all.
    """
    still, moved = (ndimage.gaussian_filter(part, _SMOOTH_PX, mode="nearest") for part in (reference, image))
    inner = (slice(_RIM, -_RIM), slice(_RIM, -_RIM))
    fraction = np.zeros(2)
    for _ in range(_STEPS):
        back = ndimage.shift(moved, -fraction, order=3, mode="nearest")
        slopes = [slope[inner].ravel() for slope in np.gradient(0.5 * (still + back))]
        difference = (back - still)[inner].ravel()
        terms = np.stack([*slopes, np.ones_like(difference)], axis=1)
        fraction -= np.linalg.lstsq(terms, difference, rcond=None)[0][:2]
        fraction = np.clip(fraction, -1.5, 1.5)
    return float(fraction[0]), float(fraction[1])


def _on_a_line(displacement: FloatArray, shift: FloatArray) -> NDArray[np.bool_]:
    """Which images lie on the line of the median slopes, which a third of them cannot move."""
    first, second = np.triu_indices(displacement.size, 1)
    apart = displacement[second] - displacement[first]
    different = apart != 0
    slope = np.median((shift[second] - shift[first])[different] / apart[different, None], axis=0)
    off = shift - displacement[:, None] * slope
    distance = np.hypot(*(off - np.median(off, axis=0)).T)
    scatter = max(1.48 * float(np.median(distance)), _SMALLEST_SCATTER_PX)
    used: NDArray[np.bool_] = distance < _OUTLIER * scatter
    if used.mean() < 1 - _MOST_OUT or np.unique(displacement[used]).size < _FEWEST - 1:
        raise CalibrationError(
            f"pixel size: only {used.sum()} of {used.size} images lie on one line; is the sample in the "
            "field all the time, and are the images divided by the flat?"
        )
    return used
