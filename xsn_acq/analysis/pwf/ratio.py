"""Beta / delta of a sample from the images, for `single_material`.

It takes three diffuser positions or more: with one, absorption that is left free takes up the speckles' shift
(a powder of glass came out 20 % low, wood 20 % high). For one position see `ratio_search`.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from xsn_acq.analysis.pwf.retrieval import Retrieval
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

_SIGMA_M = 2e-6
_ROUNDS = 6
_STILL = 0.01


def fitted_ratio(
    retrieval: Retrieval,
    projections: ArrayLike,
    *,
    shifts: Sequence[tuple[float, float]] | None = None,
) -> float:
    """Beta / delta of one projection (K, ny, nx), K 3 or more.

    The field is retrieved in ``free`` mode; its ratio is where absorption is drawn to in the next round,
    until it stays within 1 %.

    Parameters
    ----------
    retrieval : Retrieval
        In ``free`` mode; its own ratio is where the search begins.
    projections : (K, ny, nx)
    shifts : sequence of (dy, dx), optional
        See `Retrieval.retrieve`.

    Raises
    ------
    ReconstructionError
        The mode is another, the phase does not vary, or what is found is not above 0.
    """
    if retrieval.settings.single_material:
        raise ReconstructionError("beta/delta: wanted a retrieval in mode free, found single_material")
    for _ in range(_ROUNDS):
        before = retrieval.settings.beta_over_delta
        field = retrieval.retrieve(projections, shifts=shifts)
        found = ratio_of(field.alpha, field.phi, retrieval.settings.optics.pixel_m)
        if not found > 0:
            raise ReconstructionError(
                f"beta/delta: wanted above 0, found {found:.2g}: is a sample in the beam?"
            )
        retrieval = retrieval.like(replace(retrieval.settings, beta_over_delta=found, mu=field.mu))
        if abs(found - before) < _STILL * before:
            break
    return found


def ratio_of(alpha: FloatArray, phi: FloatArray, pixel_m: float) -> float:
    """Beta / delta of a field (ny, nx) that was retrieved freely: grad alpha over grad phi.

    Slopes, so that no offset matters, of fields blurred to 2 um; places weigh by the square of the phase's
    slope, so that flat ones, mostly noise, count little.

    Raises
    ------
    ReconstructionError
        The phase does not vary.
    """
    sigma = _SIGMA_M / pixel_m
    of_alpha, of_phi = (
        np.array(np.gradient(ndimage.gaussian_filter(np.asarray(part, float), sigma, mode="reflect")))
        for part in (alpha, phi)
    )
    power = float(np.sum(of_phi**2))
    if not power > 0:
        raise ReconstructionError("beta/delta: wanted a sample in the field, found a phase without slope")
    return float(np.sum(of_alpha * of_phi)) / power
