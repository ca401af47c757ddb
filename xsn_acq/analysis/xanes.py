"""One absorption spectrum near its edge: normalised, and the energy of the edge.

"Spectrum" is anything linear in the absorption: absorbance, or beta of a region. See
`xsn_acq.analysis.edge_map` for a stack of images.
"""

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import OptimizeWarning, curve_fit
from scipy.special import ndtr

from xsn_acq.analysis.near_edge import EdgeFinder, EdgeShapes
from xsn_acq.analysis.normalisation import Window, finite_values, noise_of, normalisation, rising
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

Method = Literal["half_jump", "half_height", "inflection"]

_SHAPES = EdgeShapes()
_STEP_EV = 1.5
"""Sigma of a metal's step, to start with, and of the smoothing that finds it."""
_FIRST_REACH_EV, _LEAST_REACH_EV, _REACH_SIGMAS = 12.0, 5.0, 4.0
_FEWEST_FOR_STEP = 8


@dataclass(frozen=True, eq=False)
class NormalisedSpectrum:
    """A spectrum and the lines before and after its edge, (n,) each.

    Attributes
    ----------
    energy_ev : (n,)
    pre : (n,)
        Pre-edge line.
    subtracted : (n,)
        Spectrum less its pre-edge line.
    post : (n,) or None
        Post-edge line; None where the scan has not got there or ends on the white line.
    jump, jump_sigma : float
        Post-edge less pre-edge at the tabulated edge, and its standard error; NaN without a post-edge, the
        error also where neither sigma nor scatter tells it.
    normalised : (n,) or None
        Subtracted over jump; None without a post-edge.
    """

    energy_ev: FloatArray
    pre: FloatArray
    subtracted: FloatArray
    post: FloatArray | None
    jump: float
    jump_sigma: float
    normalised: FloatArray | None


@dataclass(frozen=True)
class EdgeEnergy:
    """Energy of an edge, its standard error (NaN where unknown), and what was measured."""

    energy_ev: float
    sigma_ev: float
    method: Method


def normalise_spectrum(
    energy_ev: ArrayLike,
    mu: ArrayLike,
    *,
    sigma: ArrayLike | None = None,
    edge_ev: float,
    pre_ev: Window | None = None,
    post_ev: Window | None = None,
    pre_slope: bool = True,
) -> NormalisedSpectrum:
    """Take the pre-edge line off a spectrum, and divide by its jump where that is known.

    Parameters
    ----------
    energy_ev, mu : (n,)
        Rising energies; a scan that is under way is good enough once it has passed the edge.
    sigma : (n,) or float, optional
        Noise of ``mu``; left out: equal, and known from the scatter about the lines.
    edge_ev : float
        Tabulated edge; 8333 for nickel.
    pre_ev, post_ev, pre_slope
        Windows from ``edge_ev``; left out: -150 to -4 and 28 to 300 eV, see
        `xsn_acq.analysis.normalisation.normalisation`.

    Raises
    ------
    ReconstructionError
        Too few points, the edge is not within the scan, or a number is not finite.
    """
    energy = rising(energy_ev)
    values = finite_values(mu, energy.size)
    lines = normalisation(
        energy, edge_ev=edge_ev, sigma=sigma, pre_ev=pre_ev, post_ev=post_ev, pre_slope=pre_slope
    )
    subtracted = lines.subtraction @ values
    if lines.jump is None or lines.post is None:
        nan = float("nan")
        return NormalisedSpectrum(energy, values - subtracted, subtracted, None, nan, nan, None)
    noise = _noise(sigma, lines.noise(values), energy.size)
    jump, error = float(lines.jump @ values), float(np.linalg.norm(lines.jump * noise))
    normalised = subtracted / jump if jump != 0 else np.full_like(subtracted, np.nan)
    return NormalisedSpectrum(
        energy, values - subtracted, subtracted, lines.post @ values, jump, error, normalised
    )


def edge_energy(
    energy_ev: ArrayLike,
    mu: ArrayLike,
    *,
    sigma: ArrayLike | None = None,
    edge_ev: float,
    pre_ev: Window | None = None,
    post_ev: Window | None = None,
    pre_slope: bool = True,
    shapes: EdgeShapes = _SHAPES,
    least_jump_sigmas: float = 3.0,
) -> EdgeEnergy:
    """Where a spectrum crosses half its jump, or half the height of its white line.

    With a post-edge, half the jump ("half_jump"); else half the way from the pre-edge line to the white
    line's maximum ("half_height"). Both differ by some 1.4 eV in an oxide: compare like with like.

    Parameters
    ----------
    energy_ev, mu, sigma, edge_ev, pre_ev, post_ev, pre_slope
        See `normalise_spectrum`.
    shapes : EdgeShapes
        What the edge may look like between samples, see `xsn_acq.analysis.near_edge`. In steps of 4 eV,
        shapes 20 % off the defaults are wrong by up to 0.3 eV; in steps of 1 eV the samples decide.
    least_jump_sigmas : float
        The jump, or height, must stand so far out of the noise.

    Raises
    ------
    ReconstructionError
        As `normalise_spectrum`; no jump; no post-edge and no maximum of a white line in the scan.
    """
    energy = rising(energy_ev)
    values = finite_values(mu, energy.size)
    lines = normalisation(
        energy, edge_ev=edge_ev, sigma=sigma, pre_ev=pre_ev, post_ev=post_ev, pre_slope=pre_slope
    )
    noise = _noise(sigma, lines.noise(values), energy.size)
    finder = EdgeFinder(energy, lines, edge_ev, shapes)
    found = finder.crossings(values[:, None], noise)
    at, error, height, height_error = (
        float(each[0]) for each in (found.energy_ev, found.sigma_ev, found.height, found.height_sigma)
    )
    if not height > 0 or height < least_jump_sigmas * height_error:
        raise ReconstructionError(
            f"edge at {edge_ev:g} eV: wanted a jump of {least_jump_sigmas:g} standard errors or more, found "
            f"{height:.3g} with an error of {height_error:.3g}; is the element in the sample?"
        )
    if not np.isfinite(at):
        raise ReconstructionError(
            f"edge at {edge_ev:g} eV: wanted the rise and the white line's maximum within the scan, found "
            f"neither crossed by {energy[-1]:g} eV; go on to higher energies"
        )
    return EdgeEnergy(at, error, finder.method)


def _noise(sigma: ArrayLike | None, scatter: float, n: int) -> FloatArray:
    given = noise_of(sigma, n)
    return np.full(n, scatter) if given is None else given


def inflection(energy_ev: ArrayLike, mu: ArrayLike, *, sigma: ArrayLike | None = None) -> EdgeEnergy:
    """Find the steepest point of an edge, for a metal foil in steps of 0.5 to 1 eV.

    An error-function step on a line that changes its slope there is fitted, first 12 eV to both sides of the
    steepest place of the smoothed spectrum, then 4 sigma of the step, 5 eV at least.

    Parameters
    ----------
    energy_ev, mu : (n,)
        Rising energies.
    sigma : (n,) or float, optional
        Noise of ``mu``; left out: equal, and known from the scatter about the fit.

    Raises
    ------
    ReconstructionError
        Too few points, no edge within the scan, or a number is not finite.
    """
    energy = rising(energy_ev)
    values = finite_values(mu, energy.size)
    noise = noise_of(sigma, energy.size)
    steepness = [_local_slope(energy, values, at) for at in energy]
    start = (float(energy[int(np.argmax(steepness))]), _STEP_EV)
    step, covariance = _fit_step(energy, values, noise, start, _FIRST_REACH_EV)
    jump, jump_error = float(step[4]), float(np.sqrt(covariance[4, 4]))
    reach = max(_REACH_SIGMAS * abs(float(step[1])), _LEAST_REACH_EV)
    step, covariance = _fit_step(energy, values, noise, (float(step[0]), abs(float(step[1]))), reach)
    steepest, error, width = _steepest(step, covariance)
    inside = energy[0] + width < steepest < energy[-1] - width
    if not (inside and error < width and jump > 3 * jump_error):
        raise ReconstructionError(
            f"inflection: wanted a rising edge within {energy[0]:g} to {energy[-1]:g} eV, found a step of "
            f"{jump:.3g} +- {jump_error:.2g} at {steepest:.2f} +- {error:.2g} eV; does the scan reach 10 eV "
            "beyond the edge on both sides?"
        )
    return EdgeEnergy(steepest, error, "inflection")


def _steepest(step: FloatArray, covariance: FloatArray) -> tuple[float, float, float]:
    """Steepest point of `_step`, its error, and the step's width.

    To first order in the change of slope: the middle and 2 change width^2 / jump.
    """
    middle, width, _, _, jump, change = step
    per_jump = width / jump
    slopes = np.array([1, 4 * change * per_jump, 0, 0, -2 * change * per_jump**2, 2 * width * per_jump])
    error = float(np.sqrt(slopes @ covariance @ slopes))
    return float(middle + 2 * change * width * per_jump), error, abs(float(width))


def _local_slope(energy: FloatArray, values: FloatArray, at: float) -> float:
    """Slope of a line fitted around one energy."""
    apart = energy - at
    weight = np.exp(-0.5 * (apart / _STEP_EV) ** 2)
    apart = apart - np.average(apart, weights=weight)
    return float((weight * apart) @ values / ((weight * apart) @ apart))


def _step(
    energy: FloatArray, middle: float, width: float, level: float, slope: float, jump: float, change: float
) -> FloatArray:
    x = energy - middle
    return np.asarray(level + slope * x + (jump + change * x) * ndtr(x / abs(width)))


def _fit_step(
    energy: FloatArray,
    values: FloatArray,
    noise: FloatArray | None,
    start: tuple[float, float],
    reach_ev: float,
) -> tuple[FloatArray, FloatArray]:
    """Values of the six numbers of `_step`, and their covariance, from the points near the start."""
    near = np.abs(energy - start[0]) <= reach_ev
    energy, values, noise = energy[near], values[near], None if noise is None else noise[near]
    if energy.size < _FEWEST_FOR_STEP:
        raise ReconstructionError(
            f"inflection: wanted {_FEWEST_FOR_STEP} or more energies about the steepest place, "
            f"{start[0]:g} eV, found {energy.size}; scan in finer steps"
        )
    first = (*start, float(values[0]), 0.0, float(values[-1] - values[0]), 0.0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OptimizeWarning)  # its covariance is infinite then
            found = curve_fit(_step, energy, values, first, noise, absolute_sigma=noise is not None)
    except RuntimeError as error:
        raise ReconstructionError(
            f"inflection: wanted a step at about {start[0]:g} eV, found no fit of one; is this an edge?"
        ) from error
    return found[0], found[1]
