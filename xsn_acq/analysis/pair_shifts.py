"""The shifts of a whole scan's pairs together: what the axis and the drift make, and what each pair adds."""

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import make_smoothing_spline

from xsn_acq.analysis.alignment import PairShift
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

_FEWEST = 8
_OUTLYING = 4.0
"""Standard deviations."""
_FLOOR_PX = 0.01
"""Part of the error that the scatter of a cross-spectrum does not tell."""


def settled(shifts: Sequence[PairShift]) -> list[PairShift]:
    """Return better shifts of all pairs of a scan, in the order of their angles.

    They are a smooth path over the scan (axis error and drift), its stiffness chosen by cross-validation, and
    of what each pair was measured away from it the part that the scatter of all pairs makes believable,
    gain = jitter^2 / (jitter^2 + sigma^2); nothing of what lies four standard deviations off. Without jitter
    that is the path alone, so that one pair's photon noise does not become an error of its own; with much
    jitter each pair is taken as measured.

    Parameters
    ----------
    shifts : sequence of PairShift
        Measured one by one; those whose errors are not finite count for nothing and get the path.

    Raises
    ------
    ReconstructionError
        Fewer than eight shifts were measured.
    """
    across = _settled(*np.array([(s.dx, s.sigma_x) for s in shifts]).reshape(-1, 2).T)
    along = _settled(*np.array([(s.dy, s.sigma_y) for s in shifts]).reshape(-1, 2).T)
    return [
        PairShift(float(dy), float(dx), float(sigma_y), float(sigma_x))
        for dy, sigma_y, dx, sigma_x in zip(*along, *across, strict=True)
    ]


def _settled(measured: FloatArray, sigma: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Values and errors, each (n,)."""
    order = np.arange(measured.size)
    known = np.isfinite(sigma) & np.isfinite(measured)
    if known.sum() < _FEWEST:
        raise ReconstructionError(
            f"alignment: wanted {_FEWEST} or more measured pair shifts, found {known.sum()} "
            f"of {measured.size}; take the nominal axis"
        )
    sigma = np.maximum(sigma, _FLOOR_PX)
    at, values, errors = order[known], measured[known], sigma[known]
    around = np.array([np.median(values[max(i - 2, 0) : i + 3]) for i in range(values.size)])
    reach = _OUTLYING * (1.4826 * float(np.median(np.abs(values - around))) + errors)
    calm = np.clip(values, around - reach, around + reach)
    path = make_smoothing_spline(at, calm, errors**-2 * np.median(errors) ** 2)(order)
    rest = values - path[known]
    spread = (1.4826 * float(np.median(np.abs(rest)))) ** 2
    jitter = max(spread - float(np.median(errors**2)), 0.0)
    gain = jitter / (jitter + np.where(known, sigma, np.inf) ** 2)
    gain[known] *= np.abs(rest) < _OUTLYING * np.hypot(np.sqrt(jitter), errors)
    of_path = float(np.median(errors**2)) / _FEWEST  # as if it were the mean of so many neighbours
    better = path + gain * np.where(known, measured - path, 0.0)
    return better, np.sqrt((1 - gain) * jitter + of_path)
