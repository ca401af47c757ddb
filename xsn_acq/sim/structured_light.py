"""Structured light at the sample: two sheets of sandpaper before a capillary condenser that demagnifies them.

The beam meets the coarse sheet, then the fine one; the condenser images a plane behind both onto the sample,
``demagnification`` times smaller and inverted. Lengths before the condenser are larger by that factor.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, special

from xsn_acq.optics.arrays import ComplexArray
from xsn_acq.optics.materials import optical_constants
from xsn_acq.sim.pooling import Array
from xsn_acq.sim.sandpaper import Sandpaper
from xsn_acq.units import MM, NM, UM, wavelength_m

_GRAIN_FORMULA, _GRAIN_DENSITY = "SiC", 3.21
_FIELD_HALF_UM = 6.4
"""Half of the field over which the bare light has the mean 1 when all is aligned."""
_GUARD_UM = 1.0
"""Light is worked out so far beyond what is asked, at the sample: what wraps around does not show."""


@dataclass(frozen=True)
class LightTruth:
    """What the beamline file does not know of the light.

    Parameters
    ----------
    demagnification : float
        Of the condenser, from the plane it images to the sample.
    coarse_to_fine_m, fine_to_plane_m : float
        Along the beam, from sheet to sheet and to the plane that the condenser images.
    coarse_coverage, fine_coverage : float
        Mean number of grains that a ray meets in each sheet.
    source_x_um, source_y_um, source_distance_m : float
        Standard deviations of the source and how far upstream it is: its shadow blurs the pattern.
    condenser_blur_nm : float
        Point spread of the condenser at the sample, standard deviation.
    condenser_na : float
        Numerical aperture of the hollow cone: out of focus a point becomes a ring.
    condenser_focus_um : float
        The image is so far downstream of the sample when the sample is at its ``z`` = 0.
    spot_sigma_um, spot_hollow, hollow_sigma_um : float
        Outline of the light: a Gaussian with a weaker middle, the shadow of the central stop.
    tilt_slope_per_urad_um : float
        The outline's logarithm slopes so much for each microradian of pitch or yaw.
    tilt_shift_um_per_urad : float
        The pattern moves so much for each microradian.
    pinhole_edge_um : float
        Softness of the pinhole's shadow.
    step_um : float
        Grid of the waves, at the sample. Grains scatter a little to larger angles than it carries: against
        0.0125 um the pattern differs by a sixth of its contrast, its statistics do not.
    seed : int
        Of both sheets.
    """

    demagnification: float = 30.0
    coarse_to_fine_m: float = 0.15
    fine_to_plane_m: float = 0.15
    coarse_coverage: float = 0.8
    fine_coverage: float = 1.0
    source_x_um: float = 60.0
    source_y_um: float = 30.0
    source_distance_m: float = 15.0
    condenser_blur_nm: float = 40.0
    condenser_na: float = 2.2e-3
    condenser_focus_um: float = 0.0
    spot_sigma_um: float = 7.0
    spot_hollow: float = 0.25
    hollow_sigma_um: float = 2.5
    tilt_slope_per_urad_um: float = 5e-5
    tilt_shift_um_per_urad: float = 1e-3
    pinhole_edge_um: float = 0.8
    step_um: float = 0.04
    seed: int = 20261102


@dataclass(frozen=True)
class LightPlaces:
    """Where the parts are that shape the light, and the photon energy; aligned where all is 0."""

    energy_ev: float
    coarse_x_mm: float = 0.0
    coarse_y_mm: float = 0.0
    fine_x_mm: float = 0.0
    fine_y_mm: float = 0.0
    condenser_x_um: float = 0.0
    condenser_y_um: float = 0.0
    condenser_pitch_urad: float = 0.0
    condenser_yaw_urad: float = 0.0
    pinhole_x_um: float = 0.0
    pinhole_y_um: float = 0.0
    sample_z_um: float = 0.0


@dataclass(frozen=True)
class StructuredLight:
    """The light of one beamline.

    Parameters
    ----------
    coarse_grain_um, fine_grain_um : float
        Mean diameter of each sheet's grains.
    pinhole_diameter_um : float
        Of its shadow at the sample.
    truth : LightTruth
    """

    coarse_grain_um: float
    fine_grain_um: float
    pinhole_diameter_um: float
    truth: LightTruth = LightTruth()

    @cached_property
    def coarse(self) -> Sandpaper:
        """The first sheet."""
        return Sandpaper(self.coarse_grain_um, self.truth.coarse_coverage, self.truth.seed)

    @cached_property
    def fine(self) -> Sandpaper:
        """The second sheet."""
        return Sandpaper(self.fine_grain_um, self.truth.fine_coverage, self.truth.seed + 1)

    def illumination(self, places: LightPlaces, x_um: Array, y_um: Array) -> NDArray[np.float32]:
        """Light at the sample in photons per second and area, over its mean in the aligned field.

        Parameters
        ----------
        places : LightPlaces
        x_um, y_um : array (nx,), (ny,)
            Positions in the sample's plane about the optical axis, evenly rising, two or more of each.

        Returns
        -------
        float32 (ny, nx)
        """
        light = self.speckle(places, x_um, y_um)
        light *= self.outline(places, x_um, y_um)
        light *= self._pinhole(places, x_um, y_um)
        return light

    def speckle(self, places: LightPlaces, x_um: Array, y_um: Array) -> NDArray[np.float32]:
        """Pattern (ny, nx) of the sheets, of mean 1 over many places; positions as in `illumination`."""
        x, y = (_wave_axis(axis, self.truth.step_um) for axis in (x_um, y_um))
        field = self._field(places, x, y)
        spectrum = fft.rfft2(field.real**2 + field.imag**2)
        spectrum *= self._blur((y.size, x.size), places) / np.float32(self._mean_transmission(places))
        image = fft.irfft2(spectrum, (y.size, x.size), overwrite_x=True)
        return _sampled(image, x, y, np.asarray(x_um), np.asarray(y_um))

    def outline(self, places: LightPlaces, x_um: Array, y_um: Array) -> NDArray[np.float32]:
        """Light (ny, nx) without sandpaper and pinhole: a hollow spot that goes with the condenser."""
        truth = self.truth
        x, y = np.asarray(x_um) - places.condenser_x_um, np.asarray(y_um) - places.condenser_y_um
        slope_x = truth.tilt_slope_per_urad_um * places.condenser_yaw_urad
        slope_y = truth.tilt_slope_per_urad_um * places.condenser_pitch_urad
        spot = np.multiply.outer(_bell(y, truth.spot_sigma_um), _bell(x, truth.spot_sigma_um))
        stop = np.multiply.outer(_bell(y, truth.hollow_sigma_um), _bell(x, truth.hollow_sigma_um))
        leaning = np.multiply.outer(np.exp(np.clip(slope_y * y, -4, 4)), np.exp(np.clip(slope_x * x, -4, 4)))
        bare: Array = spot * (1 - truth.spot_hollow * stop) * leaning / _mean_outline(truth)
        return bare.astype(np.float32)

    def _pinhole(self, places: LightPlaces, x_um: Array, y_um: Array) -> Array:
        x, y = np.asarray(x_um) - places.pinhole_x_um, np.asarray(y_um) - places.pinhole_y_um
        inside = 0.5 * self.pinhole_diameter_um - np.hypot(x, y[:, None])
        passed: Array = special.expit(2 * inside / self.truth.pinhole_edge_um).astype(np.float32)
        return passed

    def _field(self, places: LightPlaces, x_um: Array, y_um: Array) -> ComplexArray:
        """Wave (ny, nx) in the plane that the condenser images, as it arrives at the sample: inverted."""
        truth = self.truth
        shape = (y_um.size, x_um.size)
        step_m = truth.step_um * truth.demagnification * UM
        x = self._before(x_um, places.condenser_x_um, places.condenser_yaw_urad)
        y = self._before(y_um, places.condenser_y_um, places.condenser_pitch_urad)
        coarse = self.coarse.thickness_m(x - places.coarse_x_mm * MM / UM, y - places.coarse_y_mm * MM / UM)
        fine = self.fine.thickness_m(x - places.fine_x_mm * MM / UM, y - places.fine_y_mm * MM / UM)
        field = _transmission(coarse, places.energy_ev)
        field = _propagated(field, _propagator(shape, step_m, places.energy_ev, truth.coarse_to_fine_m))
        field *= _transmission(fine, places.energy_ev)
        field = _propagated(field, _propagator(shape, step_m, places.energy_ev, truth.fine_to_plane_m))
        return field[::-1, ::-1]

    def _before(self, at_um: Array, condenser_um: float, tilt_urad: float) -> Array:
        """Places before the condenser seen at the sample, rising: x_o = (1 + D) x_condenser - D x."""
        times = self.truth.demagnification
        at = at_um[::-1] - self.truth.tilt_shift_um_per_urad * tilt_urad
        places: Array = (1 + times) * condenser_um - times * at
        return places

    def _mean_transmission(self, places: LightPlaces) -> float:
        """Light that the sheets let through, on average."""
        k = 2 * math.pi / wavelength_m(places.energy_ev)
        beta = optical_constants(_GRAIN_FORMULA, _GRAIN_DENSITY, places.energy_ev).beta
        return math.exp(-2 * k * beta * (self.coarse.mean_thickness_m + self.fine.mean_thickness_m))

    def _blur(self, shape: tuple[int, int], places: LightPlaces) -> Array:
        """Transfer of condenser and source; the source's shadow is that of the sheet further away."""
        truth = self.truth
        lever = (truth.coarse_to_fine_m + truth.fine_to_plane_m) / truth.source_distance_m
        source_x, source_y = (
            size * lever / truth.demagnification for size in (truth.source_x_um, truth.source_y_um)
        )
        condenser = truth.condenser_blur_nm * NM / UM
        ring = truth.condenser_na * abs(truth.condenser_focus_um - places.sample_z_um)
        return _transfer(
            shape, truth.step_um, math.hypot(source_x, condenser), math.hypot(source_y, condenser), ring
        )


def _transmission(thickness_m: NDArray[np.float32], energy_ev: float) -> ComplexArray:
    """Transmission exp(-k (beta + i delta) t) of grains."""
    constants = optical_constants(_GRAIN_FORMULA, _GRAIN_DENSITY, energy_ev)
    k = 2 * math.pi / wavelength_m(energy_ev)
    amplitude = np.exp(np.float32(-k * constants.beta) * thickness_m)
    phase = np.float32(-k * constants.delta) * thickness_m
    field = np.empty(thickness_m.shape, np.complex64)
    np.multiply(amplitude, np.cos(phase), out=field.real)
    np.multiply(amplitude, np.sin(phase), out=field.imag)
    return field


def _bell(axis_um: Array, sigma_um: float) -> Array:
    return np.exp(-0.5 * (axis_um / sigma_um) ** 2)


@lru_cache(maxsize=8)
def _mean_outline(truth: LightTruth) -> float:
    """Mean of the bare outline over the field, all aligned: products of error functions."""
    both = (1 / truth.spot_sigma_um**2 + 1 / truth.hollow_sigma_um**2) ** -0.5
    return _mean_bell(truth.spot_sigma_um) ** 2 - truth.spot_hollow * _mean_bell(both) ** 2


def _mean_bell(sigma_um: float) -> float:
    """Mean of exp(-x^2 / 2 sigma^2) over the field along one axis."""
    area = math.sqrt(math.pi / 2) * sigma_um * math.erf(_FIELD_HALF_UM / (math.sqrt(2) * sigma_um))
    return area / _FIELD_HALF_UM


def _wave_axis(axis_um: Array, step_um: float) -> Array:
    """Grid of the waves around an axis: multiples of the step, so that it is the same for every region."""
    first = math.floor((float(axis_um[0]) - _GUARD_UM) / step_um)
    last = math.ceil((float(axis_um[-1]) + _GUARD_UM) / step_um)
    count = fft.next_fast_len(last - first + 1, real=True)
    wave: Array = step_um * (first - (count - 1 - (last - first)) // 2 + np.arange(count))
    return wave


def _sampled(image: Array, x: Array, y: Array, x_um: Array, y_um: Array) -> NDArray[np.float32]:
    """Image on another grid, by cubic splines."""
    step, steps = x[1] - x[0], (y_um[1] - y_um[0], x_um[1] - x_um[0])
    start = [(y_um[0] - y[0]) / step, (x_um[0] - x[0]) / step]
    shape = (y_um.size, x_um.size)
    matrix = [float(s / step) for s in steps]
    sampled = ndimage.affine_transform(image, matrix, start, shape, np.float32, order=3, mode="nearest")
    return np.maximum(sampled, 0, out=sampled)


def _propagated(field: ComplexArray, propagator: ComplexArray) -> ComplexArray:
    spectrum = fft.fft2(field, overwrite_x=True)
    spectrum *= propagator
    return np.asarray(fft.ifft2(spectrum, overwrite_x=True))


@lru_cache(maxsize=8)
def _propagator(shape: tuple[int, int], step_m: float, energy_ev: float, distance_m: float) -> ComplexArray:
    """Fresnel's exp(-i pi lambda z k^2), complex64 (ny, nx)."""
    v, u = fft.fftfreq(shape[0], step_m)[:, None], fft.fftfreq(shape[1], step_m)
    return np.exp(-1j * math.pi * wavelength_m(energy_ev) * distance_m * (u**2 + v**2)).astype(np.complex64)


@lru_cache(maxsize=8)
def _transfer(
    shape: tuple[int, int], step_um: float, sigma_x_um: float, sigma_y_um: float, ring_um: float
) -> Array:
    """Transfer of a Gaussian and of a ring of some radius, float32 (ny, nx // 2 + 1)."""
    v, u = fft.fftfreq(shape[0], step_um)[:, None], fft.rfftfreq(shape[1], step_um)
    gauss = np.exp(-2 * math.pi**2 * ((sigma_x_um * u) ** 2 + (sigma_y_um * v) ** 2))
    blurred: Array = (gauss * special.j0(2 * math.pi * ring_um * np.hypot(u, v))).astype(np.float32)
    return blurred
