"""The knife-edge curve: how much light passes a straight edge that stands at a spatial frequency."""

from dataclasses import dataclass, field

import numpy as np
from scipy.interpolate import PchipInterpolator

from xsn_acq.errors import ConfigError
from xsn_acq.optics.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class KnifeEdge:
    """Fraction of the illumination that passes an edge at spatial frequency kappa, positive side open.

    With illumination modes k_j of weight w_j (sum 1), S(kappa) = sum_j w_j [k_j >= kappa]. It is the
    calibration scan of the cutoff filter itself (Hugonnet et al., Eq. 6): no derivative is taken. Between
    the points the curve is interpolated without overshoot (PCHIP); below the first point it is 1, above the
    last one 0.

    Parameters
    ----------
    frequency_per_m : array (n,)
        Position of the edge in cycles per metre at the sample, rising.
    transmitted : array (n,)
        Fraction passing, from 1 down to 0, never rising.

    Raises
    ------
    ConfigError
        The curve is not one: all faults are listed.

    Examples
    --------
    >>> edge = KnifeEdge(np.array([-1e6, 0.0, 1e6]), np.array([1.0, 0.5, 0.0]))
    >>> edge(np.array([-2e6, 0.0, 2e6])).tolist()
    [1.0, 0.5, 0.0]
    """

    frequency_per_m: FloatArray
    transmitted: FloatArray
    _curve: PchipInterpolator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        frequency = np.array(self.frequency_per_m, dtype=float)
        transmitted = np.array(self.transmitted, dtype=float)
        faults = _faults(frequency, transmitted)
        if faults:
            raise ConfigError("knife-edge curve", faults)
        object.__setattr__(self, "frequency_per_m", frequency)
        object.__setattr__(self, "transmitted", transmitted)
        object.__setattr__(self, "_curve", PchipInterpolator(frequency, transmitted))

    def __call__(self, kappa_per_m: FloatArray | float) -> FloatArray:
        """Fraction passing with the edge at ``kappa_per_m`` (any shape, cycles per metre), float64."""
        first, last = self.support_per_m
        kappa = np.asarray(kappa_per_m, dtype=float)
        inside = np.clip(self._curve(np.clip(kappa, first, last)), 0.0, 1.0)
        # beyond its ends the curve is 1 and 0, not nearly so: rounding would widen the edge band
        return np.where(kappa <= first, 1.0, np.where(kappa >= last, 0.0, inside))

    @property
    def support_per_m(self) -> tuple[float, float]:
        """Lowest and highest frequency of the illumination, cycles per metre."""
        return float(self.frequency_per_m[0]), float(self.frequency_per_m[-1])


def _faults(frequency: FloatArray, transmitted: FloatArray) -> list[str]:
    if frequency.ndim != 1 or frequency.shape != transmitted.shape or frequency.size < 2:
        return [f"needs two equal lists of 2 or more points, found {frequency.shape} and {transmitted.shape}"]
    faults = []
    if not np.isfinite(frequency).all() or not np.isfinite(transmitted).all():
        faults.append("all points must be finite numbers")
    if (np.diff(frequency) <= 0).any():
        faults.append("frequency_per_m must rise")
    if (np.diff(transmitted) > 0).any():
        faults.append("transmitted must not rise")
    if transmitted[0] != 1.0 or transmitted[-1] != 0.0:
        faults.append(f"transmitted must run from 1 to 0, found {transmitted[0]} to {transmitted[-1]}")
    return faults
