"""What the camera sees of a sample in structured light: the same zone plate, without the cutoff filter."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

from xsn_acq.optics import zone_plate
from xsn_acq.optics.detector import gaussian_mtf
from xsn_acq.sim.pooling import Array, pooled
from xsn_acq.sim.sample import Phantom
from xsn_acq.units import UM, wavelength_m

_MARGIN_UM = 0.6
"""Light from beyond the frame's border that the blur brings in."""
_FINE_UM = 0.03
"""Grid of the light and the sample: pixels are divided until they are no larger."""


@dataclass(frozen=True)
class TransmissionOptics:
    """Zone plate, scintillator and camera.

    Parameters
    ----------
    energy_ev : float
    zone_width_m : float
        Outermost zone: its aperture is lambda / (2 dr).
    psf_fwhm_um : float
        Scintillator and lens at the sample, the core of their blur.
    photons_per_um2_s : float
        Detected photons where the illumination is 1 and there is no sample.
    defocus_um : float
        Sample to plane in focus.
    tail, tail_ratio : float
        Fraction of the light in the scintillator's halo, and the halo's width over the core's.
    """

    energy_ev: float
    zone_width_m: float
    psf_fwhm_um: float
    photons_per_um2_s: float
    defocus_um: float = 0.0
    tail: float = 0.02
    tail_ratio: float = 5.0


Illumination = Callable[[Array, Array], Array]
"""Light at places x (nx,), y (ny,) of the sample's plane, micrometres: (ny, nx), mean about 1."""


def structured_image(
    optics: TransmissionOptics,
    illumination: Illumination,
    phantom: Phantom | None,
    x_um: Array,
    y_um: Array,
    exposure_s: float,
    *,
    theta_deg: float = 0.0,
    sample_um: tuple[float, float] = (0.0, 0.0),
    displaced_um: tuple[float, float] = (0.0, 0.0),
) -> NDArray[np.float32]:
    """Expected photons in each pixel.

    Illumination times the sample's transmission, blurred. The condenser's cone fills the zone plate, so that
    the image is that of an incoherent object: phase does not show.

    Parameters
    ----------
    optics : TransmissionOptics
    illumination : callable
        See `Illumination`; it is asked for a finer grid than the camera's.
    phantom : Phantom or None
        None: the sample is out.
    x_um, y_um : array (nx,), (ny,)
        Centres of the camera's pixels about the optical axis, evenly rising, one step for both, two or more.
    exposure_s : float
    theta_deg : float
        Angle of the rotation stage.
    sample_um : (x, y)
        Where the rotation axis and the sample's origin are.
    displaced_um : (x, y)
        The whole pattern stands so far off from where its motors say.

    Returns
    -------
    float32 (ny, nx)
    """
    pixel = float(x_um[1] - x_um[0])
    parts = max(1, int(np.ceil(pixel / _FINE_UM)))
    (x, left), (y, top) = (_fine(axis, pixel, parts) for axis in (x_um, y_um))
    light = illumination(x - displaced_um[0], y - displaced_um[1])
    if phantom is not None:
        light = light * transmission(phantom, optics.energy_ev, theta_deg, x - sample_um[0], y - sample_um[1])
    blurred = fft.irfft2(fft.rfft2(light) * _transfer(optics, light.shape, pixel / parts), light.shape)
    rows, columns = parts * y_um.size, parts * x_um.size
    image = pooled(blurred[top : top + rows, left : left + columns], parts)
    photons = image * np.float32(optics.photons_per_um2_s * exposure_s * pixel**2)
    return np.maximum(photons, 0).astype(np.float32)


def transmission(
    phantom: Phantom, energy_ev: float, theta_deg: float, x_um: Array, y_um: Array
) -> NDArray[np.float32]:
    """Part of the light that a sample lets through, exp(-2 k beta t), (ny, nx), 0 to 1."""
    _, beta = phantom.projection(energy_ev, theta_deg, x_um, y_um)
    return np.exp(np.float32(-4 * np.pi / wavelength_m(energy_ev)) * beta)


def _fine(axis_um: Array, pixel_um: float, parts: int) -> tuple[Array, int]:
    """Centres of the parts of an axis' pixels with margins on both sides; parts in the first margin."""
    step = pixel_um / parts
    margin = int(np.ceil(_MARGIN_UM / step))
    count = fft.next_fast_len(axis_um.size * parts + 2 * margin, real=True)
    first = float(axis_um[0]) - 0.5 * pixel_um + (0.5 - margin) * step
    return first + step * np.arange(count), margin


@lru_cache(maxsize=8)
def _transfer(optics: TransmissionOptics, shape: tuple[int, int], step_um: float) -> Array:
    """Transfer of zone plate and scintillator, float32 (ny, nx // 2 + 1)."""
    k = np.hypot(fft.fftfreq(shape[0], step_um * UM)[:, None], fft.rfftfreq(shape[1], step_um * UM))
    aperture = zone_plate.numerical_aperture(optics.energy_ev, optics.zone_width_m)
    fwhm = optics.psf_fwhm_um * UM
    core, halo = gaussian_mtf(k, fwhm), gaussian_mtf(k, fwhm * optics.tail_ratio)
    camera = (1 - optics.tail) * core + optics.tail * halo
    out_of_focus = _disc(2 * np.pi * aperture * abs(optics.defocus_um) * UM * k)
    lens = _overlap(k * wavelength_m(optics.energy_ev) / (2 * aperture))
    return np.asarray(camera * out_of_focus * lens, np.float32)


def _overlap(u: Array) -> Array:
    """Autocorrelation of a disc, 1 at 0 and 0 from u = 1 on: the transfer of a round aperture."""
    inside = np.minimum(u, 1.0)
    overlap: Array = 2 / np.pi * (np.arccos(inside) - inside * np.sqrt(1 - inside**2))
    return overlap


def _disc(argument: Array) -> Array:
    """2 J1(x) / x: the transfer of a disc."""
    some = np.maximum(argument, 1e-9)
    transfer: Array = 2 * special.j1(some) / some
    return transfer
