"""Where the diffuser stood in the course of a scan, and the reference speckle that belongs to each frame.

Shifts are measured between references taken before, between and after the projections, and in projections
themselves where they see air. A smooth path through them tells the shift at any time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import make_smoothing_spline

from xsn_acq.analysis.shift import shift_image
from xsn_acq.analysis.slopes import derivative
from xsn_acq.analysis.taper import tukey
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

_LEAST_SIDE, _MOST_SIDE = 24, 512
_LEAST_ALIKE = 0.3
"""Share of the second image's variance that the first one, moved, must explain."""
_TAPER = 0.3
_MARGIN = 6
"""Pixels at the border that a shift brings in by continuation; they do not count."""
_STEPS = 12
_CLOSE = 1e-4
_FEWEST_FOR_SPLINE = 6
_FLOOR_PX = 0.005
"""Part of an error that the scatter of the pixels does not tell."""


@dataclass(frozen=True)
class SpeckleShift:
    """What is at (y, x) in the reference is at (y + dy, x + dx) in the other image.

    Attributes
    ----------
    dy, dx : float, pixels
    sigma_y, sigma_x : float, pixels
        Standard errors, from the scatter of what is left.
    gain : float
        Brightness of the other image over that of the reference.
    left : float
        Rms of what the moved reference does not explain, over the other image's mean.
    """

    dy: float
    dx: float
    sigma_y: float
    sigma_x: float
    gain: float = 1.0
    left: float = 0.0


def speckle_shift(
    reference: ArrayLike, other: ArrayLike, region: tuple[slice, slice] | None = None
) -> SpeckleShift:
    """Measure the shift of the speckle between two images.

    Whole pixels from the cross-correlation, the rest by least squares of other = gain * reference, moved.

    Parameters
    ----------
    reference, other : real (ny, nx)
        Dark-subtracted and over the flat, bad pixels repaired.
    region : (rows, columns), optional
        Where both see air and diffuser only, 24 pixels a side or more; everywhere when left out. Of a large
        region the middle 512 x 512 pixels tell enough.

    Raises
    ------
    ReconstructionError
        The region is too small, or does not show the same speckle in both.
    """
    first, second = (_middle(np.asarray(each)[region or ...]) for each in (reference, other))
    if first.shape != second.shape or first.ndim != 2 or min(first.shape) < _LEAST_SIDE:
        raise ReconstructionError(
            f"speckle shift: wanted two equal images of {_LEAST_SIDE} pixels a side or more, found "
            f"{first.shape} and {second.shape}; choose another region"
        )
    at = np.array([*_whole_pixels(first, second), second.mean() / first.mean()], float)
    for _ in range(_STEPS):
        step, errors, rest = _least_squares_step(first, second, at)
        at = at + step
        if np.abs(step[:2]).max() < _CLOSE:
            break
    alike = 1 - rest / float(np.var(second))
    if not alike > _LEAST_ALIKE or np.abs(at[:2]).max() > 0.5 * min(first.shape):
        raise ReconstructionError(
            f"speckle shift: wanted the same speckle in both images, found {max(alike, 0.0):.0%} of it "
            "alike; did the diffuser move, or is the sample in the region?"
        )
    dy, dx, gain = (float(value) for value in at)
    left = float(np.sqrt(rest) / second.mean())
    return SpeckleShift(dy, dx, float(errors[0]), float(errors[1]), gain, left)


def _middle(image: FloatArray) -> FloatArray:
    """The middle of an image, float64."""
    cuts = tuple(slice(max(0, (n - _MOST_SIDE) // 2), (n + _MOST_SIDE) // 2) for n in image.shape)
    return np.asarray(image[cuts], float)


def _whole_pixels(first: FloatArray, second: FloatArray) -> tuple[int, int]:
    window = np.outer(*(tukey(n, _TAPER) for n in first.shape))
    spectra = [scipy.fft.rfft2((image - image.mean()) * window) for image in (first, second)]
    everywhere = scipy.fft.irfft2(spectra[0].conj() * spectra[1], first.shape)
    found = np.unravel_index(int(np.argmax(everywhere)), first.shape)
    dy, dx = ((int(i) + n // 2) % n - n // 2 for i, n in zip(found, first.shape, strict=True))
    return dy, dx


def _least_squares_step(
    first: FloatArray, second: FloatArray, at: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """Change of (dy, dx, gain), its errors, and the mean square of what is left."""
    moved = shift_image(first, at[0], at[1])
    inside = tuple(_inside(n, shift) for n, shift in zip(first.shape, at, strict=False))
    columns = [-at[2] * derivative(moved, axis)[inside].ravel() for axis in (0, 1)]
    design = np.stack([*columns, moved[inside].ravel()], axis=1)
    left = (second - at[2] * moved)[inside].ravel()
    square = design.T @ design
    step = np.linalg.solve(square, design.T @ left)
    rest = float(np.mean((left - design @ step) ** 2))
    errors = np.sqrt(rest * np.diag(np.linalg.inv(square)))
    return step, errors, rest


def _inside(count: int, shift: float) -> slice:
    """Pixels that the shifted image knows; half of them at the least."""
    margin = min(_MARGIN + int(np.ceil(abs(shift))), count // 4)
    return slice(margin, count - margin)


@dataclass(frozen=True, eq=False)
class DriftPath:
    """Shift of the speckle over time.

    Attributes
    ----------
    time_s : (n,)
        Rising.
    dy, dx : (n,)
        Pixels, from the first reference; linear between, constant before and after.
    """

    time_s: FloatArray
    dy: FloatArray
    dx: FloatArray

    def at(self, time_s: float) -> tuple[float, float]:
        """Shift (dy, dx) at a time."""
        dy, dx = (float(np.interp(time_s, self.time_s, each)) for each in (self.dy, self.dx))
        return dy, dx

    @property
    def largest_px(self) -> float:
        """Largest distance between any two places of the path's, along either axis."""
        return float(max(np.ptp(self.dy), np.ptp(self.dx)))


def drift_path(time_s: ArrayLike, shifts: Sequence[SpeckleShift]) -> DriftPath:
    """Join shifts from one reference into a path.

    Six or more are smoothed by a spline, its stiffness chosen by cross-validation; fewer are taken as found.

    Parameters
    ----------
    time_s : (n,)
        Any order, no two equal.
    shifts : sequence of SpeckleShift

    Raises
    ------
    ReconstructionError
        Their numbers differ or are 0, or two times are equal.
    """
    time = np.asarray(time_s, float)
    order = np.argsort(time)
    if time.ndim != 1 or time.size != len(shifts) or not time.size or np.any(np.diff(time[order]) <= 0):
        raise ReconstructionError(
            f"drift: wanted one shift for each of several different times, found {len(shifts)} shifts and "
            f"{np.unique(time).size} different times"
        )
    values = np.array([(s.dy, s.dx, s.sigma_y, s.sigma_x) for s in shifts])[order].T
    time = time[order]
    if time.size < _FEWEST_FOR_SPLINE:
        return DriftPath(time, values[0], values[1])
    span = time[-1] - time[0]
    dy, dx = (
        make_smoothing_spline(time / span, each, 1 / np.maximum(sigma, _FLOOR_PX) ** 2)(time / span)
        for each, sigma in zip(values[:2], values[2:], strict=True)
    )
    return DriftPath(time, dy, dx)


class DriftingReference:
    """The reference speckle of one diffuser position at any time of a scan.

    Parameters
    ----------
    references : real (n, ny, nx)
        Taken at several times, dark-subtracted and over the flat; the first is where the path begins.
    time_s : (n,)
    region : (rows, columns), optional
        See `speckle_shift`.

    Raises
    ------
    ReconstructionError
        Number of times and of references differ, or they do not show the same speckle.

    Attributes
    ----------
    shifts : tuple of SpeckleShift
        Of each reference from the first.
    """

    def __init__(
        self,
        references: ArrayLike,
        time_s: ArrayLike,
        *,
        region: tuple[slice, slice] | None = None,
    ) -> None:
        frames = np.asarray(references)
        self._time = np.asarray(time_s, float)
        self._region = region
        if frames.ndim != 3 or len(frames) != self._time.size:
            raise ReconstructionError(
                f"drift: wanted references (n, ny, nx) and their n times, found {frames.shape} and "
                f"{self._time.size} times"
            )
        self.shifts = tuple(speckle_shift(frames[0], frame, region) for frame in frames)
        self.path = drift_path(self._time, self.shifts)
        self._still = _joined(frames, self.shifts)

    def take(self, time_s: Sequence[float], shifts: Sequence[SpeckleShift]) -> None:
        """Take shifts seen at other times into the path, as in the air of projections.

        Parameters
        ----------
        time_s : (n,)
            No reference's.
        shifts : (n,)
            From the first reference.

        Raises
        ------
        ReconstructionError
            Two times are equal.
        """
        self.path = drift_path([*self._time, *time_s], [*self.shifts, *shifts])

    def at(self, time_s: float) -> FloatArray:
        """Reference as it was at a time, mean of all references moved there, (ny, nx)."""
        return shift_image(self._still, *self.path.at(time_s))


def _joined(frames: FloatArray, shifts: Sequence[SpeckleShift]) -> FloatArray:
    """Mean of frames moved to where the first one was; near a border, of those that saw it."""
    total, count = np.zeros(frames.shape[1:]), np.zeros(frames.shape[1:])
    for frame, shift in zip(frames, shifts, strict=True):
        seen = _seen(frame.shape, shift)
        total += np.where(seen, shift_image(frame / shift.gain, -shift.dy, -shift.dx), 0.0)
        count += seen
    return np.asarray(total / count)


def _seen(shape: tuple[int, ...], shift: SpeckleShift) -> NDArray[np.bool_]:
    """Pixels of the first frame's place that a shifted one shows, its ragged border left out."""
    seen = np.ones(shape, bool)
    for axis, by in enumerate((shift.dy, shift.dx)):
        margin = int(np.ceil(abs(by)))
        if margin:
            border = [slice(None), slice(None)]
            away = margin + _MARGIN
            border[axis] = slice(shape[axis] - away, None) if by > 0 else slice(0, away)
            seen[tuple(border)] = False
    return seen
