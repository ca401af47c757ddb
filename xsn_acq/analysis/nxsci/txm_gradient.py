"""The paper's regularisation in its convex form: edges as the TXM image has them, times one factor."""

from dataclasses import dataclass

from xsn_acq.analysis.nxsci.admm import DEFAULT_STEPS, Steps, as_maps, begin, minimise
from xsn_acq.analysis.nxsci.bound import non_negative
from xsn_acq.analysis.nxsci.forward import whiten
from xsn_acq.analysis.nxsci.gradients import differences
from xsn_acq.analysis.nxsci.problem import Guide, Maps, Sweep, check_fit


@dataclass(frozen=True)
class TxmGradientSolver:
    """min over v >= 0 and c: 1/2 |A v - d|^2 + weight sum |grad v - c grad a|, a the denoised absorbance.

    Li et al., PNAS 120, e2314542120 (2023), without the network. It is right where all matter has one
    composition: each element then has its c.

    Attributes
    ----------
    strength : float
        See `GuidedSolver`.
    steps : Steps
    """

    strength: float = 2.0
    steps: Steps = DEFAULT_STEPS

    def solve(self, sweep: Sweep, guide: Guide, *, start: Maps | None = None) -> Maps:
        """Find the maps, see `problem.Solver`."""
        check_fit(sweep, guide, start)
        light = whiten(sweep)
        weight = self.strength * light.pull_of_noise()
        absorbance = guide.smooth.ravel()
        first, grad = begin(light, start, absorbance), differences(sweep.shape)
        template = grad @ absorbance
        end = minimise(light, grad, weight, non_negative, first, self.steps, template=template)
        return as_maps(sweep, light, weight, end)
