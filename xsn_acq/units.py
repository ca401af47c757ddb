"""Physical constants and unit conversions; SI unless the name says otherwise."""

from typing import Final

HC_EV_M: Final = 1.239841984e-6
"""Planck constant times speed of light, eV m (CODATA 2018)."""

UM: Final = 1e-6
NM: Final = 1e-9
MM: Final = 1e-3

EPICS_EPOCH_S: Final = 631_152_000
"""Unix time of 1990-01-01 00:00 UTC, where EPICS time starts, seconds."""


def wavelength_m(energy_ev: float) -> float:
    """Wavelength in metres of a photon of ``energy_ev`` electronvolts: lambda = h c / E.

    >>> round(wavelength_m(8333.0) * 1e12, 2)
    148.79
    """
    return HC_EV_M / energy_ev


def energy_ev(wavelength_m: float) -> float:
    """Energy in electronvolts of a photon of ``wavelength_m`` metres: E = h c / lambda.

    >>> round(energy_ev(wavelength_m(8333.0)), 6)
    8333.0
    """
    return HC_EV_M / wavelength_m
