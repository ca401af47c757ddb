"""Refractive index of materials, n = 1 - delta + i beta."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from xsn_acq.errors import ConfigError


@dataclass(frozen=True)
class OpticalConstants:
    """Decrement and absorption index of a material at one energy; n = 1 - delta + i beta, no unit."""

    delta: float
    beta: float


@lru_cache(maxsize=4096)
def optical_constants(formula: str, density_g_cm3: float, energy_ev: float) -> OpticalConstants:
    """Refractive index of a compound from the tables of Chantler (xraydb).

    delta - i beta = r_e lambda^2 / (2 pi) * sum_i n_i (f1 - i f2)_i, with n_i the number density of the atoms
    (Chantler, J. Phys. Chem. Ref. Data 29, 597 (2000), doi:10.1063/1.1321055).

    Parameters
    ----------
    formula : str
        For instance ``"SiO2"`` or ``"LiNi0.6Mn0.2Co0.2O2"``.
    density_g_cm3 : float
        Mass density.
    energy_ev : float
        Photon energy.

    Returns
    -------
    OpticalConstants

    Raises
    ------
    ConfigError
        The formula is not one, or density or energy is not positive.

    Examples
    --------
    >>> f"{optical_constants('Cu', 8.96, 8300.0).delta:.1e}"
    '2.3e-05'
    """
    import xraydb

    what = f"material {formula!r}"
    if not density_g_cm3 > 0 or not energy_ev > 0:
        raise ConfigError(
            what, [f"density {density_g_cm3} g/cm3 and energy {energy_ev} eV must both be above 0"]
        )
    try:
        delta, beta, _ = xraydb.xray_delta_beta(formula, density_g_cm3, energy_ev)
    except (ValueError, KeyError) as error:
        raise ConfigError(what, [f"not a chemical formula: {error}"]) from error
    return OpticalConstants(float(delta), float(beta))


def formula_of(atoms: Mapping[str, float]) -> str:
    """Write atoms of each element as a chemical formula.

    >>> formula_of({"Li": 1, "Ni": 0.6, "Co": 0.4, "O": 2})
    'LiNi0.6Co0.4O2'
    """
    return "".join(f"{element}{'' if n == 1 else f'{n:.9g}'}" for element, n in atoms.items() if n)


def molar_mass_g(atoms: Mapping[str, float]) -> float:
    """Mass of one mole of atoms or formula units, grams.

    Parameters
    ----------
    atoms : mapping of element to number of atoms

    Raises
    ------
    ConfigError
        An element is unknown.

    Examples
    --------
    >>> round(molar_mass_g({"H": 2, "O": 1}), 2)
    18.01
    """
    import xraydb

    try:
        return float(sum(n * xraydb.atomic_mass(element) for element, n in atoms.items()))
    except (ValueError, KeyError, AttributeError) as error:
        raise ConfigError(f"elements {', '.join(atoms)}", ["wanted symbols of elements, as Ni"]) from error
