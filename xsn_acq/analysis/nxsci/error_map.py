"""Standard error of each pixel of guided maps: the posterior of the solver's own model, drawn from.

About its maximum the posterior is taken as Gaussian, with precision A^T A + G^T W G + B: W is what the prior
pulls with, from the map's own differences, B what it is worth to know that a value is above nothing and below
the most it can be: what was absorbed there, or all there is of the element. A draw costs an iteration:
perturb and maximise (Papandreou and Yuille, NIPS 23, 1858 (2010)).
"""

import numpy as np
from scipy import sparse

from xsn_acq.analysis.nxsci.forward import Whitened, whiten
from xsn_acq.analysis.nxsci.guided import absorption_bound, composition_gradient
from xsn_acq.analysis.nxsci.normal_equations import factorise
from xsn_acq.analysis.nxsci.problem import Guide, Maps, Sweep, check_fit
from xsn_acq.optics.arrays import FloatArray

DRAWS = 48
"""Each error is known to 10 %."""
_FLAT = 12.0
"""An interval's width squared over the variance of what lies evenly in it."""
_LEAST_ROOM = 2.0
"""In parts of the absorbance's noise: what may lie in a pixel that shows none."""
_ROUGHER = 20.0
"""A sample's differences over those of its smooth map, squared: found on simulated samples. What errors are
worth with it: docs/nxsci_solvers.md."""


def error_map(sweep: Sweep, guide: Guide, maps: Maps, *, draws: int = DRAWS, seed: int = 0) -> FloatArray:
    """Compute the standard error of each pixel.

    Parameters
    ----------
    sweep, guide
        As the maps were made from them.
    maps : Maps
        Of a `GuidedSolver`.
    draws : int
    seed : int

    Returns
    -------
    (E, ny, nx)
        Line counts per unit illumination. Where the counts scatter more than their sigma, by as much more.

    Raises
    ------
    ReconstructionError
        The guide or the maps have other pixels than the patterns.
    """
    check_fit(sweep, guide, maps)
    light = whiten(sweep)
    gradient = composition_gradient(guide)
    bound = absorption_bound(sweep, guide, light)
    noise = np.maximum(bound.sigma, 1e-12)
    room = np.maximum(bound.absorbance, 0.0) + _LEAST_ROOM * noise
    rng = np.random.default_rng(seed)
    one_sigma = len(sweep.patterns) ** -0.5  # of a map's sum: what is in all patterns alike
    errors = []
    for v, c in zip(light.whitened_maps(maps), bound.per_value, strict=True):
        most = 1 / np.maximum(c / room, 1 / (v.sum() + _LEAST_ROOM * one_sigma))
        errors.append(_spread(light, gradient, v, _FLAT / most**2, draws, rng))
    widened = np.sqrt(np.maximum(1.0, maps.misfit))[:, None, None]
    return light.maps(np.array(errors)) * widened


def _spread(
    light: Whitened,
    gradient: sparse.csr_array,
    v: FloatArray,
    room: FloatArray,
    draws: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Standard deviation (M,) of draws with precision A^T A + G^T W G + B; ``room``: B's diagonal.

    Where the map is empty it is taken to be as rough as what noise hides in one pixel.
    """
    square = np.sum((gradient @ v).reshape(2, -1) ** 2, axis=0)
    usual = float(np.mean(np.sqrt(square))) or 1 / light.pull_of_noise()
    pull = np.tile(1 / (_ROUGHER * (square + usual**2)), 2)
    precision = gradient.T @ sparse.diags_array(pull) @ gradient + sparse.diags_array(room)
    equations = factorise(light, sparse.csc_array(precision))
    counts, slopes, pixels = (
        rng.standard_normal((draws, n)) for n in (len(light.row_weight), len(pull), len(room))
    )
    push = light.adjoint(counts) + (slopes * np.sqrt(pull)) @ gradient + pixels * np.sqrt(room)
    return np.sqrt(np.mean(equations.solve(push) ** 2, axis=0))
