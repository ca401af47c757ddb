"""Zone plate as a lens: focal length, where it must stand, how much it magnifies; each with its inverse.

First order: f = D dr / lambda, NA = lambda / (2 dr), 1/f = 1/p + 1/q with p + q = L from the object to the
image, M = q / p (Attwood, Soft X-Rays and Extreme Ultraviolet Radiation, section 9.3). All in metres.
"""

import math

from xsn_acq.units import energy_ev, wavelength_m


def numerical_aperture(energy: float, zone_width_m: float) -> float:
    """NA = lambda / (2 dr) at a photon energy in eV, with the width of the outermost zone."""
    return wavelength_m(energy) / (2 * zone_width_m)


def focal_length_m(energy: float, diameter_m: float, zone_width_m: float) -> float:
    """Focal length D dr / lambda at a photon energy in eV: proportional to it.

    >>> round(1e3 * focal_length_m(8333.0, 300e-6, 30e-9), 2)
    60.49
    """
    return diameter_m * zone_width_m / wavelength_m(energy)


def energy_in_focus_ev(focal_m: float, diameter_m: float, zone_width_m: float) -> float:
    """Photon energy at which the focal length is ``focal_m``; the inverse of `focal_length_m`.

    >>> round(energy_in_focus_ev(focal_length_m(8333.0, 300e-6, 30e-9), 300e-6, 30e-9), 6)
    8333.0
    """
    return energy_ev(diameter_m * zone_width_m / focal_m)


def object_distance_m(focal_m: float, length_m: float) -> float:
    """Object to zone plate in focus, the shorter root of p (L - p) = f L: the magnified image.

    Raises
    ------
    ValueError
        L is under four focal lengths: no image forms.
    """
    if length_m < 4 * focal_m:
        wanted = f"wanted four focal lengths, {4 * focal_m:.4g} m, or more"
        raise ValueError(f"object to image: {wanted}, found {length_m:.4g} m")
    return 0.5 * (length_m - math.sqrt(length_m**2 - 4 * length_m * focal_m))


def focal_length_of_distance_m(object_m: float, length_m: float) -> float:
    """Focal length with which an object at ``object_m`` is in focus; the inverse of `object_distance_m`.

    >>> round(focal_length_of_distance_m(object_distance_m(0.06, 1.11), 1.11), 12)
    0.06
    """
    return object_m * (length_m - object_m) / length_m


def magnification(object_m: float, length_m: float) -> float:
    """M = (L - p) / p."""
    return (length_m - object_m) / object_m


def object_distance_of_magnification_m(magnified: float, length_m: float) -> float:
    """Object distance L / (M + 1); the inverse of `magnification`.

    >>> round(magnification(object_distance_of_magnification_m(15.0, 1.11), 1.11), 12)
    15.0
    """
    return length_m / (magnified + 1)


def depth_of_focus_m(energy: float, zone_width_m: float) -> float:
    """Lambda / NA^2 = 4 dr^2 / lambda at a photon energy in eV."""
    return wavelength_m(energy) / numerical_aperture(energy, zone_width_m) ** 2
