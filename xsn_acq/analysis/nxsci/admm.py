"""Least squares with a group-sparse gradient and a constraint on each pixel, by ADMM.

min over v: 1/2 sum_e |W A v_e - d_e|^2 + weight sum_e sum_pixels |G v_e - g_e| + constraint(v). Boyd et al.,
Found. Trends Mach. Learn. 3, 1 (2011); doi:10.1561/2200000016, with over-relaxation.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from xsn_acq.analysis.nxsci.forward import Whitened, misfit
from xsn_acq.analysis.nxsci.normal_equations import NormalEquations, factorise
from xsn_acq.analysis.nxsci.problem import Maps, Sweep
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
    gradient_step: float = 0.7
    pixel_step: float = 0.7


DEFAULT_STEPS = Steps()


@dataclass(frozen=True, eq=False)
class Point:
    """Where ADMM begins or ends.

    Attributes
    ----------
    v : (E, M)
    pull : (E, 2 M), optional
        Multipliers of the differences over the weight: lengths of 1 at most.
    push : (E, M), optional
        Multipliers of the pixels over the weight. Those that the data at the start ask for would do only at
        the minimum; beside it, as where patterns have come on, they are so wrong that it is left for long.
    iterations : int
    """

    v: FloatArray
    pull: FloatArray | None = None
    push: FloatArray | None = None
    iterations: int = 0


def begin(light: Whitened, start: Maps | None, image: FloatArray) -> Point:
    """Maps found before, or else the multiple of an image (M,) that fits each element best."""
    if start is not None:
        return Point(light.whitened_maps(start), start.pull, start.push)
    return Point(light.spread(image))


def as_maps(sweep: Sweep, light: Whitened, weight: float, end: Point) -> Maps:
    """Maps of the point where ADMM ended."""
    values = light.maps(end.v)
    return Maps(values, weight, end.iterations, misfit(sweep, values), pull=end.pull, push=end.push)


def minimise(
    light: Whitened,
    gradient: sparse.csr_array,
    weight: float,
    constraint: Constraint,
    start: Point,
    steps: Steps,
    template: FloatArray | None = None,
) -> Point:
    """Run ADMM.

    Parameters
    ----------
    light : Whitened
        A, W and d.
    gradient : sparse (2 M, M)
        G: differences along y of all pixels, then along x.
    weight : float
    constraint : callable
    start : Point
        Its size sets the steps.
    steps : Steps
    template : (2 M,), optional
        Differences of an image that those of the maps are like: g_e = c_e template, c_e fitted. Else 0.

    Returns
    -------
    Point
        v is allowed.
    """
    typical = _typical(light, start.v)
    rho = (weight / (steps.gradient_step * typical), weight / (steps.pixel_step * typical))
    regular = rho[0] * (gradient.T @ gradient) + rho[1] * sparse.eye_array(light.pixels)
    equations = factorise(light, sparse.csc_array(regular))
    state = _State(start.v, _apply(gradient, start.v), template)
    if start.pull is not None:
        state.difference_debt = weight / rho[0] * start.pull
    if start.push is not None:
        state.pixel_debt = weight / rho[1] * start.push
    attraction = light.adjoint(light.data)
    for iteration in range(1, steps.iterations + 1):
        before = state.pixels
        _advance(state, equations, gradient, attraction, rho, weight, constraint)
        if iteration % _CHECK_EVERY == 0 and state.moved(before) < steps.tolerance:
            break
    pull, push = rho[0] / weight * state.difference_debt, rho[1] / weight * state.pixel_debt
    return Point(state.pixels, pull, push, iteration)


class _State:
    """The split variables and their scaled multipliers."""

    differences: FloatArray
    pixels: FloatArray
    difference_debt: FloatArray
    pixel_debt: FloatArray

    def __init__(self, pixels: FloatArray, differences: FloatArray, template: FloatArray | None) -> None:
        self.template = np.zeros(differences.shape[1]) if template is None else template
        self.expected = self.fit_template(differences)
        self.pixels, self.differences = pixels, differences - self.expected
        self.pixel_debt, self.difference_debt = np.zeros_like(pixels), np.zeros_like(differences)
        self.fitted = pixels

    def fit_template(self, differences: FloatArray) -> FloatArray:
        """What of the differences (E, 2 M) the template explains."""
        size = float(self.template @ self.template) or 1.0
        return np.outer(differences @ self.template / size, self.template)

    def moved(self, before: FloatArray) -> float:
        size = float(np.linalg.norm(self.pixels)) or 1.0
        steps = (np.linalg.norm(self.pixels - other) for other in (before, self.fitted))
        return float(max(steps)) / size


def _advance(
    state: _State,
    equations: NormalEquations,
    gradient: sparse.csr_array,
    attraction: FloatArray,
    rho: tuple[float, float],
    weight: float,
    constraint: Constraint,
) -> None:
    wanted = _apply(gradient.T, state.differences + state.expected - state.difference_debt)
    state.fitted = equations.solve(attraction + rho[0] * wanted + rho[1] * (state.pixels - state.pixel_debt))
    found = _apply(gradient, state.fitted)
    state.expected = state.fit_template(found + state.difference_debt - state.differences)
    differences = _relaxed(found - state.expected, state.differences) + state.difference_debt
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
