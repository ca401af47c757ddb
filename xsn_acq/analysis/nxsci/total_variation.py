"""Isotropic total variation with non-negativity: what can be had without a TXM image."""

from dataclasses import dataclass

import numpy as np

from xsn_acq.analysis.nxsci.admm import DEFAULT_STEPS, Steps, as_maps, begin, minimise
from xsn_acq.analysis.nxsci.bound import non_negative
from xsn_acq.analysis.nxsci.forward import whiten
from xsn_acq.analysis.nxsci.gradients import differences
from xsn_acq.analysis.nxsci.problem import Guide, Maps, Sweep, check_fit


@dataclass(frozen=True)
class TotalVariationSolver:
    """min over v >= 0: 1/2 |A v - d|^2 + weight sum |grad v|, as TVAL3 does; the guide is not looked at.

    Attributes
    ----------
    strength : float
        See `GuidedSolver`.
    steps : Steps
    """

    strength: float = 1.5
    steps: Steps = DEFAULT_STEPS

    def solve(self, sweep: Sweep, guide: Guide, *, start: Maps | None = None) -> Maps:
        """Find the maps, see `problem.Solver`."""
        check_fit(sweep, guide, start)
        light = whiten(sweep)
        weight = self.strength * light.pull_of_noise()
        first = begin(light, start, np.ones(light.pixels))
        end = minimise(light, differences(sweep.shape), weight, non_negative, first, self.steps)
        return as_maps(sweep, light, weight, end)
