"""Fixed-exit double-crystal monochromator: lambda = 2 d sin(theta)."""

import math

from xsn_acq.units import HC_EV_M

_ANGSTROM = 1e-10


def bragg_angle_deg(energy_ev: float, d_angstrom: float) -> float:
    """Bragg angle in degrees: asin(lambda / 2d).

    Raises
    ------
    ValueError
        The wavelength exceeds 2d: these crystals cannot reflect that energy.

    Examples
    --------
    >>> round(bragg_angle_deg(8333.0, 3.1356), 2)
    13.72
    """
    sine = HC_EV_M / energy_ev / (2 * d_angstrom * _ANGSTROM) if energy_ev > 0 else math.inf
    if sine > 1:
        lowest = HC_EV_M / (2 * d_angstrom * _ANGSTROM)
        raise ValueError(
            f"energy {energy_ev} eV: d = {d_angstrom} angstrom reflects only above {lowest:.0f} eV"
        )
    return math.degrees(math.asin(sine))


def energy_ev(bragg_deg: float, d_angstrom: float) -> float:
    """Photon energy in electronvolts at a Bragg angle: h c / (2 d sin(theta)).

    Raises
    ------
    ValueError
        The angle is not between 0 (excluded) and 90 degrees.
    """
    if not 0 < bragg_deg <= 90:
        raise ValueError(f"Bragg angle {bragg_deg} deg must be above 0 and at most 90 deg")
    return HC_EV_M / (2 * d_angstrom * _ANGSTROM * math.sin(math.radians(bragg_deg)))


def second_crystal_gap_mm(bragg_deg: float, offset_mm: float) -> float:
    """Gap between the crystals that keeps the exit beam at ``offset_mm``: offset / (2 cos(theta))."""
    return offset_mm / (2 * math.cos(math.radians(bragg_deg)))
