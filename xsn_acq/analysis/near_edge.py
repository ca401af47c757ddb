"""The curve of an absorption edge between its samples, and where it crosses a level.

A scan in steps of 4 eV has one sample or two on a rise whose sigma is 2.6 eV: splines through them are off
by up to 0.5 eV, depending on where the steps fall. What edges look like is known: an error-function step
and a white line a few eV above it. The curve is the conditional mean (kriging) of a Gaussian process made of
such shapes, all within bounds equally likely (`EdgeShapes`), of a smooth rest that no shape covers, and of
a little noise. Where the edge stands is chosen among candidates by their likelihood; given that, the curve is
linear in the spectrum, so that a stack's pixels share its weights and errors propagate exactly. In fine steps
the samples decide, whatever the shape.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from xsn_acq.analysis.normalisation import Normalisation, finite_values, normalisation, rising
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

_CANDIDATE_STEP_EV = 1.0
_CANDIDATES_EV = (-8.0, 22.0)
"""Middle of the step, from the tabulated edge."""
_USED_EV = (-40.0, 45.0)
"""Samples that the curve goes through."""
_AROUND_EV = (-10.0, 14.0)
"""Part of the curve that is drawn, from the candidate."""
_GRID_EV = 0.25
_FEWEST, _FEWEST_ABOVE = 4, 2
_REST, _REST_EV = 0.05, 2.0
"""Size of the rest, in units of the jump, and how far it is smooth."""
_NOISE = 0.015
"""In units of the jump."""


@dataclass(frozen=True)
class EdgeShapes:
    """What an edge may look like: three values of each number, all combinations.

    Parameters
    ----------
    rise_ev : three floats
        Sigma of the error-function step.
    line_offset_ev, line_ev, line_height : three floats each
        White line above the middle of the step, its sigma, and its height over the jump. The defaults suit
        3d metals in oxides; a metal's edge is inside too where its steps are 1 eV or finer.
    """

    rise_ev: tuple[float, float, float] = (2.1, 2.6, 3.1)
    line_offset_ev: tuple[float, float, float] = (4.2, 5.0, 5.8)
    line_ev: tuple[float, float, float] = (2.0, 2.4, 2.8)
    line_height: tuple[float, float, float] = (0.2, 0.7, 1.2)

    def values(self, offset_ev: FloatArray) -> FloatArray:
        """All shapes, and each moved by half a candidate's step, (m, k), of jump 1, at m offsets."""
        moves = (-_CANDIDATE_STEP_EV, 0.0, _CANDIDATE_STEP_EV)
        every = itertools.product(self.rise_ev, self.line_offset_ev, self.line_ev, self.line_height, moves)
        rise, at, line, height, move = np.array(list(every)).T
        x = offset_ev[:, None] - move
        return np.asarray(ndtr(x / rise) + height * np.exp(-0.5 * ((x - at) / line) ** 2))


_SHAPES = EdgeShapes()


@dataclass(frozen=True, eq=False)
class Crossings:
    """Of m spectra, (m,) each; NaN where there is none.

    Attributes
    ----------
    energy_ev, sigma_ev : (m,)
        Where the curve crosses half the height on its way up to the white line.
    height, height_sigma : (m,)
        Of the jump, or without a post-edge of the white line above the pre-edge line.
    """

    energy_ev: FloatArray
    sigma_ev: FloatArray
    height: FloatArray
    height_sigma: FloatArray


@dataclass(frozen=True, eq=False)
class _Candidate:
    """Edges near one energy: the grid (g,), weights (g, n) of the curve, and of the likelihood (k, n)."""

    grid_ev: FloatArray
    curve: FloatArray
    whitening: FloatArray

    def unlikeliness(self, mu: FloatArray) -> FloatArray:
        """Sum of the whitened spectra's squares, (m,) of spectra (n, m): least where the edge is here."""
        white = self.whitening.astype(mu.dtype) @ mu
        return np.asarray(np.einsum("ij,ij->j", white, white))


class EdgeFinder:
    """Finds the edges of spectra measured at the same energies.

    Parameters
    ----------
    energy_ev : (n,)
    lines : Normalisation
        At these energies.
    edge_ev : float
        Tabulated edge.
    shapes : EdgeShapes

    Raises
    ------
    ReconstructionError
        Too few samples about the edge.
    """

    def __init__(
        self, energy_ev: FloatArray, lines: Normalisation, edge_ev: float, shapes: EdgeShapes
    ) -> None:
        self._lines = lines
        self._candidates = list(_candidates(energy_ev, lines, edge_ev, shapes))

    @property
    def method(self) -> Literal["half_jump", "half_height"]:
        """Return "half_jump" where there is a post-edge, else "half_height"."""
        return "half_height" if self._lines.jump is None else "half_jump"

    def crossings(self, mu: FloatArray, sigma: FloatArray) -> Crossings:
        """Find the edges.

        Parameters
        ----------
        mu : (n, m)
        sigma : (n,)
            Noise of one value at each energy; NaN where unknown, and the results' errors with it.
        """
        noise = np.asarray(sigma, mu.dtype)
        found = np.full((4, mu.shape[1]), np.nan)
        best = self._best(mu)
        for k in np.unique(best):
            here = best == k
            found[:, here] = self._crossed(self._candidates[k], mu[:, here], noise)
        return Crossings(*found)

    def _best(self, mu: FloatArray) -> FloatArray:
        """Index of the candidate that makes each spectrum likeliest."""
        scores = np.empty((len(self._candidates), mu.shape[1]), mu.dtype)
        for score, each in zip(scores, self._candidates, strict=True):
            score[:] = each.unlikeliness(mu)
        return np.asarray(scores.argmin(axis=0))

    def _crossed(self, candidate: _Candidate, mu: FloatArray, sigma: FloatArray) -> FloatArray:
        """Energy, its sigma, height, its sigma, (4, m)."""
        weights = candidate.curve.astype(mu.dtype)
        curve, each = weights @ mu, np.arange(mu.shape[1])
        top = curve.argmax(axis=0)
        if self._lines.jump is None:
            height, of_height = curve[top, each], weights[top]
            reached = top < len(curve) - 1
        else:
            of_height = np.asarray(self._lines.jump, mu.dtype)[None, :]
            height, reached = (of_height @ mu)[0], np.ones(each.size, bool)
        level = 0.5 * height
        below = (curve < level) & (np.arange(len(curve))[:, None] < top)
        last = len(curve) - 1 - below[::-1].argmax(axis=0)
        good = reached & below.any(axis=0) & (height > 0)
        last = np.minimum(last, len(curve) - 2)
        low, high = curve[last, each], curve[last + 1, each]
        good &= high >= level
        rise = np.where(good, high - low, 1)
        part = np.where(good, (level - low) / rise, 0)
        at = candidate.grid_ev[last] + _GRID_EV * part
        change = 0.5 * of_height - weights[last] - part[:, None] * (weights[last + 1] - weights[last])
        error = _GRID_EV / rise * np.sqrt(((change * sigma) ** 2).sum(axis=1))
        height_error = np.sqrt(((of_height * sigma) ** 2).sum(axis=1))
        known = np.where(good, 1.0, np.nan)
        return np.stack([at * known, error * known, height, np.broadcast_to(height_error, each.shape)])


def edge_curve(
    energy_ev: ArrayLike,
    mu: ArrayLike,
    *,
    edge_ev: float,
    beyond_ev: float = 0.0,
    step_ev: float = 0.5,
    shapes: EdgeShapes = _SHAPES,
) -> tuple[FloatArray, FloatArray]:
    """Curve of a spectrum in fine steps, as the edge's energy is read from it.

    Its use is Kramers-Kronig: straight lines between samples 4 eV apart are wrong by several per cent of the
    dip of delta.

    Parameters
    ----------
    energy_ev, mu : (n,)
        Rising energies.
    edge_ev : float
        Tabulated edge.
    beyond_ev : float
        Go on so far after the last sample; some 6 eV, where a scan ends on the white line.
    step_ev : float
    shapes : EdgeShapes

    Returns
    -------
    energy_ev, mu : (m,)
        From 40 eV below the edge to 45 eV above it, or what the scan has of that.

    Raises
    ------
    ReconstructionError
        As `xsn_acq.analysis.xanes.normalise_spectrum`.
    """
    energy = rising(energy_ev)
    values = finite_values(mu, energy.size)
    lines = normalisation(energy, edge_ev=edge_ev)
    used = _used(energy, edge_ev)
    near = energy[used]
    grid = near[0] + step_ev * np.arange(int((near[-1] + beyond_ev - near[0]) / step_ev + 1e-6) + 1)
    every = [
        _candidate(middle, grid, near, lines.subtraction[used], shapes) for middle in _middles(near, edge_ev)
    ]
    best = min(every, key=lambda each: each.unlikeliness(values[:, None])[0])
    background = values - lines.subtraction @ values
    slope = (background[-1] - background[0]) / (energy[-1] - energy[0])
    return grid, best.curve @ values + background[0] + slope * (grid - energy[0])


def _used(energy: FloatArray, edge_ev: float) -> NDArray[np.bool_]:
    """Which samples the curve goes through."""
    used = (energy >= edge_ev + _USED_EV[0]) & (energy <= edge_ev + _USED_EV[1])
    near = energy[used]
    if near.size < _FEWEST or np.count_nonzero(near > edge_ev) < _FEWEST_ABOVE:
        raise ReconstructionError(
            f"edge: wanted {_FEWEST} or more energies about {edge_ev:g} eV, {_FEWEST_ABOVE} of them above, "
            f"found {near.size} and {np.count_nonzero(near > edge_ev)}"
        )
    return np.asarray(used)


def _middles(near: FloatArray, edge_ev: float) -> FloatArray:
    """Where the step's middle may be."""
    low, high = _CANDIDATES_EV
    middles = edge_ev + np.arange(low, high + 0.5 * _CANDIDATE_STEP_EV, _CANDIDATE_STEP_EV)
    return middles[(middles > near[0]) & (middles < near[-1])]


def _candidates(
    energy: FloatArray, lines: Normalisation, edge_ev: float, shapes: EdgeShapes
) -> Iterator[_Candidate]:
    used = _used(energy, edge_ev)
    near = energy[used]
    for middle in _middles(near, edge_ev):
        start, stop = np.clip(middle + np.array(_AROUND_EV), near[0], near[-1])
        grid = start + _GRID_EV * np.arange(int((stop - start) / _GRID_EV + 1e-6) + 1)
        yield _candidate(middle, grid, near, lines.subtraction[used], shapes)


def _candidate(
    middle: float, grid: FloatArray, near: FloatArray, subtraction: FloatArray, shapes: EdgeShapes
) -> _Candidate:
    at_grid, at_samples = shapes.values(grid - middle), shapes.values(near - middle)
    covariance = _covariance(at_samples, at_samples, near, near) + _NOISE**2 * np.eye(near.size)
    factor = np.linalg.cholesky(covariance)
    whitening = np.linalg.solve(factor, subtraction)
    gain = np.linalg.solve(factor, _covariance(at_samples, at_grid, near, grid)).T
    return _Candidate(grid, gain @ whitening, whitening)


def _covariance(
    first_shapes: FloatArray, second_shapes: FloatArray, first_ev: FloatArray, second_ev: FloatArray
) -> FloatArray:
    """Second moment of the shapes, mean over all, and the smooth rest."""
    rest = _REST**2 * np.exp(-0.5 * ((first_ev[:, None] - second_ev) / _REST_EV) ** 2)
    return np.asarray(first_shapes @ second_shapes.T / first_shapes.shape[1] + rest)
