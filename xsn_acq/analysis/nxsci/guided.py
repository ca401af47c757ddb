"""The default solver: as even a composition as the data allow, inside what the TXM image shows.

min over v >= 0:
1/2 sum_e |A v_e - d_e|^2 + weight sum_e sum |G v_e| + 1/2 |(sum_e c_e v_e - a)_+ / sigma_a|^2,
with G of `gradients.directional_ratio`: thickness comes from the TXM image a, composition from the counts d.
"""

from dataclasses import dataclass

import numpy as np

from xsn_acq.analysis.nxsci.admm import DEFAULT_STEPS, Steps, minimise
from xsn_acq.analysis.nxsci.bound import AbsorptionBound, absorbance_per_count
from xsn_acq.analysis.nxsci.denoising import denoise
from xsn_acq.analysis.nxsci.forward import Whitened, misfit, whiten
from xsn_acq.analysis.nxsci.gradients import directional_ratio
from xsn_acq.analysis.nxsci.problem import Guide, Maps, Sweep, check_fit
from xsn_acq.optics.arrays import FloatArray

_THINNEST = 2.0
"""In parts of the noise: thinner than this, thickness is not seen."""


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

    strength: float = 3.0
    steps: Steps = DEFAULT_STEPS

    def solve(self, sweep: Sweep, guide: Guide, *, start: Maps | None = None) -> Maps:
        """Find the maps, see `problem.Solver`."""
        check_fit(sweep, guide, start)
        light = whiten(sweep)
        weight = self.strength * light.contrast() * np.sqrt(len(light.row_weight))
        noise = float(np.median(guide.absorbance_sigma()))
        thickness = np.maximum(denoise(guide.absorbance(), noise), _THINNEST * noise)
        bound = _bound(sweep, guide, light)
        first = start.values if start is not None else _spread(light, thickness)
        v, iterations = minimise(
            light,
            directional_ratio(thickness, noise),
            weight,
            bound,
            first.reshape(len(first), -1) / (light.scale[:, None] if start is not None else 1.0),
            self.steps,
        )
        values = (v * light.scale[:, None]).reshape(-1, *sweep.shape)
        return Maps(values, weight, iterations, misfit(sweep, values))


def _bound(sweep: Sweep, guide: Guide, light: Whitened) -> AbsorptionBound:
    per_value = absorbance_per_count(sweep, guide.absorbance()) * light.scale
    return AbsorptionBound(guide.absorbance().ravel(), guide.absorbance_sigma().ravel(), per_value)


def _spread(light: Whitened, thickness: FloatArray) -> FloatArray:
    """Each element as if all matter had the same composition, (E, M)."""
    flat = thickness.ravel()
    seen = light.forward(flat[None])[0]
    return np.outer(light.data @ seen / (seen @ seen), flat)
