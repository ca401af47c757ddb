"""Least squares with a group-sparse gradient and a constraint on each pixel, by ADMM.

min over v: 1/2 sum_e |W A v_e - d_e|^2 + weight sum_e sum_pixels |G v_e - g_e| + constraint(v). Boyd et al.,
Found. Trends Mach. Learn. 3, 1 (2011); doi:10.1561/2200000016, with over-relaxation.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from xsn_acq.analysis.nxsci.forward import Whitened
from xsn_acq.analysis.nxsci.normal_equations import NormalEquations, factorise
from xsn_acq.optics.arrays import FloatArray

Constraint = Callable[[FloatArray, float], FloatArray]
"""(values (E, M), penalty) -> the nearest values that are allowed."""
_RELAXATION = 1.7
_CHECK_EVERY = 5


@dataclass(frozen=True)
class Steps:
    """How ADMM goes.

    Attributes
    ----------
    iterations : int
        At most.
    tolerance : float
        It stops when neither what is allowed nor what fits moves by more, relative to the maps.
    gradient_step, pixel_step : float
        Values over thresholds: what a difference, and a pixel, is shrunk by in one iteration, in parts of a
        typical pixel. They set the speed, not the result.
    """

    iterations: int = 75
    tolerance: float = 1e-4
    gradient_step: float = 0.1
    pixel_step: float = 0.1


DEFAULT_STEPS = Steps()


def minimise(
    light: Whitened,
    gradient: sparse.csr_array,
    weight: float,
    constraint: Constraint,
    start: FloatArray,
    steps: Steps,
) -> tuple[FloatArray, int]:
    """Run ADMM.

    Parameters
    ----------
    light : Whitened
        A, W and d.
    gradient : sparse (2 M, M)
        G: differences along y of all pixels, then along x.
    weight : float
    constraint : callable
    start : (E, M)
        Where to begin; its mean sets the steps.
    steps : Steps

    Returns
    -------
    v : (E, M), allowed values
    iterations : int
    """
    typical = _typical(light, start)
    rho_gradient, rho_pixel = (weight / (step * typical) for step in (steps.gradient_step, steps.pixel_step))
    regular = rho_gradient * (gradient.T @ gradient) + rho_pixel * sparse.eye_array(light.pixels)
    equations = factorise(light, sparse.csc_array(regular))
    state = _State(start, _apply(gradient, start))
    pull = light.adjoint(light.data)
    for iteration in range(1, steps.iterations + 1):
        before = state.pixels
        _advance(state, equations, gradient, pull, (rho_gradient, rho_pixel), weight, constraint)
        if iteration % _CHECK_EVERY == 0 and state.moved(before) < steps.tolerance:
            break
    return state.pixels, iteration


class _State:
    """The split variables and their scaled multipliers."""

    def __init__(self, pixels: FloatArray, differences: FloatArray) -> None:
        self.pixels, self.differences = pixels, differences
        self.pixel_debt, self.difference_debt = np.zeros_like(pixels), np.zeros_like(differences)
        self.fitted = pixels

    def moved(self, before: FloatArray) -> float:
        size = float(np.linalg.norm(self.pixels)) or 1.0
        steps = (np.linalg.norm(self.pixels - other) for other in (before, self.fitted))
        return float(max(steps)) / size


def _advance(
    state: _State,
    equations: NormalEquations,
    gradient: sparse.csr_array,
    pull: FloatArray,
    rho: tuple[float, float],
    weight: float,
    constraint: Constraint,
) -> None:
    wanted = _apply(gradient.T, state.differences - state.difference_debt)
    state.fitted = equations.solve(pull + rho[0] * wanted + rho[1] * (state.pixels - state.pixel_debt))
    differences = _relaxed(_apply(gradient, state.fitted), state.differences) + state.difference_debt
    pixels = _relaxed(state.fitted, state.pixels) + state.pixel_debt
    state.differences = shrink(differences, weight / rho[0])
    state.pixels = constraint(pixels, rho[1])
    state.difference_debt, state.pixel_debt = differences - state.differences, pixels - state.pixels


def shrink(differences: FloatArray, by: float) -> FloatArray:
    """Shorten each pixel's vector (E, 2 M) of differences by a length, to zero at most."""
    pairs = differences.reshape(len(differences), 2, -1)
    length = np.sqrt(np.sum(pairs**2, axis=1, keepdims=True))
    return np.asarray(pairs * np.maximum(0.0, 1 - by / np.maximum(length, by))).reshape(differences.shape)


def _relaxed(new: FloatArray, old: FloatArray) -> FloatArray:
    return _RELAXATION * new + (1 - _RELAXATION) * old


def _apply(operator: sparse.csr_array, v: FloatArray) -> FloatArray:
    return np.asarray((operator @ v.T).T)


def _typical(light: Whitened, start: FloatArray) -> float:
    """A pixel's value: the start's root mean square, or what spreads the counts evenly."""
    even = float(np.mean(np.abs(light.data))) / light.pixels
    return max(float(np.sqrt(np.mean(start**2))), even) or 1.0
