"""How the stage of the zone plate runs sideways as it follows the energy, from images of a sample at rest.

Above the illumination's half width the cutoff filter lets one sideband pass. There the image's spectrum is
that of alpha + i phi, and where an absorption edge changes their mix the phase of all of it turns by the same
angle; a displacement turns it in proportion to the frequency. So images on both sides of an edge are
registered by the modulus of their correlation over that sideband, which knows nothing of a common angle.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from scipy import ndimage
from scipy.optimize import minimize

from xsn_acq.analysis.calibration.line import Line, fit_line
from xsn_acq.analysis.calibration.overlap import shared, shift_of_overlap
from xsn_acq.analysis.shift import shift_image
from xsn_acq.optics.arrays import ComplexArray, FloatArray
from xsn_acq.units import UM

_BAND = (0.15, 0.35)
"""Lowest frequency across the filter's edge, and highest of all, cycles per pixel."""
_ROUNDS = 2
LEAST_LIKENESS = 0.5
"""Images that are less alike after registration were matched wrongly: of right matches it was 0.57 or more,
of wrong ones 0.46 or less."""
_FEWEST = 3


@dataclass(frozen=True, eq=False)
class View:
    """The sample near its focus at one energy.

    Attributes
    ----------
    z_mm : (n,)
        Three or more positions of the zone plate about the focus.
    images : (n, ny, nx)
        Divided by the flat, the cutoff's edge along y.
    focus_mm : float
        Position of best focus.
    pixel_m : float
        Pixel of the images at the sample.
    """

    z_mm: FloatArray
    images: FloatArray
    focus_mm: float
    pixel_m: float


@dataclass(frozen=True, eq=False)
class Track:
    """Where the sample stands in the images of one energy, against the first energy's in focus.

    Attributes
    ----------
    y, x : Line
        Shift in pixels of the first energy over zone_plate_z - ``z_mm``.
    z_mm : float
    """

    y: Line
    x: Line
    z_mm: float

    def shift_px(self, z_mm: FloatArray) -> FloatArray:
        """Shift (rows, columns) at positions of the zone plate, (n, 2)."""
        away = np.asarray(z_mm)[:, None] - self.z_mm
        return np.asarray([self.y.offset, self.x.offset] + away * [self.y.slope, self.x.slope])

    def sigma_px(self, focus_sigma_mm: float) -> float:
        """Standard error of the shift in a focus that is known to ``focus_sigma_mm``, the larger of both."""
        lines = (self.y, self.x)
        return max(float(np.hypot(_offset_sigma(line), line.slope * focus_sigma_mm)) for line in lines)


@dataclass(frozen=True)
class InFocus:
    """The zone plate in focus at one energy: along the beam, its readings (x, y) across, magnification."""

    z_mm: float
    sigma_mm: float
    place_um: tuple[float, float]
    magnification: float


@dataclass(frozen=True, eq=False)
class SidewaysRun:
    """Where the zone plate must be across the beam.

    Attributes
    ----------
    place_um : (n, 2)
        Readings (x, y) for each energy with which its image stands where the first one's does.
    sigma_um : (n,)
        Their standard error, the larger of both.
    um_per_mm : (x, y)
        How far the stage runs sideways on its way along the beam, on average.
    """

    place_um: FloatArray
    sigma_um: FloatArray
    um_per_mm: tuple[float, float]


def tracks(views: Sequence[View], middle_px: tuple[float, float]) -> tuple[Track, ...] | None:
    """Register the images of all energies to that of the first which is nearest to its focus.

    They are brought to its pixel size about the optical axis, so that the walk of a sample off that axis,
    which the magnification alone makes, is left out.

    Parameters
    ----------
    views : sequence of View
    middle_px : (row, column)
        Where the optical axis meets the images; it may lie outside.

    Returns
    -------
    tuple of Track, or None where of some energy fewer than three images are like that of the first
    """
    first = views[0]
    reference = first.images[np.argmin(np.abs(first.z_mm - first.focus_mm))]
    found = []
    for view in views:
        ratio = first.pixel_m / view.pixel_m
        shifts = np.array(
            [view_shift(reference, _rescaled(image, ratio, middle_px)) for image in view.images]
        )
        alike = shifts[:, 2] >= LEAST_LIKENESS
        if np.count_nonzero(alike) < _FEWEST:
            return None
        away = view.z_mm[alike] - view.focus_mm
        y, x = (fit_line(away, along) for along in shifts[alike].T[:2])
        found.append(Track(y, x, view.focus_mm))
    return tuple(found)


def sideways_run(along: Sequence[Track], focus: Sequence[InFocus], pixel_m: float) -> SidewaysRun:
    """Find the sideways readings of the zone plate that keep the image in place.

    A zone plate displaced by s displaces the view by s (1 + 1 / M).

    Parameters
    ----------
    along : sequence of Track
    focus : sequence of InFocus
        For each of them; two or more, the first one is the reference.
    pixel_m : float
        Of the first energy's images at the sample.
    """
    z = np.array([each.z_mm for each in focus])
    shift = np.array([track.shift_px(at)[0] for track, at in zip(along, z[:, None], strict=True)])
    um_per_px = np.array([pixel_m / UM / (1 + 1 / each.magnification) for each in focus])
    moved_um = (shift - shift[0])[:, ::-1] * um_per_px[:, None]
    place = np.array([each.place_um for each in focus]) + moved_um
    sigma = np.array([track.sigma_px(each.sigma_mm) for track, each in zip(along, focus, strict=True)])
    away = z - z.mean()
    run_x, run_y = (float(run) for run in -(away @ place) / (away @ away))
    return SidewaysRun(place, np.hypot(sigma, sigma[0]) * um_per_px, (run_x, run_y))


def same_part(shape: tuple[int, int], shifts_px: FloatArray) -> list[tuple[slice, slice]] | None:
    """Rows and columns of images that show the same part of a sample which stands shifted in them.

    Parameters
    ----------
    shape : (ny, nx)
    shifts_px : (n, 2)
        Rows and columns; each is rounded.

    Returns
    -------
    list of n (slice, slice), or None where the part is less than half of either side
    """
    whole = np.rint(shifts_px).astype(int)
    low, high = np.maximum(-whole.min(axis=0), 0), np.array(shape) - np.maximum(whole.max(axis=0), 0)
    if np.any(high - low < 0.5 * np.array(shape)):
        return None
    return [
        (slice(y0, y1), slice(x0, x1)) for (y0, x0), (y1, x1) in zip(low + whole, high + whole, strict=True)
    ]


def view_shift(reference: FloatArray, image: FloatArray) -> tuple[float, float, float]:
    """Rows and columns by which the sample stands further in ``image``, and the likeness of both after that.

    Parameters
    ----------
    reference, image : real (ny, nx)
        The contrast of both may differ as absorption differs from phase.
    """
    whole = shift_of_overlap(reference, image)
    still, moved = shared(reference, image, whole)
    shift, likeness = np.zeros(2), 0.0
    for _ in range(_ROUNDS):  # the window of the second round lies on the same of both
        more, likeness = _fraction(still, shift_image(moved, -shift[0], -shift[1]))
        shift = shift + more
    return float(whole[0] + shift[0]), float(whole[1] + shift[1]), likeness


def _fraction(still: FloatArray, moved: FloatArray) -> tuple[FloatArray, float]:
    """Shift with the highest modulus of the correlation over one sideband; that, 1 at best."""
    ny, nx = still.shape
    v, u = np.meshgrid(scipy.fft.fftfreq(ny), scipy.fft.rfftfreq(nx), indexing="ij")
    inside = (u >= _BAND[0]) & (np.hypot(u, v) <= _BAND[1])
    wave = 2 * np.pi * np.stack([v[inside], u[inside]])
    window = np.outer(np.hanning(ny), np.hanning(nx))
    first, second = (_spectrum(image, window)[inside] for image in (still, moved))
    cross = first.conj() * second
    cross /= max(float(np.abs(cross).sum()), np.finfo(float).tiny)

    def cost(shift: FloatArray) -> tuple[float, FloatArray]:
        turned = cross * np.exp(1j * (shift @ wave))
        total, slopes = turned.sum(), 1j * (wave @ turned)
        return -float(np.abs(total) ** 2), -2 * (np.conj(total) * slopes).real

    found = minimize(cost, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-6})
    return np.asarray(found.x), float(np.sqrt(-found.fun))


def _spectrum(image: FloatArray, window: FloatArray) -> ComplexArray:
    return np.asarray(scipy.fft.rfft2((image / np.average(image, weights=window) - 1) * window))


def _rescaled(image: FloatArray, ratio: float, middle_px: tuple[float, float]) -> FloatArray:
    """Image on pixels that are ``ratio`` of its own, about a point of it; by cubic splines."""
    if ratio == 1.0:
        return image
    offset = (1 - ratio) * np.asarray(middle_px)
    return np.asarray(ndimage.affine_transform(image, [ratio, ratio], offset, order=3, mode="nearest"))


def _offset_sigma(line: Line) -> float:
    return float(np.sqrt(line.covariance[1, 1]))
