"""A density that is never negative and as smooth as the noise of its integral asks for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from xsn_acq.optics.arrays import FloatArray

_WEIGHTS = 10.0 ** np.arange(-7.0, 1.1, 0.5)
"""Weights of the smoothness that are tried, where 1 makes it as heavy as the data."""
_CAUTION = 1.4
"""Factor on the degrees of freedom in cross-validation, so that it does not follow the noise (Kim and Gu,
doi:10.1046/j.1467-9868.2003.05316.x)."""


@dataclass(frozen=True, eq=False)
class Density:
    """A fitted density, piecewise linear between its nodes.

    Attributes
    ----------
    nodes, value, value_sigma : (m,)
        Density of integral 1 and its standard error.
    above, above_sigma : (m,)
        Fraction of it above each node, from 1 to 0, and its standard error.
    floor : float
        What is there at all positions, as a fraction of all.
    model : (k,)
        What was measured, as the fit has it.
    freedom : float
        Parameters that the data determine.
    smoothness : float
        Weight of the second differences, where 1 makes them as heavy as the data.
    """

    nodes: FloatArray
    value: FloatArray
    value_sigma: FloatArray
    above: FloatArray
    above_sigma: FloatArray
    floor: float
    model: FloatArray
    freedom: float
    smoothness: float

    def within(self, low: float, high: float) -> float:
        """Fraction of the density between two positions."""
        upper, lower = np.interp((low, high), self.nodes, self.above)
        return float(upper - lower)


def fit_density(
    nodes: FloatArray,
    position: FloatArray,
    light: FloatArray,
    noise: FloatArray,
    *,
    smoothness: float | None = None,
) -> Density:
    """Find the density p >= 0 whose integral above ``position``, over a constant floor, is ``light``.

    Minimises |(floor + integral - light) / noise|^2 + weight |second differences of p|^2, p = 0 outside the
    nodes.

    Parameters
    ----------
    nodes : (m,)
        Evenly rising.
    position, light, noise : (k,)
        Any order, repeats allowed; what was measured and its standard error.
    smoothness : float, optional
        As in `Density`; left out: chosen by generalised cross-validation.
    """
    above = np.column_stack([_above(nodes, position), np.ones_like(light)])
    system = _System(above, light, noise)
    tried = _WEIGHTS if smoothness is None else (smoothness,)
    _, shares, freedom, weight = min(
        (system.solved(float(weight)) for weight in tried), key=lambda solved: solved[0]
    )
    total = float(shares[:-1].sum())
    part = _above(nodes, nodes)
    fraction = part @ shares[:-1] / total
    covariance = system.covariance(weight)[:-1, :-1]
    turned = (part - fraction[:, None]) / total
    step = nodes[1] - nodes[0]
    return Density(
        nodes=nodes,
        value=shares[:-1] / (total * step),
        value_sigma=np.sqrt(np.diag(covariance)) / (total * step),
        above=fraction,
        above_sigma=np.sqrt(np.maximum(np.sum(turned @ covariance * turned, axis=1), 0)),
        floor=float(shares[-1]) / (total + float(shares[-1])),
        model=above @ shares,
        freedom=freedom,
        smoothness=weight,
    )


class _System:
    """The least-squares problem: weighted data, and the second differences that keep the density smooth."""

    def __init__(self, above: FloatArray, light: FloatArray, noise: FloatArray) -> None:
        self._data, self._wanted = above / noise[:, None], light / noise
        count = above.shape[1] - 1
        second = np.diff(np.eye(count + 2), 2, axis=0)[:, 1:-1]
        self._rough = np.column_stack([second, np.zeros(count)])
        self._balance = float(np.sum(self._data**2) / np.sum(self._rough**2))

    def solved(self, weight: float) -> tuple[float, FloatArray, float, float]:
        """Cross-validation score, solution, degrees of freedom, and the weight they belong to."""
        equations = np.vstack([self._data, np.sqrt(weight * self._balance) * self._rough])
        shares, _ = optimize.nnls(equations, np.concatenate([self._wanted, np.zeros(self._rough.shape[0])]))
        free = shares > 0
        gram = self._data[:, free].T @ self._data[:, free]
        freedom = float(np.trace(np.linalg.solve(self._normal(free, weight), gram)))
        misfit = float(np.sum((self._data @ shares - self._wanted) ** 2))
        left = max(self._wanted.size - _CAUTION * freedom, 1.0)
        return misfit / left**2, shares, freedom, weight

    def covariance(self, weight: float) -> FloatArray:
        """Posterior covariance of all parameters, as if none were held at 0."""
        inverse: FloatArray = np.linalg.inv(self._normal(np.ones(self._data.shape[1], bool), weight))
        return inverse

    def _normal(self, free: NDArray[np.bool_], weight: float) -> FloatArray:
        data, rough = self._data[:, free], self._rough[:, free]
        normal: FloatArray = data.T @ data + weight * self._balance * rough.T @ rough
        return normal


def _above(nodes: FloatArray, position: FloatArray) -> FloatArray:
    """Part of each node's triangle, area 1, that lies above each position, (k, m)."""
    t = np.clip((position[:, None] - nodes) / (nodes[1] - nodes[0]), -1, 1)
    part: FloatArray = np.where(t < 0, 1 - 0.5 * (1 + t) ** 2, 0.5 * (1 - t) ** 2)
    return part
