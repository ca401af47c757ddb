"""Where the cutoff filter stands in the pupil's plane: Foucault's test."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.analysis.calibration.line import Line, fit_line
from xsn_acq.errors import CalibrationError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.units import MM, UM

_FEWEST = {"z": 3, "cutoff_x": 4, "columns": 4}
_DIM = 0.2
"""Columns with less than this fraction of the median light are left out: the pinhole's shadow."""
_LEAST_DARKENING = 0.2
_UNSURE = 0.1
"""Relative error of the shadow's speed above which it may be none."""
_UNLIKE = 0.3
"""By this fraction the shadow's speed may differ from 1 / f; sparse positions of the edge blur its slope."""


@dataclass(frozen=True, eq=False)
class PupilPlaneResult:
    """Where the filter darkens the field evenly.

    Attributes
    ----------
    z_mm, sigma_mm : float
        Position of the filter along the beam at which it does, and its standard error.
    depth_mm : float
        So far off, the edge's frequency differs between both ends of the field by ``tolerance`` of the
        illumination's width.
    nonuniformity : (n_z,)
        Fraction passing at the last column minus that at the first one, where the edge darkens fastest.
    """

    z_mm: float
    sigma_mm: float
    depth_mm: float
    nonuniformity: FloatArray


def pupil_plane(
    z_mm: ArrayLike,
    cutoff_x_um: ArrayLike,
    counts: ArrayLike,
    *,
    focal_length_m: float,
    column_x_m: ArrayLike,
    tolerance: float = 0.02,
) -> PupilPlaneResult:
    """Find the pupil's plane from the shadow that crosses the field when the filter is not in it.

    A filter off the pupil by dz cuts the light from the place x of the sample at the frequency
    (x_cut + x dz / f) / (lambda (f + dz)): the darkening of each column is that of the whole field, displaced
    in ``cutoff_x`` by -x dz / f. The displacement's slope along the field goes through 0 in the pupil. What
    the columns have of their own (beam profile, sensor) and drift of the light drop out.

    Parameters
    ----------
    z_mm : (n_z,)
        Positions of the filter along the beam, three or more.
    cutoff_x_um : (n_x,)
        Positions of its edge, four or more, from open to closed; nine and more halve the error.
    counts : (n_z, n_x, n_columns)
        Background above dark for each mA of ring current, mean over the rows of a column or of a few.
    focal_length_m : float
        Of the zone plate.
    column_x_m : (n_columns,)
        Place of the columns at the sample, about the optical axis.
    tolerance : float
        Fraction of the illumination's width that defines ``depth_mm``. With 2 % delta is 2 % wrong at both
        ends of the field, one way and the other.

    Raises
    ------
    CalibrationError
        Too few points, no shadow, a shadow that is none of the filter's, or a pupil outside the scan.
    """
    z, cutoff, light, x_um = _checked(z_mm, cutoff_x_um, counts, column_x_m)
    shadows = [_shadow(cutoff, plane, x_um) for plane in light]
    slopes, sigmas, widths = np.array(shadows).T
    line = fit_line(z, slopes, sigmas)
    _require_shadow(line, focal_length_m / MM, z)
    field_um = x_um[-1] - x_um[0]
    width_um = float(np.median(np.abs(widths)))
    return PupilPlaneResult(
        z_mm=line.zero,
        sigma_mm=line.zero_sigma,
        depth_mm=tolerance * width_um * focal_length_m / abs(field_um) / MM,
        nonuniformity=slopes * field_um / widths,
    )


def _checked(
    z_mm: ArrayLike, cutoff_x_um: ArrayLike, counts: ArrayLike, column_x_m: ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return z, the edge's positions rising and without repeats, their light, and the columns' x in um."""
    z, cutoff, light, x = (np.asarray(v, dtype=float) for v in (z_mm, cutoff_x_um, counts, column_x_m))
    if light.shape != (z.size, cutoff.size, x.size) or z.ndim * cutoff.ndim * x.ndim != 1:
        wanted = f"({z.size}, {cutoff.size}, {x.size})"
        raise CalibrationError(f"Foucault test: counts: wanted the shape {wanted}, found {light.shape}")
    if not all(np.isfinite(values).all() for values in (z, cutoff, light, x)):
        raise CalibrationError("Foucault test: positions and counts must be finite numbers")
    edges, where = np.unique(cutoff, return_inverse=True)
    planes = np.stack([light[:, where == k].mean(axis=1) for k in range(edges.size)], axis=1)
    sizes = {"z": np.unique(z).size, "cutoff_x": edges.size, "columns": np.unique(x).size}
    few = [f"{found} of {name}" for name, found in sizes.items() if found < _FEWEST[name]]
    if few:
        wanted = ", ".join(f"{number} of {name}" for name, number in _FEWEST.items())
        raise CalibrationError(f"Foucault test: wanted {wanted} or more, found {', '.join(few)}")
    lit = planes.sum(axis=1)
    seen = lit.sum(axis=0) > _DIM * np.median(lit.sum(axis=0))
    if not (seen.any() and (lit[:, seen] > 0).all()):
        raise CalibrationError(
            "Foucault test: counts: wanted light above dark in all columns and planes, found "
            f"{lit.min() / edges.size:.3g} in one; was the shutter open, and does the scan of cutoff_x start "
            "with the edge out of the light?"
        )
    return z, edges, planes[:, :, seen], x[seen] / UM


def _shadow(cutoff_um: FloatArray, plane: FloatArray, x_um: FloatArray) -> tuple[float, float, float]:
    """Displacement of the darkening along the field, its relative error, and the illumination's width.

    Each column is a C + b C', C the mean darkening of the field against the position of the edge: b / a is
    its displacement in micrometres. The width, C over its steepest slope, has the slope's sign.
    """
    lit = plane.sum(axis=0)
    mean = (plane / lit).mean(axis=1)
    if np.ptp(mean) < _LEAST_DARKENING * mean.max():
        raise CalibrationError(
            f"Foucault test: the filter darkens the field by {np.ptp(mean) / mean.max():.0%} only, wanted "
            f"{_LEAST_DARKENING:.0%} or more; scan cutoff_x from open to half closed"
        )
    slope = np.gradient(mean, cutoff_um)
    own, moved = np.linalg.lstsq(np.column_stack([mean, slope]), plane, rcond=None)[0]
    line = fit_line(x_um, moved / own, 1 / np.sqrt(lit))
    return line.slope, line.slope_sigma, float(mean.max() / slope[np.argmax(np.abs(slope))])


def _require_shadow(line: Line, focal_length_mm: float, z: FloatArray) -> None:
    found, wanted = line.slope, 1 / focal_length_mm
    if line.slope_sigma > _UNSURE * wanted:
        raise CalibrationError(
            f"Foucault test: no shadow is seen to cross the field from {z.min():.2f} to {z.max():.2f} mm; "
            "scan z further, see more of the field or count longer"
        )
    if abs(found / wanted - 1) > _UNLIKE:
        raise CalibrationError(
            f"Foucault test: the shadow moves by {found:.4f} of the field's coordinate for each mm, wanted "
            f"1 / f = {wanted:.4f}; is it the cutoff filter's, and are columns and focal length right?"
        )
    if not z.min() <= line.zero <= z.max():
        raise CalibrationError(
            f"Foucault test: the pupil's plane seems to be at {line.zero:.2f} mm, outside the scan from "
            f"{z.min():.2f} to {z.max():.2f} mm; scan around it"
        )
