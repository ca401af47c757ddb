r"""Fluorescence of the K shell: its lines, how many of them light makes, and what absorbs them on their way.

Of the light of energy E that an element absorbs, the part 1 - 1/J leaves a hole in the K shell (J the jump of
the absorption at the edge); the part omega of the holes sends a photon, divided among the lines by their
shares:

.. math:: \sigma_l = \mu_{photo}(E) (1 - 1/J) \omega s_l

Values are those of Elam, Ravel and Sieber, Radiat. Phys. Chem. 63, 121 (2002), by xraydb. Lines of other
shells are not made: those of the elements from Ca to Zn lie below 1.1 keV.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.errors import ConfigError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.edges import edge_energy_ev

_ELECTRON_EV = 510_998.95
_WEAKEST = 1e-4
"""Lines of a smaller share are left out."""

LOWEST_FITTED_EV = 4600.0
"""Spectra are fitted from here on: lines below are not told from scattered light and each other."""

AIR = {"N": 0.755, "O": 0.232, "Ar": 0.013}
"""Dry air, parts by mass."""
AIR_G_CM3 = 1.205e-3
"""At 20 degrees and 1013 hPa."""


@dataclass(frozen=True)
class FluorescenceLine:
    """A line: its Siegbahn name, energy, natural width (FWHM), and share of its shell's photons."""

    name: str
    energy_ev: float
    width_ev: float
    share: float


@lru_cache(maxsize=128)
def k_lines(element: str) -> tuple[FluorescenceLine, ...]:
    """Lines of an element's K shell by falling share; the shares add up to 1.

    Raises
    ------
    ConfigError
        There is no such element, or it has no K lines.

    Examples
    --------
    >>> [(line.name, line.energy_ev) for line in k_lines("Ni")[:2]]
    [('Ka1', 7480.3), ('Ka2', 7463.0)]
    """
    import xraydb

    edge_energy_ev(element, "K")
    found = xraydb.xray_lines(element, "K").items()
    kept = [(name, line) for name, line in found if line.intensity >= _WEAKEST]
    if not kept:
        raise ConfigError(f"element {element}", ["wanted lines of the K shell, found none; it is too light"])
    whole = sum(line.intensity for _, line in kept)
    lines = [
        FluorescenceLine(
            name, float(line.energy), _width_ev(element, line.final_level), float(line.intensity / whole)
        )
        for name, line in kept
    ]
    return tuple(sorted(lines, key=lambda line: -line.share))


def _width_ev(element: str, outer: str) -> float:
    """Natural width of a K line: those of both levels (Keski-Rahkonen and Krause, by xraydb)."""
    import xraydb

    levels = ["K", outer.split(",")[0]]
    widths = [xraydb.core_width(element, level) for level in levels]
    return float(sum(width for width in widths if width is not None))


def k_production_cm2_g(element: str, energy_ev: float) -> float:
    """K photons that light makes in an element: cross-section of all K lines together, cm2 per gram of it.

    Parameters
    ----------
    element : str
        Chemical symbol.
    energy_ev : float
        Of the exciting light; below the edge nothing is made.

    Raises
    ------
    ConfigError
        There is no such element.

    Examples
    --------
    >>> round(k_production_cm2_g("Ni", 9000.0)), k_production_cm2_g("Ni", 8000.0)
    (97, 0.0)
    """
    import xraydb

    if energy_ev <= edge_energy_ev(element, "K"):
        return 0.0
    edge = xraydb.xray_edge(element, "K")
    absorbed = float(xraydb.mu_elam(element, energy_ev, kind="photo"))
    return absorbed * (1 - 1 / float(edge.jump_ratio)) * float(edge.fyield)


def mass_attenuation_cm2_g(element: str, energy_ev: ArrayLike) -> FloatArray:
    """What an element takes away, by absorption and scattering, cm2/g, at each energy.

    Raises
    ------
    ConfigError
        There is no such element.
    """
    return _cross_section(element, energy_ev, "total")


def scattering_cm2_g(element: str, energy_ev: float) -> tuple[float, float]:
    """Cross-sections of elastic and of Compton scattering into all directions, cm2/g."""
    elastic, compton = (_cross_section(element, energy_ev, kind) for kind in ("coh", "incoh"))
    return float(elastic), float(compton)


def _cross_section(element: str, energy_ev: ArrayLike, kind: str) -> FloatArray:
    import xraydb

    edge_energy_ev(element, "K")  # refuses what is no element
    energies = np.asarray(energy_ev, float)
    return np.reshape(xraydb.mu_elam(element, np.atleast_1d(energies), kind=kind), energies.shape)


def transmission(parts: Mapping[str, float], mass_g_cm2: float, energy_ev: ArrayLike) -> FloatArray:
    """What a layer lets through, at each energy.

    Parameters
    ----------
    parts : mapping of element to part by mass
    mass_g_cm2 : float
        Of the layer: thickness times density.
    energy_ev : array_like

    Examples
    --------
    >>> bool(transmission(AIR, 3.0 * AIR_G_CM3, 5900.0) > 0.9)  # 3 cm of air
    True
    """
    attenuation = sum(part * mass_attenuation_cm2_g(element, energy_ev) for element, part in parts.items())
    return np.exp(-mass_g_cm2 * np.asarray(attenuation))


def compton_energy_ev(energy_ev: float, angle_deg: float) -> float:
    """Energy of light that free electrons at rest have scattered by an angle: E / (1 + E (1 - cos) / m c2).

    >>> round(compton_energy_ev(9000.0, 90.0))
    8844
    """
    return energy_ev / (1 + energy_ev / _ELECTRON_EV * (1 - float(np.cos(np.radians(angle_deg)))))
