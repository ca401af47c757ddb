"""The default solver: as even a composition as the data allow, inside what the TXM image shows.

min over v >= 0:
1/2 sum_e |A v_e - d_e|^2 + weight sum_e sum |G v_e| + 1/2 |(sum_e c_e v_e - a)_+ / sigma_a|^2,
with G of `gradients.directional_ratio`: thickness comes from the TXM image a, composition from the counts d.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from xsn_acq.analysis.nxsci.admm import DEFAULT_STEPS, Steps, as_maps, begin, minimise
from xsn_acq.analysis.nxsci.bound import AbsorptionBound, absorbance_per_count
from xsn_acq.analysis.nxsci.forward import Whitened, whiten
from xsn_acq.analysis.nxsci.gradients import directional_ratio
from xsn_acq.analysis.nxsci.problem import Guide, Maps, Sweep, check_fit
from xsn_acq.optics.arrays import FloatArray

_THINNEST = 2.0
"""In parts of the noise: thinner than this, thickness is not seen."""
_EDGE = 8.0
"""In parts of the noise: a step of thickness that counts as an edge."""


@dataclass(frozen=True)
class GuidedSolver:
    """Directional ratio total variation with non-negativity and the TXM image as an upper bound.

    Attributes
    ----------
    strength : float
        Of the regularisation: the weight is strength * contrast * sqrt(number of patterns). Noise of 1 in the
        counts pulls at a pixel with contrast * sqrt(number), so one strength serves all sweeps.
    steps : Steps
    """

    strength: float = 2.5
    steps: Steps = DEFAULT_STEPS

    def solve(self, sweep: Sweep, guide: Guide, *, start: Maps | None = None) -> Maps:
        """Find the maps, see `problem.Solver`."""
        check_fit(sweep, guide, start)
        light = whiten(sweep)
        weight = self.strength * light.pull_of_noise()
        first = begin(light, start, seen_thickness(guide).ravel())
        bound = absorption_bound(sweep, guide, light)
        end = minimise(light, composition_gradient(guide), weight, bound, first, self.steps)
        return as_maps(sweep, light, weight, end)


def seen_thickness(guide: Guide) -> FloatArray:
    """The absorbance without its noise, above 0 everywhere, (ny, nx)."""
    return np.maximum(guide.smooth, _THINNEST * guide.noise)


def composition_gradient(guide: Guide) -> sparse.csr_array:
    """G: differences of the ratio of a map to the thickness, see `directional_ratio`."""
    return directional_ratio(seen_thickness(guide), _EDGE * guide.noise)


def absorption_bound(sweep: Sweep, guide: Guide, light: Whitened) -> AbsorptionBound:
    """What the TXM image allows v to be."""
    per_value = absorbance_per_count(sweep, guide.absorbance()) * light.scale
    return AbsorptionBound(guide.absorbance().ravel(), guide.absorbance_sigma().ravel(), per_value)
