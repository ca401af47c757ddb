"""The slow background of reconstructed slices: a 2-D quadratic, fitted to the air and subtracted.

Retrieval from slopes of the phase hardly sees its slowest part, so that slices come out curved (the third
paper, Methods). Air is found from the outside in: near the border of the reconstructed circle there is little
but air, and the surface that fits it tells what of the next ring inwards is air too.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

_OUTER = 0.97
"""Radius of the circle, over half the slice's side."""
_RINGS = (0.85, 0.7, 0.5, 0.3, 0.0, 0.0)
"""Inner radii of the rounds; the last is done twice."""
_SMOOTH_PIXELS = 1.5
_OUTLYING = 4.0
"""Standard deviations of the smoothed air."""
_RIM_PIXELS = 3
_TERMS = 6
_MAD_TO_SIGMA = 1.4826
_LOW = (0.02, 0.15)
"""Shares of the ring's pixels; between the two lies one standard deviation, where all of it is air."""
_LEAST_AIR = 0.3
"""Share of the outermost ring that must be air."""


def find_air(image: FloatArray) -> NDArray[np.bool_]:
    """Pixels of a slice that hold air, True; corners beyond the reconstructed circle do not count.

    Parameters
    ----------
    image : real (nz, nx)
        A slice of delta or beta, the sample off the border.

    Raises
    ------
    ReconstructionError
        The outermost ring is not air: the sample reaches beyond the field.
    """
    values = np.asarray(image, float)
    smooth = ndimage.gaussian_filter(values, _SMOOTH_PIXELS)
    radius = np.hypot(*_grid(values.shape))
    air = _lowest(smooth, (radius > _RINGS[0]) & (radius < _OUTER))
    for inner in _RINGS:
        rest = smooth - quadratic_background(smooth, air)
        spread = _MAD_TO_SIGMA * float(np.median(np.abs(rest[air] - np.median(rest[air]))))
        matter = np.abs(rest) > _OUTLYING * spread
        matter = ndimage.binary_dilation(ndimage.binary_opening(matter), iterations=_RIM_PIXELS)
        air = ~matter & (radius > inner) & (radius < _OUTER)
        outermost = air[(radius > _RINGS[0]) & (radius < _OUTER)]
        if np.mean(outermost) < _LEAST_AIR:
            raise ReconstructionError(
                f"background: wanted air in {_LEAST_AIR:.0%} or more of the slice's outermost ring, found "
                f"{np.mean(outermost):.0%}; give the air yourself, or take a wider field"
            )
    return air


def _lowest(smooth: FloatArray, ring: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The part of a ring whose values are its lowest: a sample that reaches into it is denser than air."""
    least, low = np.quantile(smooth[ring], _LOW)
    return ring & (np.abs(smooth - low) <= _OUTLYING * (low - least))


def quadratic_background(image: FloatArray, air: NDArray[np.bool_]) -> FloatArray:
    """Quadratic in z and x that fits the air best, at all pixels.

    Parameters
    ----------
    image : real (nz, nx)
    air : bool (nz, nx)

    Returns
    -------
    float64 (nz, nx)

    Raises
    ------
    ReconstructionError
        Shapes differ, or fewer pixels of air than six coefficients need.
    """
    values = np.asarray(image, float)
    if values.ndim != 2 or values.shape != np.shape(air) or np.count_nonzero(air) < 2 * _TERMS:
        raise ReconstructionError(
            f"background: wanted a slice and its air, both (nz, nx), with {2 * _TERMS} pixels or more, found "
            f"{values.shape} and {np.shape(air)} with {np.count_nonzero(air)}"
        )
    z, x = _grid(values.shape)
    terms = [np.ones_like(x * z), x + 0 * z, z + 0 * x, x * z, x**2 + 0 * z, z**2 + 0 * x]
    design = np.stack([term[air] for term in terms])
    coefficients = np.linalg.lstsq(design @ design.T, design @ values[air], rcond=None)[0]
    return np.asarray(np.tensordot(coefficients, np.stack(terms), axes=1))


def flattened(image: FloatArray, air: NDArray[np.bool_] | None = None) -> FloatArray:
    """Slice without its background, which is 0 in air.

    Parameters
    ----------
    image : real (nz, nx)
    air : bool (nz, nx), optional
        Found from the slice when left out, see `find_air`; for beta take that of delta, which is clearer.

    Returns
    -------
    real (nz, nx), same type
    """
    where = find_air(image) if air is None else air
    return np.asarray(image - quadratic_background(image, where), dtype=np.asarray(image).dtype)


def _grid(shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Places over half the side, from -1 to 1: z as a column, x as a row."""
    z, x = ((np.arange(n) - 0.5 * (n - 1)) / (0.5 * n) for n in shape)
    return z[:, None], x
