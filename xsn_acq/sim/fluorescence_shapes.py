"""Shapes of spectra as the simulated detector sees them: with what a fit does not know.

Lines have measured energies, their natural (Lorentzian) width, and weaker K-beta lines than the fit's table.
"""

from functools import lru_cache

import numpy as np

from xsn_acq.config.structured import Vortex
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.fluorescence import FluorescenceLine, k_lines
from xsn_acq.optics.silicon_drift import Response, line_shape

_MEASURED_EV = {
    "Mn": (5898.75, 5887.65, 6490.45),
    "Fe": (6403.84, 6390.84, 7057.98),
    "Co": (6930.32, 6915.30, 7649.43),
    "Ni": (7478.15, 7460.89, 8264.66),
    "Cu": (8047.78, 8027.83, 8905.29),
}
"""K-alpha 1, K-alpha 2 and K-beta 1,3: X-ray Data Booklet, table 1-2 (after Bearden, 1967)."""
_KB_WEAKER = 0.95
"""Measured K-beta to K-alpha over the tables': Ertugral et al., Radiat. Phys. Chem. 76, 15 (2007)."""
GROUPS = ("Ka", "Kb")
_QUANTILES = (np.arange(12) + 0.5) / 12
_COMPTON_FWHM_EV = 190.0
"""Of the electrons' momenta in carbon and oxygen, at 9 keV and 90 degrees."""


def bin_edges_ev(vortex: Vortex, gain_error: float, zero_ev: float) -> FloatArray:
    """Return the true energies between which the bins lie, (bins + 1,)."""
    nominal = vortex.zero_ev + vortex.ev_per_bin * np.arange(vortex.bins + 1)
    return (nominal - zero_ev) / (1 + gain_error)


@lru_cache(maxsize=64)
def true_lines(element: str) -> tuple[FluorescenceLine, ...]:
    """Return an element's K lines; the shares add up to 1."""
    known = k_lines(element)
    measured = dict(zip(("Ka1", "Ka2", "Kb"), _MEASURED_EV.get(element, ()), strict=False))
    weights = [line.share * (_KB_WEAKER if line.name.startswith("Kb") else 1.0) for line in known]
    lines = []
    for line, weight in zip(known, weights, strict=True):
        name = "Kb" if line.name in ("Kb1", "Kb3") else line.name
        energy_ev = measured.get(name, line.energy_ev)
        lines.append(FluorescenceLine(line.name, energy_ev, line.width_ev, weight / sum(weights)))
    return tuple(lines)


def _group(element: str, group: str) -> list[FluorescenceLine]:
    return [line for line in true_lines(element) if line.name.startswith(group)]


def group_share(element: str, group: str) -> float:
    """Return the part of an element's K photons in the K-alpha or K-beta lines."""
    return sum(line.share for line in _group(element, group))


def mean_energy_ev(element: str, group: str) -> float:
    """Return the mean energy of an element's K-alpha or K-beta lines; of all where there are none."""
    lines = _group(element, group) or true_lines(element)
    return float(np.average([line.energy_ev for line in lines], weights=[line.share for line in lines]))


def element_shape(edges_ev: FloatArray, element: str, weights: FloatArray, response: Response) -> FloatArray:
    """Return counts in each bin of an element of one count; ``weights`` of its K-alpha and K-beta lines."""
    shape = np.zeros(edges_ev.size - 1)
    for group, weight in zip(GROUPS, weights / np.sum(weights), strict=True):
        whole = group_share(element, group)
        for line in _group(element, group):
            shape += weight * line.share / whole * _natural(edges_ev, line, response)
    return shape


def _natural(edges_ev: FloatArray, line: FluorescenceLine, response: Response) -> FloatArray:
    """Return a line of natural width: the mean over equally likely energies of a Lorentzian."""
    energies = line.energy_ev + 0.5 * line.width_ev * np.tan(np.pi * (_QUANTILES - 0.5))
    return np.asarray(np.mean([line_shape(edges_ev, energy, response) for energy in energies], axis=0))


def scatter_shape(edges_ev: FloatArray, energy_ev: float, response: Response, *, compton: bool) -> FloatArray:
    """Return counts in each bin of scattered light of one count; Compton's is broad."""
    if not compton:
        return line_shape(edges_ev, energy_ev, response)
    spread = _COMPTON_FWHM_EV / 2 * np.tan(np.pi / 2 * (2 * _QUANTILES - 1) * 0.8)
    return np.asarray(
        np.mean([line_shape(edges_ev, energy_ev + shift, response) for shift in spread], axis=0)
    )


def continuum(edges_ev: FloatArray, energy_ev: float) -> FloatArray:
    """Return counts in each bin of a continuous background of one count, up to the energy of the light."""
    centres = 0.5 * (edges_ev[1:] + edges_ev[:-1])
    rising = np.exp((centres - energy_ev) / 1500.0) + 0.6 * np.exp(-centres / 2500.0) + 0.05
    cut = 1 / (1 + np.exp((centres - energy_ev) / 60.0))
    low = 1 / (1 + np.exp((700.0 - centres) / 100.0))
    shape = rising * cut * low
    return np.asarray(shape / shape.sum())
