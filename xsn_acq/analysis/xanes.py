"""One absorption spectrum near its edge: normalised, and the energy of the edge.

"Spectrum" is anything linear in the absorption: absorbance, or beta of a region. See
`xsn_acq.analysis.edge_map` for a stack of images.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.analysis.near_edge import EdgeFinder, EdgeShapes
from xsn_acq.analysis.normalisation import Window, finite_values, noise_of, normalisation, rising
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

Method = Literal["half_jump", "half_height", "inflection"]

_SHAPES = EdgeShapes()


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
