"""How the focal length of the zone plate grows with the energy, from where it was in focus."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.optics.zone_plate import focal_length_of_distance_m


@dataclass(frozen=True)
class FocalRate:
    """Growth of the focal length, metres per eV, and its standard error."""

    m_per_ev: float
    sigma_m_per_ev: float


def focal_rate(
    energy_ev: ArrayLike, object_distance_m: ArrayLike, sigma_m: ArrayLike, length_m: float
) -> FocalRate:
    """Fit a line to the focal lengths f = p (L - p) / L.

    Parameters
    ----------
    energy_ev, object_distance_m, sigma_m : (n,)
        Two or more different energies; sample to zone plate in focus, and its standard error. An error common
        to all distances hardly matters.
    length_m : float
        Sample to detector.

    Examples
    --------
    >>> found = focal_rate([8283.0, 8383.0], [0.063, 0.064], [3e-6, 4e-6], 1.11)
    >>> round(1e6 * found.m_per_ev, 3), round(1e6 * found.sigma_m_per_ev, 3)
    (8.856, 0.044)
    """
    energy, distance = np.asarray(energy_ev, float), np.asarray(object_distance_m, float)
    focal = np.array([focal_length_of_distance_m(float(p), length_m) for p in distance])
    weight = 1 / (np.asarray(sigma_m, float) * (1 - 2 * distance / length_m)) ** 2  # df = (1 - 2 p / L) dp
    away = energy - np.average(energy, weights=weight)
    spread = float(weight @ away**2)
    rate = float(weight @ (away * focal)) / spread
    rest = focal - np.average(focal, weights=weight) - rate * away
    scatter = float(weight @ rest**2) / max(energy.size - 2, 1)
    return FocalRate(rate, float(np.sqrt(max(scatter, 1.0) / spread)))
