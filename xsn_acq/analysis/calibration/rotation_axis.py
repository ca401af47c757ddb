r"""Where the rotation axis is, and how it leans, from images half a turn apart.

Half a turn about an axis that leans by ``roll`` in the image mirrors the image about the leaning line.
Flipped back about the upright, what is at (x, y) from the axis and the middle row is displaced by
-2 e - 2 roll y along x, with e the error of the column it was flipped about, and by 2 roll x along y. What
stands at a depth w along the beam is displaced by 2 tilt w along y. A depth is seen a quarter of a turn later
as a distance from the axis: the centre of detail at each height, fitted by a sinusoid over the angles, tells
the depth that goes with each displacement.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.analysis.alignment import PairAlignment
from xsn_acq.analysis.calibration.lean import find_lean
from xsn_acq.analysis.least_squares import least_squares
from xsn_acq.analysis.shift import centre_on_axis
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.schlieren import Schlieren

_UNKNOWN_PX = 1.0
"""A shift with a larger standard error tells nothing."""
_FLOOR_PX = 0.01
"""Part of the error that the scatter of a cross-spectrum does not tell."""


@dataclass(frozen=True)
class RotationAxisResult:
    """The rotation axis in the frames.

    Attributes
    ----------
    column, sigma_px : float
        Column of the axis at the middle row (ny - 1) / 2, pixel centres at integers, and its standard error.
    roll_deg, roll_sigma_deg : float
        Lean in the image: positive where the column grows with the row.
    tilt_deg, tilt_sigma_deg : float
        Lean along the beam: positive where the axis goes downstream as the row grows. Nan and inf where the
        angles or the sample do not tell: pairs in two directions or more are wanted, of a sample whose detail
        is not all on the axis.
    pairs : int
        Number of pairs it follows from.
    """

    column: float
    sigma_px: float
    roll_deg: float
    roll_sigma_deg: float
    tilt_deg: float
    tilt_sigma_deg: float
    pairs: int


def rotation_axis(
    theta_deg: ArrayLike,
    images: ArrayLike,
    *,
    optics: Schlieren,
    tolerance_deg: float = 0.1,
    workers: int = 1,
) -> RotationAxisResult:
    """Find the rotation axis.

    Parameters
    ----------
    theta_deg : (n,)
        Angles of the images; those half a turn apart are taken together.
    images : real (n, ny, nx)
        Over the flat, air = ``optics.background``.
    optics : Schlieren
        Of the images' shape.
    tolerance_deg : float
        How far from half a turn a pair may be.
    workers : int
        Threads for the FFTs.

    Raises
    ------
    ReconstructionError
        No two images are half a turn apart, or they show no sample.
    """
    stack = np.asarray(images, dtype=optics.real)
    theta = np.asarray(theta_deg, dtype=float)
    pairs = half_turns(theta, tolerance_deg)
    whole = PairAlignment(optics, workers=workers)
    shifts = [whole.shift(stack[i], stack[j][:, ::-1]) for i, j in pairs]
    kept = [k for k, shift in enumerate(shifts) if max(shift.sigma_x, shift.sigma_y) < _UNKNOWN_PX]
    if not kept:
        raise ReconstructionError(
            f"rotation axis: {len(pairs)} pairs of images show nothing to align by; "
            "is the sample in the beam, the exposure long enough, the cutoff in place?"
        )
    pairs, shifts = [pairs[k] for k in kept], [shifts[k] for k in kept]
    column = 0.5 * (optics.shape[1] - 1)
    column += _mean(*np.array([(s.axis_error, s.sigma_x / 2) for s in shifts]).T)[0]
    centred = centre_on_axis(stack - optics.background, column)
    lean = find_lean(
        [(centred[i], centred[j][:, ::-1]) for i, j in pairs],
        theta[[i for i, _ in pairs]],
        optics.pixel_size_m,
    )
    middle = np.array([s.axis_error for s in shifts]) + 0.5 * lean.drawn
    error, sigma = _mean(middle, np.array([s.sigma_x / 2 for s in shifts]))
    (roll, tilt), (roll_sigma, tilt_sigma) = np.rad2deg(lean.angles).tolist(), np.rad2deg(lean.sigma).tolist()
    if not np.isfinite(tilt_sigma):
        tilt = float("nan")
    column = 0.5 * (optics.shape[1] - 1) + error
    return RotationAxisResult(column, sigma, roll, roll_sigma, tilt, tilt_sigma, len(pairs))


def _mean(values: FloatArray, sigma: FloatArray) -> tuple[float, float]:
    """Weighted mean; its error from the values' own errors or from their scatter, whichever is larger."""
    weight = 1 / (sigma**2 + _FLOOR_PX**2)
    (mean,), covariance = least_squares(np.ones((values.size, 1)), values, weight)
    scatter = float(covariance[0, 0]) if values.size > 1 else 0.0
    return float(mean), float(np.sqrt(max(scatter, 1 / weight.sum())))


def half_turns(theta_deg: FloatArray, tolerance_deg: float) -> list[tuple[int, int]]:
    """Places of the images that are half a turn apart, each image in one pair at most."""
    apart = theta_deg[None, :] - theta_deg[:, None] - 180.0
    off = np.abs((apart + 180.0) % 360.0 - 180.0)
    free, pairs = set(range(theta_deg.size)), []
    for i in range(theta_deg.size):
        partners = [j for j in sorted(free) if i in free and j > i and off[i, j] <= tolerance_deg]
        if partners:
            pairs.append((i, partners[0]))
            free -= {i, partners[0]}
    if not pairs:
        raise ReconstructionError(
            f"rotation axis: of {theta_deg.size} images no two are half a turn apart, "
            f"within {tolerance_deg} deg; take the sample at theta and theta + 180"
        )
    return pairs
