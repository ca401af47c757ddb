"""Pre-edge line, post-edge line and jump of absorption spectra, as weights on the measured values.

At given energies all of them are linear in the spectrum. Written as weights they serve one spectrum and the
millions of an energy stack alike, and their errors follow by propagation.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

Window = tuple[float, float]

PRE_EV: Window = (-150.0, -4.0)
"""Pre-edge, from the tabulated edge: a metal's edge starts some 3 eV below it, an oxide's 5 eV above."""
POST_EV: Window = (28.0, 300.0)
"""Post-edge: nickel oxides rise over 5 to 17 eV, and their white line has gone at 28 eV."""
_FEWEST_FOR_LINE = 3
_FEWEST_POST = 2
_POST_LINE_EV = 50.0
"""A shorter post-edge gives a constant: a line that leans on so little is off where it meets the edge."""


@dataclass(frozen=True, eq=False)
class Normalisation:
    """Weights at n energies.

    Attributes
    ----------
    subtraction : (n, n)
        ``subtraction @ mu`` is the spectrum less its pre-edge line.
    post : (n, n) or None
        ``post @ mu`` is the post-edge line; None without enough points after the edge.
    jump : (n,) or None
        ``jump @ mu`` is post-edge less pre-edge at the tabulated edge.
    spare : (m, n)
        Orthonormal rows, one for each point that the lines have too much: ``spare @ mu`` is noise alone.
    """

    subtraction: FloatArray
    post: FloatArray | None
    jump: FloatArray | None
    spare: FloatArray

    def noise(self, mu: FloatArray) -> float:
        """Noise of one value of the spectra (n, ...), from their scatter about the lines; NaN if unknown."""
        if len(self.spare) == 0:
            return float("nan")
        return float(np.sqrt(np.mean((self.spare @ mu.reshape(len(mu), -1)) ** 2)))


def normalisation(
    energy_ev: ArrayLike,
    *,
    edge_ev: float,
    sigma: ArrayLike | None = None,
    pre_ev: Window | None = None,
    post_ev: Window | None = None,
    pre_slope: bool = True,
) -> Normalisation:
    """Weights for spectra at these energies.

    Parameters
    ----------
    energy_ev : (n,)
        Rising.
    edge_ev : float
        Tabulated edge.
    sigma : (n,) or float, optional
        Noise at each energy; left out: equal.
    pre_ev, post_ev : (from, to), optional
        Windows, counted from ``edge_ev``; left out: `PRE_EV` and `POST_EV`. Pre-edge: a line, a constant
        below 3 points. Post-edge, on the subtracted spectrum: a line, a constant below 3 points or where
        they span less than 50 eV.
    pre_slope : bool
        False: a constant pre-edge. A slope from 16 eV, carried on to 24 eV above them, multiplies the noise
        by 2; absorption falls by 1 % in 30 eV.

    Raises
    ------
    ReconstructionError
        Energies or noise are not as wanted, the edge is not within them, or nothing lies before the edge.
    """
    energy = rising(energy_ev)
    noise = noise_of(sigma, energy.size)
    weight = np.ones(energy.size) if noise is None else (noise.mean() / noise) ** 2
    offset = energy - edge_ev
    before, after = (_within(offset, window) for window in (pre_ev or PRE_EV, post_ev or POST_EV))
    _require_edge(energy, edge_ev, before, pre_ev or PRE_EV)
    pre, pre_spare = _fit(offset, before, weight, line=pre_slope and before.sum() >= _FEWEST_FOR_LINE)
    below = pre(offset)
    subtraction = np.eye(energy.size) - below
    if after.sum() < _FEWEST_POST:
        return Normalisation(subtraction, None, None, pre_spare)
    post_line = after.sum() >= _FEWEST_FOR_LINE and np.ptp(offset[after]) >= _POST_LINE_EV
    above, post_spare = _fit(offset, after, weight, line=bool(post_line))
    jump = (above(np.zeros(1)) @ subtraction)[0]
    return Normalisation(
        subtraction, below + above(offset) @ subtraction, jump, np.concatenate([pre_spare, post_spare])
    )


def _require_edge(energy: FloatArray, edge_ev: float, before: NDArray[np.bool_], window: Window) -> None:
    if not energy[0] < edge_ev < energy[-1]:
        raise ReconstructionError(
            f"spectrum: wanted energies on both sides of the edge at {edge_ev:g} eV, found {energy[0]:g} to "
            f"{energy[-1]:g} eV"
        )
    if not before.any():
        raise ReconstructionError(
            f"spectrum: wanted energies before the edge, {edge_ev + window[0]:g} to {edge_ev + window[1]:g} "
            "eV, found none; start the scan lower"
        )


def rising(energy_ev: ArrayLike) -> FloatArray:
    """Return the energies as an array; an error says so where they are not finite and rising."""
    energy = np.asarray(energy_ev, dtype=float)
    if energy.ndim != 1 or energy.size < 2 or not np.isfinite(energy).all() or np.any(np.diff(energy) <= 0):
        raise ReconstructionError(
            f"spectrum: wanted two or more finite, rising energies in eV, found shape {energy.shape}"
        )
    return energy


def noise_of(sigma: ArrayLike | None, n: int) -> FloatArray | None:
    """Return the noise at each of n energies, (n,), or None as given."""
    if sigma is None:
        return None
    noise = np.asarray(sigma, dtype=float)
    if noise.shape not in ((), (n,)) or not (np.isfinite(noise) & (noise > 0)).all():
        raise ReconstructionError(
            f"spectrum: wanted one sigma above 0, or one for each of {n} energies, found shape {noise.shape}"
        )
    return np.broadcast_to(noise, (n,))


def finite_values(mu: ArrayLike, n: int) -> FloatArray:
    """Return a spectrum of n energies as float64 (n,); an error says so where it is none."""
    values = np.asarray(mu, dtype=float)
    if values.shape != (n,) or not np.isfinite(values).all():
        bad = int(np.count_nonzero(~np.isfinite(values)))
        raise ReconstructionError(
            f"spectrum: wanted {n} finite values, one for each energy, found shape {values.shape} with {bad} "
            "not finite"
        )
    return values


def _within(offset: FloatArray, window: Window) -> NDArray[np.bool_]:
    return np.asarray((offset >= window[0]) & (offset <= window[1]))


class _Line:
    """Weights of a fitted line or constant."""

    def __init__(self, coefficients: FloatArray) -> None:
        self._coefficients = coefficients

    def __call__(self, offset: FloatArray) -> FloatArray:
        """Weights (m, n) of the line's values at m offsets."""
        return np.vander(offset, len(self._coefficients), increasing=True) @ self._coefficients


def _fit(
    offset: FloatArray, chosen: NDArray[np.bool_], weight: FloatArray, *, line: bool
) -> tuple[_Line, FloatArray]:
    """Weighted line through the chosen points, and orthonormal rows of what it leaves."""
    n, orders = offset.size, 2 if line else 1
    points = np.flatnonzero(chosen)
    design = np.vander(offset[points], orders, increasing=True)
    root = np.sqrt(weight[points])
    coefficients = np.zeros((orders, n))
    coefficients[:, points] = np.linalg.pinv(design * root[:, None]) * root
    complete = np.linalg.qr(design, mode="complete").Q
    spare = np.zeros((points.size - orders, n))
    spare[:, points] = complete[:, orders:].T
    return _Line(coefficients), spare
