"""Planar undulator: energy of a harmonic from the gap, and back.

K = 0.934 B lambda_u exp(-c gap / lambda_u) (lambda_u in cm, B in T);
E_n [keV] = 0.9498 n E_ring^2 [GeV] / (lambda_u [cm] (1 + K^2 / 2)) on axis
(X-ray Data Booklet, section 2.1).
"""

import math

_K_PER_TESLA_CM = 0.934
_EV_CM_PER_GEV2 = 949.8


def deflection_k(gap_mm: float, period_mm: float, peak_field_t: float, decay: float) -> float:
    """Deflection parameter K at a gap.

    Parameters
    ----------
    gap_mm, period_mm : float
        Magnet gap and undulator period.
    peak_field_t : float
        Peak field on axis, extrapolated to gap zero.
    decay : float
        Field decay c in exp(-c gap / period), near pi.
    """
    return _K_PER_TESLA_CM * peak_field_t * period_mm / 10 * math.exp(-decay * gap_mm / period_mm)


def harmonic_energy_ev(k: float, harmonic: int, period_mm: float, ring_energy_gev: float) -> float:
    """Energy of a harmonic on axis, electronvolts, at deflection parameter ``k``."""
    return _EV_CM_PER_GEV2 * harmonic * ring_energy_gev**2 / (period_mm / 10 * (1 + k**2 / 2))


def gap_mm(
    energy_ev: float,
    harmonic: int,
    *,
    period_mm: float,
    peak_field_t: float,
    decay: float,
    ring_energy_gev: float,
) -> float:
    """Gap in millimetres at which a harmonic has ``energy_ev``; the inverse of :func:`harmonic_energy_ev`.

    Raises
    ------
    ValueError
        No gap gives that energy: it is above the harmonic's limit (K = 0) or needs more field than gap 0 has.

    Examples
    --------
    >>> site = dict(period_mm=20.0, peak_field_t=1.9, decay=3.2)
    >>> gap = gap_mm(8300.0, 3, ring_energy_gev=3.0, **site)
    >>> round(harmonic_energy_ev(deflection_k(gap, 20.0, 1.9, 3.2), 3, 20.0, 3.0), 3)
    8300.0
    """
    highest = harmonic_energy_ev(0.0, harmonic, period_mm, ring_energy_gev)
    k_squared = 2 * (highest / energy_ev - 1)
    strongest = deflection_k(0.0, period_mm, peak_field_t, decay)
    if not 0 < k_squared <= strongest**2:
        lowest = harmonic_energy_ev(strongest, harmonic, period_mm, ring_energy_gev)
        raise ValueError(
            f"harmonic {harmonic}: {energy_ev:.1f} eV is outside {lowest:.1f} to {highest:.1f} eV; "
            "use another harmonic"
        )
    return period_mm / decay * math.log(strongest / math.sqrt(k_squared))
