"""Preconditioned L-BFGS: Nocedal and Wright, Numerical Optimization (2006), Algorithm 7.4."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Function = Callable[[Any], tuple[float, Any]]
"""Variables -> value and gradient."""
_MEMORY = 10
_ARMIJO = 1e-4
_LEAST_STEP = 1e-6
_LONGEST = 5.0
"""No variable moves further in one step: radians, where exponentials are."""


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where a minimiser ended.

    Attributes
    ----------
    x : array
    values : tuple of float
        The objective at each gradient that was computed.
    converged : bool
        The predicted decrease fell below what was asked.
    """

    x: Any
    values: tuple[float, ...]
    converged: bool

    @property
    def gradients(self) -> int:
        """Gradients computed."""
        return len(self.values)


def minimise(
    function: Function,
    x: Any,
    precondition: Callable[[Any], Any],
    dot: Callable[[Any, Any], float],
    largest: Callable[[Any], float],
    *,
    enough: float,
    most: int,
) -> Minimum:
    """Minimise a smooth function.

    It stops when the decrease that the quasi-Newton model predicts of the next step, -g.p / 2, and that of
    the preconditioner alone are both below ``enough``: a small loss or a small last step says nothing, where
    some variables are a thousand times softer than others.

    Parameters
    ----------
    function : callable
    x : array
        Where to begin.
    precondition : callable
        The inverse of an approximate Hessian, times a gradient.
    dot : callable
        Inner product of two arrays, in double precision.
    enough : float
        Decrease that is not worth a gradient.
    most : int
        Gradients, at most.

    Returns
    -------
    Minimum
    """
    value, gradient = function(x)
    values, pairs = [value], deque[tuple[Any, Any, float]](maxlen=_MEMORY)
    while True:
        step, plain = _step(gradient, pairs, precondition, dot)
        slope = dot(gradient, step)
        if max(-0.5 * slope, 0.5 * plain) < enough:
            return Minimum(x, tuple(values), True)
        found = _search(function, x, value, step, slope, largest(step), most - len(values))
        values.extend(found.values)
        if found.x is None:
            return Minimum(x, tuple(values), False)
        moved, turned = found.x - x, found.gradient - gradient
        curvature = dot(moved, turned)
        if curvature > 0:
            pairs.append((moved, turned, curvature))
        x, value, gradient = found.x, found.values[-1], found.gradient


@dataclass(frozen=True, eq=False)
class _Found:
    x: Any
    gradient: Any
    values: tuple[float, ...]


def _step(
    gradient: Any,
    pairs: deque[tuple[Any, Any, float]],
    precondition: Callable[[Any], Any],
    dot: Callable[[Any, Any], float],
) -> tuple[Any, float]:
    """Quasi-Newton step, and the gradient's square in the preconditioned metric."""
    q, shares = gradient, []
    for moved, turned, curvature in reversed(pairs):
        share = dot(moved, q) / curvature
        q = q - share * turned
        shares.append(share)
    r = precondition(q)
    if pairs:
        moved, turned, curvature = pairs[-1]
        r = r * (curvature / dot(turned, precondition(turned)))
    for (moved, turned, curvature), share in zip(pairs, reversed(shares), strict=True):
        r = r + (share - dot(turned, r) / curvature) * moved
    return -r, dot(gradient, precondition(gradient))


def _search(
    function: Function, x: Any, value: float, step: Any, slope: float, longest: float, left: int
) -> _Found:
    """Shorten the step until the value has fallen as the slope foretells (Armijo), by quadratic fits."""
    length = min(1.0, _LONGEST / longest)
    values: list[float] = []
    while len(values) < left and length > _LEAST_STEP:
        tried = x + length * step
        new, gradient = function(tried)
        values.append(new)
        if new <= value + _ARMIJO * length * slope:
            return _Found(tried, gradient, tuple(values))
        best = -0.5 * slope * length**2 / (new - value - slope * length)
        length = min(max(best, 0.1 * length), 0.5 * length)
    return _Found(None, None, tuple(values))
