"""Where the sample stood in each projection: jitter and slow drift of the stage over a scan.

Across: the centre of mass of an object moves as a cos(theta) + b sin(theta) about the axis; what it does
beyond that, the stage did. A displacement of that very form cannot be told from a sample that sits elsewhere
on the stage, and need not be: it moves the volume as a whole.

Along the axis: neighbouring projections show the same detail at the same height. Their shifts, over one, two
and four steps, are joined into one path by least squares. The sample may be longer than the field.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike
from scipy.interpolate import make_smoothing_spline

from xsn_acq.analysis.correlation import DetailCorrelation
from xsn_acq.analysis.least_squares import least_squares
from xsn_acq.analysis.taper import tukey
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

_FEWEST = 8
_ROUNDS = 3
_OUTLYING = 4.0
"""Standard deviations."""
_AIR = 0.05
_TAPER = 0.2
_DETAIL_PER_M = 4e6
_LAGS = (1, 2, 4)


@dataclass(frozen=True, eq=False)
class Drift:
    """Displacement of each projection, pixels; positive towards larger x and y.

    Attributes
    ----------
    dx, dy : (n,)
        As measured. dx counts from the centre column, dy from the mean of all.
    sigma_x, sigma_y : float
        Standard error of one of them.
    smooth_x, smooth_y : (n,)
        The slow part: a smoothing spline, its stiffness chosen by cross-validation.
    """

    dx: FloatArray
    dy: FloatArray
    sigma_x: float
    sigma_y: float
    smooth_x: FloatArray
    smooth_y: FloatArray

    @property
    def jitter(self) -> tuple[float, float]:
        """Standard deviation (x, y) of what is left of the slow part and of the measurement's error."""
        left = [(self.dx - self.smooth_x, self.sigma_x), (self.dy - self.smooth_y, self.sigma_y)]
        x, y = (float(np.sqrt(max(float(np.var(rest)) - sigma**2, 0.0))) for rest, sigma in left)
        return x, y


def drift(
    projections: ArrayLike,
    theta_deg: ArrayLike,
    *,
    pixel_size_m: float,
    air_columns: int,
    workers: int = 1,
) -> Drift:
    """Measure the displacement of each projection.

    Parameters
    ----------
    projections : real (n, ny, nx)
        Phase, 0 in air, rotation axis at the centre column; in the order they were taken.
    theta_deg : (n,)
        A few degrees or less apart.
    pixel_size_m : float
    air_columns : int
        Columns at the left and right border that must see air only.
    workers : int
        Threads for the FFTs.

    Raises
    ------
    ReconstructionError
        Too few projections, or the sample reaches the border.
    """
    stack, theta = np.asarray(projections), np.deg2rad(np.asarray(theta_deg, dtype=float))
    if stack.ndim != 3 or stack.shape[0] != theta.size or theta.size < _FEWEST:
        raise ReconstructionError(
            f"drift: wanted {_FEWEST} or more projections (n, ny, nx) and their angles, "
            f"found {stack.shape} and {theta.size} angles"
        )
    _check_air(stack.sum(axis=(0, 1), dtype=float), air_columns)
    dx, sigma_x = _across(stack, theta)
    dy, sigma_y = _along(stack, pixel_size_m, workers)
    return Drift(dx, dy, sigma_x, sigma_y, _smooth(dx), _smooth(dy))


def _check_air(profile: FloatArray, columns: int) -> None:
    """The mass (nx,) of all projections must be small in the border columns, at both ends."""
    width = max(columns, 1)
    share = max(abs(profile[:width].mean()), abs(profile[-width:].mean())) / np.abs(profile).max()
    if share > _AIR:
        raise ReconstructionError(
            f"drift: the sample reaches the border: the outer {width} columns hold {share:.0%} of the "
            f"densest column, wanted under {_AIR:.0%}; its centre of mass is not seen, take a wider field"
        )


def _across(stack: FloatArray, theta: FloatArray) -> tuple[FloatArray, float]:
    """Dx of each projection, and its error from two interleaved sets of rows."""
    ny, nx = stack.shape[1:]
    x = np.arange(nx) - 0.5 * (nx - 1)
    mass, moment = stack.sum(axis=2, dtype=float), stack @ x
    set_of_row = (np.arange(ny) // max(ny // 16, 1)) % 2
    halves = [_off_circle(moment[:, set_of_row == k], mass[:, set_of_row == k], theta)[0] for k in (0, 1)]
    residual, constant = _off_circle(moment, mass, theta)
    noise = 0.5 * float(np.std(halves[0] - halves[1]))
    return residual + constant, noise


def _off_circle(moment: FloatArray, mass: FloatArray, theta: FloatArray) -> tuple[FloatArray, float]:
    """Centre of mass less a cos + b sin + c, and c; what lies far off has no say in the fit."""
    centre = moment.sum(axis=1) / np.median(mass.sum(axis=1))
    design = np.stack([np.cos(theta), np.sin(theta), np.ones_like(theta)], axis=1)
    weight = np.ones(theta.size)
    for _ in range(_ROUNDS):
        found, _ = least_squares(design, centre, weight)
        residual = centre - design @ found
        scatter = 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
        weight = (np.abs(residual) <= _OUTLYING * scatter).astype(float) if scatter > 0 else weight
    return residual, float(found[2])


def _along(stack: FloatArray, pixel_size_m: float, workers: int) -> tuple[FloatArray, float]:
    """Dy of each projection against the mean of all: the path that fits the shifts between neighbours."""
    n, ny, nx = stack.shape
    window = np.outer(tukey(ny, _TAPER), tukey(nx, _TAPER)).astype(np.float32)
    spectra = [scipy.fft.rfft2(image * window, workers=workers) for image in stack]
    links, shifts = [], []
    for lag in _LAGS:
        for i in range(n - lag):
            cross = -spectra[i].conj() * spectra[i + lag]
            correlation = DetailCorrelation(cross, (ny, nx), _DETAIL_PER_M * pixel_size_m)
            links.append((i, i + lag))
            shifts.append(correlation.best((0.0, 0.0))[0])
    design = np.zeros((len(links), n))
    for row, (i, j) in enumerate(links):
        design[row, [i, j]] = -1.0, 1.0
    values, weight = np.array(shifts), np.ones(len(links))
    for _ in range(_ROUNDS):
        path, covariance = least_squares(design, values, weight)
        rest = np.abs(values - design @ path)
        weight = (rest <= _OUTLYING * 1.4826 * np.median(rest) + 1e-9).astype(float)
    # shifts over one, two and four steps err alike: they share the projections and how the detail changes
    return path - path.mean(), float(np.sqrt(len(_LAGS) * np.diag(covariance).mean()))


def _smooth(values: FloatArray) -> FloatArray:
    """Smoothing spline over the projections; single outliers are drawn in first."""
    order = np.arange(values.size)
    around = np.array([np.median(values[max(i - 2, 0) : i + 3]) for i in order])
    reach = _OUTLYING * 1.4826 * float(np.median(np.abs(values - around)))
    spline = make_smoothing_spline(order, np.clip(values, around - reach, around + reach))
    return np.asarray(spline(order), dtype=float)
