"""Ring artefacts: what a detector column adds to every projection stands as a stripe in the sinogram."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter1d

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import ComplexArray, FloatArray

NONE = "none"
ANGULAR_MEAN = "angular_mean"
ALGOTOM = (
    "remove_all_stripe",
    "remove_dead_stripe",
    "remove_large_stripe",
    "remove_stripe_based_fft",
    "remove_stripe_based_filtering",
    "remove_stripe_based_fitting",
    "remove_stripe_based_interpolation",
    "remove_stripe_based_normalization",
    "remove_stripe_based_sorting",
    "remove_stripe_based_wavelet_fft",
)
"""Functions of algotom.prep.removal (Vo et al., doi:10.1364/OE.26.028396), called by their names."""
METHODS = (NONE, ANGULAR_MEAN, *ALGOTOM)

_SIGMA_PER_M = 4e6
"""With the paper's sigma_r, 1 per micrometre, delta of spheres of 0.3 um falls by 6 to 11 %; with this by 1 %
(docs/tomography.md)."""
_SIGMA_PER_PIXEL = 0.24
"""Of pixels larger than 60 nm, cycles per pixel: what is finer than the pixels holds no stripe."""


def remove_rings(
    sinogram: ArrayLike, method: str = NONE, *, pixel_size_m: float, **options: Any
) -> FloatArray | ComplexArray:
    """Take stripes out of sinograms; each row, and each part of a complex one, for itself.

    Parameters
    ----------
    sinogram : real or complex (n_angles, n_rows, n_columns)
        Line integrals by rising angle.
    method : str
        One of `METHODS`. "none" returns the sinogram as it is; "angular_mean" is the XSN paper's filter, see
        `smooth_angular_mean`; the others are algotom's, which the extra ``rings`` installs.
    pixel_size_m : float
        Used by "angular_mean" alone.
    **options
        Of the method: ``sigma_per_m``, or what algotom's function takes.

    Returns
    -------
    float32 or complex64 (n_angles, n_rows, n_columns)

    Raises
    ------
    ReconstructionError
        An unknown method, or algotom is not installed.
    """
    data = np.asarray(sinogram)
    if method == NONE:
        return data
    if method == ANGULAR_MEAN:
        return smooth_angular_mean(data, pixel_size_m, **options)
    clean = _of_algotom(method)
    result: Any = np.empty(data.shape, _single(data))
    parts = (
        [(data.real, result.real), (data.imag, result.imag)] if np.iscomplexobj(data) else [(data, result)]
    )
    for source, target in parts:
        for row in range(data.shape[1]):
            target[:, row] = clean(np.array(source[:, row], dtype=np.float32), **options)
    return result


def smooth_angular_mean(
    sinogram: FloatArray | ComplexArray, pixel_size_m: float, *, sigma_per_m: float | None = None
) -> FloatArray | ComplexArray:
    """Keep only the slow part, exp(-k_r^2 / sigma_r^2), of each row's mean over the angles.

    What is the same at all angles is a ring, or matter that is round about the rotation axis: such matter
    loses its fine structure too. All else keeps its resolution. (The paper prints exp(+k_r^2 / sigma_r^2),
    and applies it to the whole sinogram.)

    Parameters
    ----------
    sinogram : (n_angles, n_rows, n_columns)
    pixel_size_m : float
    sigma_per_m : float, optional
        sigma_r, cycles per metre; 4 per micrometre when left out, or 0.24 per pixel where that is less.
    """
    if sigma_per_m is None:
        sigma_per_m = min(_SIGMA_PER_M, _SIGMA_PER_PIXEL / pixel_size_m)
    mean = np.asarray(sinogram).mean(axis=0)
    smooth = gaussian_filter1d(
        mean, 1 / (np.sqrt(2) * np.pi * sigma_per_m * pixel_size_m), axis=-1, mode="nearest", truncate=5.0
    )
    result: FloatArray | ComplexArray = np.subtract(sinogram, mean - smooth, dtype=_single(mean))
    return result


def _single(values: FloatArray | ComplexArray) -> type[np.complex64] | type[np.float32]:
    return np.complex64 if np.iscomplexobj(values) else np.float32


def known_method(method: str) -> str:
    """Return the method, if there is one of that name.

    Raises
    ------
    ReconstructionError
        There is none.
    """
    if method not in METHODS:
        raise ReconstructionError(
            f"ring removal: method: wanted one of {', '.join(METHODS)}, found {method!r}"
        )
    return method


def _of_algotom(method: str) -> Callable[..., FloatArray]:
    known_method(method)
    try:
        from algotom.prep import removal
    except ImportError as error:
        raise ReconstructionError(
            f"ring removal: {method}: wanted the package algotom, found none; install xsn_acq[rings]"
        ) from error
    function: Callable[..., FloatArray] = getattr(removal, method)
    return function
