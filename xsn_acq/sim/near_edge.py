r"""Absorption close to an edge, where the tables are too coarse: a soft step and a white line, with their f1.

f2 is what xraydb's Chantler table gives below and above the edge, continued to it as power laws, with

.. math:: f_2 = f_{pre} + (f_{post} - f_{pre}) \left[ \Phi\left(\frac{E - E_0}{\sigma}\right)
          + \sum_l h_l \exp\left(-\frac{(E - E_l)^2}{2 \sigma_l^2}\right) \right]

between them, Phi the integral of the normal distribution. f1 is the Kramers-Kronig transform of that: a sharp
step of height A makes (A / 2 pi) ln (E - E_0)^2, a soft one the same blurred by the Gaussian, and a line
A h (2 / sqrt(pi)) D((E - E_l) / (sqrt(2) sigma_l)) with Dawson's function D. What else the table's f1 holds
is smooth, and kept.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import constants, integrate, special

from xsn_acq.optics.materials import OpticalConstants, molar_mass_g, optical_constants
from xsn_acq.units import wavelength_m

FloatArray = NDArray[np.float64]

_FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))
_RADIUS_M = constants.physical_constants["classical electron radius"][0]
_BELOW_EV, _ABOVE_EV = (-250.0, -20.0), (20.0, 300.0)
"""From the table's edge: where the power laws are fitted."""
_LAW_EV, _TABLE_EV = 15.0, 30.0
"""So near to the table's edge the smooth curves hold, so far from it the table; one runs into the other."""
_BLUR_REACH, _BLUR_STEP = 40.0, 0.01


@dataclass(frozen=True)
class Line:
    """A Gaussian line of f2: its height is a fraction of the edge's jump."""

    height: float
    energy_ev: float
    sigma_ev: float

    def widened(self, sigma_ev: float) -> "Line":
        """Return the line seen with a resolution: broader, of the same area."""
        sigma = math.hypot(self.sigma_ev, sigma_ev)
        return Line(self.height * self.sigma_ev / sigma, self.energy_ev, sigma)


@dataclass(frozen=True)
class NearEdge:
    """The K edge of one element in a compound.

    Parameters
    ----------
    element : str
    edge_ev : float
        Centre of the absorption step.
    step_sigma_ev : float
        Width of the step, standard deviation.
    line_height, line_offset_ev, line_sigma_ev : float
        White line: height as a fraction of the jump, place above ``edge_ev``, standard deviation.
    pre_edge : Line, optional
        A weak line before the edge.
    """

    element: str
    edge_ev: float
    step_sigma_ev: float
    line_height: float
    line_offset_ev: float
    line_sigma_ev: float
    pre_edge: Line | None = None

    def lines(self, resolution_ev: float = 0.0) -> list[Line]:
        """Return the lines as seen with a resolution, standard deviation."""
        white = Line(self.line_height, self.edge_ev + self.line_offset_ev, self.line_sigma_ev)
        found = [white] if self.pre_edge is None else [white, self.pre_edge]
        return [line.widened(resolution_ev) for line in found if line.height]


def f2(near: NearEdge, energy_ev: ArrayLike, bandwidth: float = 0.0) -> FloatArray:
    """Return the imaginary part of the scattering factor, electrons.

    Parameters
    ----------
    near : NearEdge
    energy_ev : (n,) or float
        Photon energies.
    bandwidth : float
        Relative width of the light's band, FWHM.
    """
    energy, table = np.asarray(energy_ev, dtype=float), _table(near.element)
    resolution = _resolution_ev(near, bandwidth)
    sigma = math.hypot(near.step_sigma_ev, resolution)
    shape = special.ndtr((energy - near.edge_ev) / sigma)
    for line in near.lines(resolution):
        shape = shape + line.height * np.exp(-0.5 * ((energy - line.energy_ev) / line.sigma_ev) ** 2)
    before, after = table.f2_sides(energy)
    return np.asarray(before + (after - before) * shape)


def f1(near: NearEdge, energy_ev: float, bandwidth: float = 0.0) -> float:
    """Return the anomalous part of the real scattering factor, electrons, as xraydb's ``f1_chantler``."""
    table, resolution = _table(near.element), _resolution_ev(near, bandwidth)
    sigma = math.hypot(near.step_sigma_ev, resolution)
    blurred = 2 * math.log(sigma) + _blurred_logarithm(abs(energy_ev - near.edge_ev) / sigma)
    value = table.f1_rest(energy_ev) + table.jump / (2 * math.pi) * blurred
    for line in near.lines(resolution):
        off = (energy_ev - line.energy_ev) / (math.sqrt(2) * line.sigma_ev)
        value += table.jump * line.height * 2 / math.sqrt(math.pi) * float(special.dawsn(off))
    return value


def near_edge_constants(
    formula: str, density_g_cm3: float, near: NearEdge, energy_ev: float, bandwidth: float = 0.0
) -> OpticalConstants:
    """Return the constants of a compound: those of the tables, but for one element close to its edge.

    Parameters
    ----------
    formula : str
        Holds the element of ``near``.
    density_g_cm3 : float
    near : NearEdge
    energy_ev : float
    bandwidth : float
        Relative width of the light's band, FWHM.
    """
    import xraydb

    atoms = xraydb.chemparse(formula)
    density = {element: density_g_cm3 * mass for element, mass in _mass_fractions(atoms).items()}
    per_m3 = 1e6 * density[near.element] * constants.N_A / molar_mass_g({near.element: 1})
    scale = per_m3 * _RADIUS_M * wavelength_m(energy_ev) ** 2 / (2 * math.pi)
    table_f1, table_f2 = _factors(near.element, energy_ev)
    delta = scale * (f1(near, energy_ev, bandwidth) - table_f1)
    beta = scale * (float(f2(near, energy_ev, bandwidth)) - table_f2)
    for element, share in density.items():  # element by element: compounds at one energy share the look-ups
        table = optical_constants(element, 1.0, energy_ev)
        delta, beta = delta + share * table.delta, beta + share * table.beta
    return OpticalConstants(delta, beta)


def _mass_fractions(atoms: Mapping[str, float]) -> dict[str, float]:
    total = molar_mass_g(atoms)
    return {element: n * molar_mass_g({element: 1}) / total for element, n in atoms.items()}


@lru_cache(maxsize=1024)
def _factors(element: str, energy_ev: float) -> tuple[float, float]:
    """Return the table's f1, without the electrons, and f2."""
    import xraydb

    return float(xraydb.f1_chantler(element, energy_ev)), float(xraydb.f2_chantler(element, energy_ev))


def _resolution_ev(near: NearEdge, bandwidth: float) -> float:
    return bandwidth * near.edge_ev / _FWHM_PER_SIGMA


@dataclass(frozen=True)
class _Table:
    """What the table says about the K edge of an element, taken apart.

    ``below`` and ``above`` are the power laws, log f2 against log(E / edge); ``jump`` their difference at the
    edge; ``rest`` the coefficients, in keV from the edge, of f1 without the logarithm of a sharp step.
    """

    element: str
    edge_ev: float
    below: FloatArray
    above: FloatArray
    jump: float
    rest: FloatArray

    def f2_sides(self, energy_ev: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return f2 as it would be without the edge, and with it all done."""
        import xraydb

        table = np.reshape(xraydb.f2_chantler(self.element, energy_ev.ravel()), energy_ev.shape)
        off = energy_ev - self.edge_ev
        below = _changed_over(-off, _law(self.below, energy_ev / self.edge_ev), table)
        return below, _changed_over(off, _law(self.above, energy_ev / self.edge_ev), table)

    def f1_rest(self, energy_ev: float) -> float:
        """Return f1 without the logarithm of the sharp step."""
        off = energy_ev - self.edge_ev
        smooth = np.asarray(np.polyval(self.rest, 1e-3 * off), dtype=float)
        if abs(off) <= _LAW_EV:
            return float(smooth)
        sharp = self.jump / (2 * math.pi) * math.log(off**2)
        table = _factors(self.element, energy_ev)[0] - sharp
        return float(_changed_over(np.array(abs(off)), smooth, np.array(table)))


@lru_cache(maxsize=8)
def _table(element: str) -> _Table:
    import xraydb

    edge_ev = float(xraydb.xray_edge(element, "K").energy)
    laws = []
    for first, last in (_BELOW_EV, _ABOVE_EV):
        energy = edge_ev + np.arange(first, last + 1, 5.0)
        laws.append(np.polyfit(np.log(energy / edge_ev), np.log(xraydb.f2_chantler(element, energy)), 1))
    jump = float(np.diff([_law(law, np.ones(1))[0] for law in laws])[0])
    outside = np.concatenate([np.arange(_BELOW_EV[0], -_LAW_EV, 5.0), np.arange(_LAW_EV, _ABOVE_EV[1], 5.0)])
    table = np.array([xraydb.f1_chantler(element, edge_ev + off) for off in outside])
    rest = np.polyfit(1e-3 * outside, table - jump / (2 * math.pi) * np.log(outside**2), 2)
    return _Table(element, edge_ev, laws[0], laws[1], jump, rest)


def _law(coefficients: FloatArray, ratio: FloatArray) -> FloatArray:
    return np.asarray(np.exp(np.polyval(coefficients, np.log(ratio))))


def _changed_over(distance_ev: FloatArray, near: FloatArray, far: FloatArray) -> FloatArray:
    """Return ``near`` up to the first distance, ``far`` from the second on, smoothly."""
    way = np.clip((distance_ev - _LAW_EV) / (_TABLE_EV - _LAW_EV), 0, 1)
    share = way**2 * (3 - 2 * way)
    return np.asarray((1 - share) * near + share * far)


def _blurred_logarithm(x: float) -> float:
    """Return ln(x^2) convolved with the normal distribution, x >= 0."""
    if x >= _BLUR_REACH:
        return math.log(x**2) - 1 / x**2
    grid, values = _blurred_logarithms()
    return float(np.interp(x, grid, values))


@lru_cache(maxsize=1)
def _blurred_logarithms() -> tuple[FloatArray, FloatArray]:
    """Return the curve on a grid: it starts at -gamma - ln 2, and its slope is 2 sqrt(2) D(x / sqrt(2))."""
    grid = np.arange(0.0, _BLUR_REACH + _BLUR_STEP, _BLUR_STEP)
    slope = 2 * math.sqrt(2) * special.dawsn(grid / math.sqrt(2))
    rise = integrate.cumulative_simpson(slope, x=grid, initial=0.0)
    return grid, np.asarray(rise - np.euler_gamma - math.log(2))
