"""Kramers-Kronig: delta that belongs to a measured beta.

With n - 1 = -delta + i beta, delta(E) = -(2 / pi) P int_0^inf E' beta(E') / (E'^2 - E^2) dE'.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.materials import optical_constants


def kk_delta(energy_ev: ArrayLike, grid_ev: ArrayLike, beta: ArrayLike) -> FloatArray:
    """Delta from beta that is linear between the points of a grid and zero outside: the exact integral.

    Parameters
    ----------
    energy_ev : (m,)
        Where delta is wanted; may be points of the grid.
    grid_ev, beta : (n,)
        Rising energies above 0, and beta there. Where beta does not end with zero, delta is infinite at the
        end itself.

    Returns
    -------
    (m,) float64

    Raises
    ------
    ReconstructionError
        The grid does not rise, or is too short.
    """
    grid, values = _spectrum(grid_ev, beta)
    energy = np.atleast_1d(np.asarray(energy_ev, dtype=float))
    slope = np.diff(values) / np.diff(grid)
    total = 2.0 * float(np.diff(values).sum()) * np.ones_like(energy)
    total += _logarithms(energy, grid, values, slope) + _logarithms(-energy, grid, values, slope)
    return np.asarray(-total / np.pi)


def _logarithms(energy: FloatArray, grid: FloatArray, values: FloatArray, slope: FloatArray) -> FloatArray:
    """Sum over grid points of the jump of the lines' values at ``energy``, times log|point - energy|.

    Between points i and i + 1 the line a + b E' gives (a + b E) log|E' - E| at both its ends. At an inner
    point two lines meet: what is left is the change of slope, times (E - point), which tames the logarithm.
    """
    apart = energy[:, None] - grid
    change = np.diff(np.concatenate([[0.0], slope, [0.0]]))
    inner = -xlogy(change * apart, np.abs(apart))
    ends = values[-1] * _log_unless_zero(values[-1], apart[:, -1])
    ends -= values[0] * _log_unless_zero(values[0], apart[:, 0])
    return np.asarray(inner.sum(axis=1) + ends)


def _log_unless_zero(value: float, apart: FloatArray) -> FloatArray:
    if value == 0:
        return np.zeros_like(apart)
    with np.errstate(divide="ignore"):
        return np.log(np.abs(apart))


def _spectrum(energy_ev: ArrayLike, values: ArrayLike) -> tuple[FloatArray, FloatArray]:
    grid, found = np.asarray(energy_ev, dtype=float), np.asarray(values, dtype=float)
    if (
        grid.ndim != 1
        or grid.shape != found.shape
        or grid.size < 2
        or grid[0] <= 0
        or np.any(np.diff(grid) <= 0)
    ):
        raise ReconstructionError(
            "Kramers-Kronig: wanted two or more rising energies above 0 eV with one value each, "
            f"found {grid.shape} energies and {found.shape} values"
        )
    return grid, found


@dataclass(frozen=True, eq=False)
class Table:
    """Delta and beta of the sample's material from tables, (n,) each.

    Energies rise, and reach beyond the measured window on both sides.
    """

    energy_ev: FloatArray
    delta: FloatArray
    beta: FloatArray


def table_of(formula: str, density_g_cm3: float, energy_ev: ArrayLike) -> Table:
    """Tabulated spectra of a compound, see `xsn_acq.optics.materials.optical_constants`.

    Parameters
    ----------
    formula : str
    density_g_cm3 : float
    energy_ev : (n,)
        As fine as the edge's structure in the table: 1 eV.
    """
    energy = np.asarray(energy_ev, dtype=float)
    constants = [optical_constants(formula, density_g_cm3, float(each)) for each in energy]
    return Table(energy, np.array([c.delta for c in constants]), np.array([c.beta for c in constants]))


def kk_spectrum(energy_ev: ArrayLike, beta: ArrayLike, table: Table, *, fade_ev: float = 50.0) -> FloatArray:
    """Delta that belongs to beta measured in a window, with tables outside it.

    The measured beta replaces the table's inside the window; their difference there fades to zero over
    ``fade_ev`` beyond it. Kramers-Kronig is linear: delta is the table's plus the transform of the
    difference, so that what happens far away enters only by the table.

    Parameters
    ----------
    energy_ev, beta : (m,)
        Measured spectrum, rising energies.
    table : Table
        Of the material, at the density measured: match its beta to the measurement below and above the edge.
    fade_ev : float

    Returns
    -------
    (m,) delta at ``energy_ev``
    """
    energy, measured = _spectrum(energy_ev, beta)
    if not table.energy_ev[0] < energy[0] - fade_ev < energy[-1] + fade_ev < table.energy_ev[-1]:
        raise ReconstructionError(
            f"Kramers-Kronig: wanted a table beyond {energy[0] - fade_ev:g} and {energy[-1] + fade_ev:g} eV, "
            f"found {table.energy_ev[0]:g} to {table.energy_ev[-1]:g} eV"
        )
    between = table.energy_ev[(table.energy_ev > energy[0]) & (table.energy_ev < energy[-1])]
    inside = np.union1d(energy, between)
    difference = np.interp(inside, energy, measured) - np.interp(inside, table.energy_ev, table.beta)
    grid = np.concatenate([[energy[0] - fade_ev], inside, [energy[-1] + fade_ev]])
    change = kk_delta(energy, grid, np.concatenate([[0.0], difference, [0.0]]))
    return np.asarray(np.interp(energy, table.energy_ev, table.delta) + change)


@dataclass(frozen=True, eq=False)
class KkDeviation:
    """Measured delta beside what Kramers-Kronig makes of beta.

    Attributes
    ----------
    expected : (m,)
        Delta from beta.
    difference : (m,)
        Measured minus expected.
    offset : float
        Its mean: a slip of the low frequencies of the phase, or of the table's density.
    rms : float
        What is left beside the offset.
    relative_rms : float
        The same over the mean of the expected delta.
    """

    expected: FloatArray
    difference: FloatArray
    offset: float
    rms: float
    relative_rms: float


def kk_deviation(
    energy_ev: ArrayLike, delta: ArrayLike, beta: ArrayLike, table: Table, *, fade_ev: float = 50.0
) -> KkDeviation:
    """Compare a measured delta spectrum with Kramers-Kronig of the measured beta (paper, Fig. 3b).

    Parameters
    ----------
    energy_ev, delta, beta : (m,)
        Measured spectra of one voxel or region.
    table, fade_ev
        See `kk_spectrum`.

    Returns
    -------
    KkDeviation
    """
    energy, measured = _spectrum(energy_ev, delta)
    expected = kk_spectrum(energy, beta, table, fade_ev=fade_ev)
    difference = measured - expected
    offset = float(difference.mean())
    rms = float(np.sqrt(np.mean((difference - offset) ** 2)))
    return KkDeviation(expected, difference, offset, rms, rms / float(expected.mean()))
