"""Absorption edges by their formulas: values, where they cross a level, and their Kramers-Kronig partners."""

from dataclasses import dataclass

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar
from scipy.special import dawsn, ndtr

EDGE_EV = 8333.0
PRE, JUMP = 0.12, 0.25
"""Absorbance of 5 um of a cathode particle below its nickel edge, and the jump."""
SHORT_EV = np.arange(8313.0, 8354.0, 4.0)
LONG_EV = np.arange(8313.0, 8374.0, 4.0)


@dataclass(frozen=True)
class Edge:
    """Error-function step and Gaussian white line of a nickel oxide, jump 1."""

    rise_ev: float = 2.6
    height: float = 0.7
    offset_ev: float = 5.0
    line_ev: float = 2.4

    def __call__(self, x):
        line = self.height * np.exp(-0.5 * ((x - self.offset_ev) / self.line_ev) ** 2)
        return ndtr(x / self.rise_ev) + line

    def top(self):
        found = minimize_scalar(lambda x: -self(x), bounds=(2, 12), method="bounded")
        return found.x, -found.fun

    def crossing(self, method):
        """Offset at which the curve itself, not samples of it, crosses its level."""
        at, height = self.top()
        level = 0.5 * (height if method == "half_height" else 1.0)
        return brentq(lambda x: self(x) - level, -10, at)

    def partner(self, x):
        """Delta of beta = this edge, but for a constant: it is -1 / pi times the principal integral."""
        # of a sharp step the integral is -ln|x|, of a soft one its mean over the normal distribution
        log = [
            -(np.euler_gamma + np.log(2)) / 2 + 2 * quad(dawsn, 0, abs(u) / np.sqrt(2), limit=200)[0]
            for u in np.atleast_1d(x) / self.rise_ev
        ]
        line = 2 / np.sqrt(np.pi) * dawsn((x - self.offset_ev) / (np.sqrt(2) * self.line_ev))
        return (np.array(log) + np.log(self.rise_ev)) / np.pi + self.height * line


def absorbance(energy_ev, middle_ev, edge=None, slope_per_ev=-5e-5):
    """Of a particle: a pre-edge that falls, and the edge."""
    return PRE + slope_per_ev * (energy_ev - EDGE_EV) + JUMP * (edge or Edge())(energy_ev - middle_ev)
