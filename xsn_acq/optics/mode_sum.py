r"""The image as a plain sum over illumination modes, for what the exact fast form cannot do: defocus.

Out of focus the pupil carries the phase exp(-i pi lambda d |u|^2) at the pupil frequency u = k + k_j, so
that each mode's image is sheared by lambda d k_j. One FFT along x per mode; along y the defocus is common to
all of them.
"""

import numpy as np
import scipy.fft

from xsn_acq.optics.arrays import ComplexArray, FloatArray
from xsn_acq.optics.schlieren import Schlieren


def mode_sum_intensity(
    transmission: ComplexArray,
    optics: Schlieren,
    *,
    defocus_m: float,
    wavelength_m: float,
    n_modes: int | None = None,
) -> FloatArray:
    """Image of one object, in or out of focus.

    Parameters
    ----------
    transmission : complex (ny, nx)
    optics : Schlieren
    defocus_m : float
        Distance between the object and the plane in focus, metres.
    wavelength_m : float
        Metres.
    n_modes : int, optional
        Number of illumination modes. Left out: one or more for each frequency bin, so that neighbouring
        modes are sheared by less than half a pixel; in focus the sum is then exact.

    Returns
    -------
    real (ny, nx), background ``optics.background`` where t = 1
    """
    modes, weights = illumination_modes(optics, abs(wavelength_m * defocus_m), n_modes)
    v, u = optics.frequencies_per_m
    curvature = np.pi * wavelength_m * defocus_m
    propagated = optics.within(optics.aperture_per_m) * np.exp(-1j * curvature * (v[:, None] ** 2 + u**2))
    spectrum = scipy.fft.fft2(np.asarray(transmission).astype(optics.complex, copy=False))
    rows = scipy.fft.ifft(spectrum * propagated.astype(optics.complex), axis=0, overwrite_x=True)
    image: FloatArray = np.zeros(optics.shape, optics.real)
    for mode, weight in zip(modes, weights, strict=True):
        shifted = u + mode
        passes = (
            shifted >= optics.cutoff_per_m if optics.passes == "positive" else shifted <= optics.cutoff_per_m
        )
        shear = np.where(passes, np.exp(-2j * curvature * u * mode), 0).astype(optics.complex)
        field = scipy.fft.ifft(rows * shear, overwrite_x=True)
        image += optics.real.type(weight) * (field.real**2 + field.imag**2)
    return image


def illumination_modes(
    optics: Schlieren, shear_m2: float = 0.0, n_modes: int | None = None
) -> tuple[FloatArray, FloatArray]:
    """Modes (n,), cycles per metre, and their weights (n,), sum 1: cells of the knife-edge curve, -dS each.

    The cells end where a mode's cut falls on a frequency bin, so that all light within one cell passes the
    same bins.

    Parameters
    ----------
    optics : Schlieren
    shear_m2 : float
        |wavelength * defocus|: modes closer than half a pixel of shear are not told apart.
    n_modes : int, optional
        Asked number of modes; fewer than the bins gives even cells.
    """
    low, high = optics.knife_edge.support_per_m
    bins = np.sort(optics.cutoff_per_m - optics.frequencies_per_m[1])
    edges = np.unique(np.concatenate([[low], bins[(bins > low) & (bins < high)], [high]]))
    if n_modes is not None and n_modes < edges.size - 1:
        edges = np.linspace(low, high, n_modes + 1)
    else:
        wanted = n_modes or int(np.ceil((high - low) * 2 * shear_m2 / optics.pixel_size_m))
        edges = _subdivided(edges, max(1, round(wanted / (edges.size - 1))))
    weights = -np.diff(optics.knife_edge(edges))
    keep = weights > 0
    return 0.5 * (edges[1:] + edges[:-1])[keep], weights[keep]


def _subdivided(edges: FloatArray, parts: int) -> FloatArray:
    """Each cell cut into ``parts`` equal ones."""
    steps = np.arange(parts) / parts
    return np.append((edges[:-1, None] + np.diff(edges)[:, None] * steps).ravel(), edges[-1])
