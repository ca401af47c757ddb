"""What the camera sees of a sample before a diffuser: near-field speckle.

The wave behind the sample goes to the diffuser, through it, and on to the scintillator, on a grid finer than
the camera's pixels; source, monochromator, scintillator and lens blur the intensity, and pixels add it up.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from xsn_acq.optics.arrays import ComplexArray
from xsn_acq.optics.detector import FWHM_PER_SIGMA
from xsn_acq.sim.pooling import Array, pooled
from xsn_acq.units import UM, wavelength_m

_LENGTH_PER_SIGMA = 2 * math.sqrt(math.pi)
"""exp(-2 pi x^2 / x_coh^2) is a Gaussian whose standard deviation is x_coh / (2 sqrt(pi))."""
_LEAST_GUARD_UM = 6.0
_TAILS_WIDE = 2.0
"""Light is followed so many widths of the halo beyond the camera's border."""
_PHASE_POWER, _ABSORPTION_POWER = -1, -3
"""With the photon energy, k delta falls as 1 / E and k beta as 1 / E^3 (no edge near)."""

Projected = Callable[[Array, Array], tuple[Array, Array]]
"""Integrals of delta and beta along the beam, metres, (ny, nx) each, at places x (nx,), y (ny,), micrometres.

It is asked for the fine grid, evenly rising, and for all of it: beyond the camera's border too.
"""


@dataclass(frozen=True)
class SpeckleOptics:
    """Where sample, diffuser and scintillator stand, and how the light and the detector blur.

    Parameters
    ----------
    energy_ev : float
    sample_to_diffuser_m, diffuser_to_scintillator_m : float
        Along the beam; the sample is one plane.
    blur_x_um, blur_y_um : float
        Blur of the intensity before the pixels, standard deviations: source, monochromator, scintillator and
        lens together. See `with_lengths`.
    tail, tail_um : float
        Fraction of the light in the scintillator's halo, and the halo's standard deviation.
    bandwidth : float
        Relative width of the light's band, FWHM; 0: one wavelength.
    step_um : float
        Pixels are divided until their parts are no larger.
    """

    energy_ev: float = 10_000.0
    sample_to_diffuser_m: float = 3e-3
    diffuser_to_scintillator_m: float = 20e-3
    blur_x_um: float = 0.9635
    blur_y_um: float = 1.2012
    tail: float = 0.0
    tail_um: float = 5.0
    bandwidth: float = 0.0
    step_um: float = 0.22

    def with_lengths(self, x_coh_um: float, y_coh_um: float, pixel_um: float) -> Self:
        """Return the same with the blur that, together with the pixel's, has these coherence lengths.

        Lengths in the sense of the paper (Eq. 4): a point becomes exp(-2 pi (x^2 / x_coh^2 + y^2 / y_coh^2)).

        Raises
        ------
        ValueError
            The pixel alone blurs more.
        """
        of_pixel = pixel_um**2 / 12
        x, y = ((length / _LENGTH_PER_SIGMA) ** 2 - of_pixel for length in (x_coh_um, y_coh_um))
        if min(x, y) < 0:
            raise ValueError(
                f"coherence lengths {x_coh_um} and {y_coh_um} um: pixels of {pixel_um} um alone blur more"
            )
        return replace(self, blur_x_um=math.sqrt(x), blur_y_um=math.sqrt(y))

    def lengths_um(self, pixel_um: float) -> tuple[float, float]:
        """Return the coherence lengths x, y that blur and pixel have together, without the halo."""
        of_pixel = pixel_um**2 / 12
        x, y = (_LENGTH_PER_SIGMA * math.sqrt(s**2 + of_pixel) for s in (self.blur_x_um, self.blur_y_um))
        return x, y


@dataclass(frozen=True)
class FineGrid:
    """Camera pixels divided into parts, with a guard band on all sides.

    Attributes
    ----------
    x_um, y_um : array
        Centres of the parts.
    parts : int
        Parts of a pixel along each axis.
    top, left : int
        Parts in the first guard bands.
    shape : (ny, nx)
        Camera pixels.
    """

    x_um: Array
    y_um: Array
    parts: int
    top: int
    left: int
    shape: tuple[int, int]

    @property
    def step_um(self) -> float:
        """Distance of two parts."""
        return float(self.x_um[1] - self.x_um[0])


def fine_grid(optics: SpeckleOptics, x_um: Array, y_um: Array) -> FineGrid:
    """Return the grid of the waves around camera pixels.

    Parameters
    ----------
    optics : SpeckleOptics
    x_um, y_um : array (nx,), (ny,)
        Centres of the pixels, evenly rising, one step for both, two or more of each.
    """
    pixel = float(x_um[1] - x_um[0])
    parts = max(1, math.ceil(pixel / optics.step_um - 1e-9))
    guard = _guard_um(optics, pixel / parts)
    (x, left), (y, top) = (_divided(axis, pixel, parts, guard) for axis in (x_um, y_um))
    return FineGrid(x, y, parts, top, left, (len(y_um), len(x_um)))


def speckle_image(
    optics: SpeckleOptics,
    x_um: Array,
    y_um: Array,
    *,
    sample: Projected | None = None,
    diffuser: Projected | None = None,
) -> NDArray[np.float32]:
    """Expected intensity in each pixel over that of the bare beam.

    Parameters
    ----------
    optics : SpeckleOptics
    x_um, y_um : array (nx,), (ny,)
        Centres of the camera's pixels, evenly rising, one step for both, two or more of each.
    sample, diffuser : callable, optional
        See `Projected`; left out: not in the beam.

    Returns
    -------
    float32 (ny, nx)

    Examples
    --------
    >>> import numpy as np
    >>> x = 0.65 * np.arange(8)
    >>> float(speckle_image(SpeckleOptics(), x, x).mean())
    1.0
    """
    if sample is None and diffuser is None:
        return np.ones((len(y_um), len(x_um)), np.float32)
    grid = fine_grid(optics, x_um, y_um)
    return detected(optics, grid, intensity(optics, grid, sample, diffuser))


def intensity(
    optics: SpeckleOptics, grid: FineGrid, sample: Projected | None, diffuser: Projected | None
) -> Array:
    """Return the light on the scintillator before any blur, float32 on the fine grid, 1 in the bare beam."""
    return mean_intensity(optics, grid, [sample], diffuser)


def mean_intensity(
    optics: SpeckleOptics, grid: FineGrid, samples: Sequence[Projected | None], diffuser: Projected | None
) -> Array:
    """Return the same of a sample that moves.

    ``samples`` are what the sample becomes in the course of the exposure, each for the same time. Several of
    them take turns with the photon energies of the band; a single one is seen at each.
    """
    energies = _energies(optics)
    turns = max(len(samples), len(energies))
    behind = None if diffuser is None else diffuser(grid.x_um, grid.y_um)
    total = np.zeros((grid.y_um.size, grid.x_um.size), np.float32)
    before = None
    for turn in range(turns):
        if turn < len(samples):
            sample = samples[turn]
            before = None if sample is None else sample(grid.x_um, grid.y_um)
        total += _coherent(optics, grid, before, behind, energies[turn % len(energies)])
    total *= np.float32(1 / turns)
    return total


def detected(optics: SpeckleOptics, grid: FineGrid, light: Array) -> NDArray[np.float32]:
    """Return the mean over each camera pixel of light on the fine grid, behind all that blurs, (ny, nx)."""
    ny, nx = light.shape
    blurred = fft.irfft2(fft.rfft2(light) * _blur(optics, (ny, nx), grid.step_um), (ny, nx), overwrite_x=True)
    rows, columns = (grid.parts * count for count in grid.shape)
    inside = blurred[grid.top : grid.top + rows, grid.left : grid.left + columns]
    return np.maximum(pooled(inside, grid.parts), 0).astype(np.float32, copy=False)


def _coherent(
    optics: SpeckleOptics,
    grid: FineGrid,
    sample: tuple[Array, Array] | None,
    diffuser: tuple[Array, Array] | None,
    energy_ev: float,
) -> Array:
    """Intensity for one photon energy: sample, first stretch, diffuser, second stretch."""
    shape, step = (grid.y_um.size, grid.x_um.size), grid.step_um
    field = np.ones(shape, np.complex64)
    if sample is not None:
        field = _transmission(sample, optics.energy_ev, energy_ev)
    if diffuser is not None:
        if sample is not None:
            field = _propagated(field, step, energy_ev, optics.sample_to_diffuser_m)
        field *= _transmission(diffuser, optics.energy_ev, energy_ev)
        field = _propagated(field, step, energy_ev, optics.diffuser_to_scintillator_m)
    else:
        way_m = optics.sample_to_diffuser_m + optics.diffuser_to_scintillator_m
        field = _propagated(field, step, energy_ev, way_m)
    light: Array = field.real**2 + field.imag**2
    return light


def _transmission(projected: tuple[Array, Array], known_ev: float, energy_ev: float) -> ComplexArray:
    """exp(-k (beta + i delta)) at an energy, from the integrals at another near it; complex64."""
    delta_m, beta_m = projected
    k, ratio = 2 * math.pi / wavelength_m(known_ev), energy_ev / known_ev
    phase = np.asarray(delta_m, np.float32) * np.float32(-k * ratio**_PHASE_POWER)
    modulus = np.exp(np.asarray(beta_m, np.float32) * np.float32(-k * ratio**_ABSORPTION_POWER))
    wave = np.empty(phase.shape, np.complex64)
    wave.real, wave.imag = modulus * np.cos(phase), modulus * np.sin(phase)
    return wave


def _propagated(field: ComplexArray, step_um: float, energy_ev: float, distance_m: float) -> ComplexArray:
    ny, nx = field.shape
    spectrum = fft.fft2(field, overwrite_x=True)
    spectrum *= _propagator((ny, nx), step_um, energy_ev, distance_m)
    return np.asarray(fft.ifft2(spectrum, overwrite_x=True))


def _energies(optics: SpeckleOptics) -> tuple[float, ...]:
    """Two energies with the width of the band, or the one."""
    if not optics.bandwidth:
        return (optics.energy_ev,)
    sigma = optics.bandwidth / FWHM_PER_SIGMA
    return optics.energy_ev * (1 - sigma), optics.energy_ev * (1 + sigma)


def _guard_um(optics: SpeckleOptics, step_um: float) -> float:
    """How far light on the grid goes sideways: its steepest wave, and the halo."""
    way_m = optics.sample_to_diffuser_m + optics.diffuser_to_scintillator_m
    steepest = wavelength_m(optics.energy_ev) / (2 * step_um * UM)
    wide = max(optics.tail_um if optics.tail else 0.0, optics.blur_x_um, optics.blur_y_um)
    return max(steepest * way_m / UM + _TAILS_WIDE * wide, _LEAST_GUARD_UM)


def _divided(axis_um: Array, pixel_um: float, parts: int, guard_um: float) -> tuple[Array, int]:
    """Centres of the parts of an axis' pixels with guard bands on both sides; parts in the first one."""
    step = pixel_um / parts
    guard = math.ceil(guard_um / step)
    count = fft.next_fast_len(len(axis_um) * parts + 2 * guard, real=True)
    first = float(axis_um[0]) - 0.5 * pixel_um + (0.5 - guard) * step
    return first + step * np.arange(count), guard


@lru_cache(maxsize=8)
def _propagator(shape: tuple[int, int], step_um: float, energy_ev: float, distance_m: float) -> ComplexArray:
    """Fresnel's exp(-i pi lambda z k^2), complex64 (ny, nx)."""
    v, u = fft.fftfreq(shape[0], step_um * UM)[:, None], fft.fftfreq(shape[1], step_um * UM)
    scale = -1j * math.pi * wavelength_m(energy_ev) * distance_m
    along_y, along_x = np.exp(scale * v**2), np.exp(scale * u**2)
    return (along_y * along_x).astype(np.complex64)


@lru_cache(maxsize=4)
def _blur(optics: SpeckleOptics, shape: tuple[int, int], step_um: float) -> Array:
    """Transfer of all that blurs before the pixels, float32 (ny, nx // 2 + 1)."""
    v, u = fft.fftfreq(shape[0], step_um)[:, None], fft.rfftfreq(shape[1], step_um)
    wide = -2 * math.pi**2
    core = np.exp(wide * (optics.blur_x_um * u) ** 2) * np.exp(wide * (optics.blur_y_um * v) ** 2)
    if optics.tail:
        core *= 1 - optics.tail + optics.tail * np.exp(wide * optics.tail_um**2 * (u**2 + v**2))
    return np.asarray(core, np.float32)
