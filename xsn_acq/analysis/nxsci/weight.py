"""The strength of a regularisation, and the solver, from the data alone; no truth is looked at.

The solvers' own rule (strength * contrast * sqrt(N) after whitening) is where to begin. Patterns that were
held out tell whether another strength, or another solver, foretells the counts better.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np

from xsn_acq.analysis.nxsci.forward import forward
from xsn_acq.analysis.nxsci.problem import Guide, Maps, Solver, Sweep
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

FOLDS = 5
_FACTORS = (0.3, 1.0, 3.0)


class WeightedSolver(Protocol):
    """A solver with a strength."""

    @property
    def strength(self) -> float:
        """Of the regularisation."""

    def solve(self, sweep: Sweep, guide: Guide, *, start: Maps | None = None) -> Maps:
        """See `problem.Solver`."""


W = TypeVar("W", bound=WeightedSolver)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """How well each candidate foretells patterns it has not seen.

    Attributes
    ----------
    names : tuple of str
    misfit : (C,)
        Chi-square per pattern and element, mean over elements.
    excess_sigma : (C,)
        How far each lies above the best, in standard errors of their difference over the patterns.
    """

    names: tuple[str, ...]
    misfit: FloatArray
    excess_sigma: FloatArray

    @property
    def best(self) -> str:
        """Name of the candidate with the least misfit."""
        return self.names[int(np.argmin(self.misfit))]


def held_out(
    candidates: Mapping[str, Solver], sweep: Sweep, guide: Guide, *, folds: int = FOLDS, seed: int = 0
) -> HeldOut:
    """Compare solvers by patterns that are left out in turn.

    Parameters
    ----------
    candidates : mapping of names to solvers
    sweep, guide
    folds : int
        Each pattern is left out once, a fold at a time.
    seed : int
        Of the draw of folds.

    Returns
    -------
    HeldOut

    Raises
    ------
    ReconstructionError
        Fewer patterns than twice the folds.
    """
    number = sweep.counts.shape[1]
    if number < 2 * folds:
        raise ReconstructionError(
            f"held-out patterns: wanted {2 * folds} or more for {folds} folds, found {number}; "
            "take the solver's own strength"
        )
    fold_of = np.random.default_rng(seed).permutation(np.arange(number) % folds)
    squares = np.array([_squares(solver, sweep, guide, fold_of) for solver in candidates.values()])
    misfit = squares.mean(axis=1)
    above = squares - squares[np.argmin(misfit)]
    error = above.std(axis=1) / number**0.5
    excess = np.divide(above.mean(axis=1), error, out=np.zeros(len(error)), where=error > 0)
    return HeldOut(tuple(candidates), misfit, excess)


def _squares(solver: Solver, sweep: Sweep, guide: Guide, fold_of: np.ndarray) -> FloatArray:
    """Squared residual over sigma of each pattern, mean over elements, (N,); each from maps without it."""
    result = np.empty(len(fold_of))
    for fold in range(int(fold_of.max()) + 1):
        out = fold_of == fold
        maps = solver.solve(sweep.subset(~out), guide)
        rest = sweep.subset(out)
        residual = (forward(rest.patterns, maps.values) - rest.counts) / rest.sigma
        result[out] = np.mean(residual**2, axis=0)
    return result


def strength_by_held_out(
    solver: W, sweep: Sweep, guide: Guide, *, factors: Sequence[float] = _FACTORS, significant: float = 2.0
) -> tuple[W, HeldOut]:
    """Check a solver's strength by patterns that are left out; change it only where that is plain.

    Parameters
    ----------
    solver : with a strength
    sweep, guide
    factors : sequence of float
        Of its strength; 1 is always tried.
    significant : float
        Another strength is taken when the solver's own foretells so many standard errors worse.

    Returns
    -------
    solver : with the strength chosen
    HeldOut
        Its names are the strengths.
    """
    tried = sorted({solver.strength * factor for factor in (*factors, 1.0)})
    found = held_out({f"{s:g}": _with_strength(solver, s) for s in tried}, sweep, guide)
    own = tried.index(solver.strength)
    if found.excess_sigma[own] < significant:
        return solver, found
    return _with_strength(solver, tried[int(np.argmin(found.misfit))]), found


def _with_strength(solver: W, strength: float) -> W:
    changed: W = replace(solver, strength=strength)  # type: ignore[type-var]
    return changed
