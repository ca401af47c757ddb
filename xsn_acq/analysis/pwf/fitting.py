"""One fit: the objective of some data, minimised."""

from typing import Any

from xsn_acq.analysis.pwf.forward import Data, ImageModel
from xsn_acq.analysis.pwf.lbfgs import Minimum, minimise
from xsn_acq.analysis.pwf.objective import Objective
from xsn_acq.analysis.pwf.preconditioner import Preconditioner


def fit(
    objective: Objective,
    data: Data,
    x: Any,
    precondition: Preconditioner,
    *,
    enough: float,
    most: int,
) -> Minimum:
    """Minimise from variables (V, Ny, Nx).

    Parameters
    ----------
    objective : Objective
    data : Data
    x : (V, Ny, Nx)
    precondition : Preconditioner
    enough : float
        The decrease not worth a gradient, in parts of what noise alone puts into the objective: half of the
        number of degrees of freedom.
    most : int
        Gradients, at most.
    """
    xp = objective.model.fourier.xp

    def dot(a: Any, b: Any) -> float:
        return inner(objective.model, a, b)

    def largest(a: Any) -> float:
        return float(xp.max(xp.abs(a)))

    def value(at: Any) -> tuple[float, Any]:
        return objective.value(at, data)

    least = 0.5 * enough * precondition.degrees_of_freedom
    return minimise(value, x, precondition, dot, largest, enough=least, most=most)


def inner(model: ImageModel, a: Any, b: Any) -> float:
    """Sum of products, in double precision."""
    xp = model.fourier.xp
    return float(xp.sum(a * b, dtype=xp.float64))
