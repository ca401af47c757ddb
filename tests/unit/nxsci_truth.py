"""A three-cathode sample under moving speckle, on a grid four times finer than the pixels.

Nothing of the solvers is in it: particles have thickness and matter, light is speckle of two diffusers that
move, the microscope blurs, lines are re-absorbed, photons are counted.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from scipy.ndimage import gaussian_filter

from xsn_acq.analysis.nxsci.problem import Guide, Sweep

FINE = 4
ELEMENTS = ("Mn", "Co", "Ni")
METALS = {"NMC": (0.2, 0.1, 0.7), "LCO": (0.0, 1.0, 0.0), "LNO": (0.0, 0.0, 1.0)}
"""Share of Mn, Co, Ni among the metal atoms."""
ABSORBS = np.array([0.86, 1.0, 1.1])
"""Per metal atom of Mn, Co, Ni at 9 keV, relative."""
LATTICE = 0.07
"""Oxygen and lithium absorb so much and have no line."""
EMITS = np.array([0.75, 0.9, 1.0])
SELF_ABSORPTION = 0.25
"""Of the lines on their way to the detector, per unit of thickness."""
BLUR_PIXELS = 0.5
"""Of the microscope, one standard deviation."""


@dataclass(frozen=True)
class Truth:
    """maps (3, n, n): line counts per unit illumination and pixel; labels (n, n): particle number or -1."""

    maps: np.ndarray
    labels: np.ndarray
    fragment: np.ndarray
    matter: tuple[str, ...]
    sweep: Sweep
    guide: Guide
    txm_shift: tuple[float, float]
    clean: np.ndarray

    def counted(self, line_counts, number, seed=0):
        """The first patterns alone, counted anew so long that a line has so many counts."""
        scale = line_counts / self.clean.mean()
        counts = np.random.default_rng(seed).poisson(scale * self.clean[:, :number])
        sweep = Sweep(self.sweep.patterns[:number], counts, np.sqrt(np.maximum(counts, 1.0)))
        return replace(self, maps=scale * self.maps, sweep=sweep, clean=scale * self.clean[:, :number])


def binned(image, factor=FINE):
    """Means over squares of fine pixels."""
    *lead, ny, nx = image.shape
    return image.reshape(*lead, ny // factor, factor, nx // factor, factor).mean(axis=(-3, -1))


def particles(side, seed):
    """Thickness (k, s, s) of each on the fine grid, and its matter; the last is a fragment on an LNO one."""
    rng = np.random.default_rng(seed)
    n = side * FINE
    y, x = (np.indices((n, n)) + 0.5) / n
    spots, shapes, matter = [], [], []
    for _ in range(2000):
        at, radius = rng.uniform(0.13, 0.87, 2), rng.uniform(0.07, 0.15)
        if len(spots) < 9 and all(np.hypot(*(at - b)) > 0.92 * (radius + r) for b, r in spots):
            spots.append((at, radius))
    kinds = ("LNO", "LCO", "NMC")
    for number, (at, radius) in enumerate(spots):
        shapes.append(_blob(y - at[0], x - at[1], radius, rng))
        matter.append(kinds[number % 3])
    (row, column), radius = spots[0]
    turn = rng.uniform(0, 2 * np.pi)
    dy, dx = y - row - 0.8 * radius * np.sin(turn), x - column - 0.8 * radius * np.cos(turn)
    piece = _blob(dy, dx, max(0.035, 2.2 / side), rng) * 0.7
    shapes[0] = np.where(piece > 0, 0.5 * shapes[0], shapes[0])
    return np.array([*shapes, piece]), (*matter, "LCO")


def _blob(dy, dx, radius, rng):
    """Rounded, with a lobed outline and a flat top; thickness about that of a particle of 6 um."""
    angle = np.arctan2(dy, dx)
    outline = radius * (1 + sum(a * np.cos(k * angle + p) for k, a, p in _lobes(rng)))
    rest = np.maximum(0, 1 - (dy**2 + dx**2) / outline**2)
    return rng.uniform(0.35, 0.7) * rest**0.35


def _lobes(rng):
    return [(k, rng.uniform(0.02, 0.1), rng.uniform(0, 2 * np.pi)) for k in (2, 3, 5)]


def speckle_field(size, grain, rng):
    """Fully developed speckle, mean 1; grain: standard deviation of the field's filter, fine pixels."""
    v, u = np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)
    noise = rng.standard_normal((size, size)) + 1j * rng.standard_normal((size, size))
    field = scipy.fft.ifft2(noise * np.exp(-2 * (np.pi * grain) ** 2 * (u * u + v * v)))
    intensity = np.abs(field) ** 2
    return intensity / intensity.mean()


def light(number, side, rng, *, grain=1.0, coarse=3.0):
    """Patterns (number, s, s) on the fine grid: two diffusers, each moved; grains in pixels."""
    n = side * FINE
    size = scipy.fft.next_fast_len(3 * n)
    fields = [speckle_field(size, FINE * g, rng) for g in (grain, coarse)]
    corners = rng.integers(0, size - n, (number, 2, 2))
    for each in corners:
        fine, wide = (f[a : a + n, b : b + n] for f, (a, b) in zip(fields, each, strict=True))
        yield 0.25 + 0.55 * fine * (0.4 + 0.6 * wide)


def scene(side=32, number=100, line_counts=1e4, *, seed=0, grain=1.0, photons=5000.0, shift=(0.0, 0.0)):
    """A sample, its sweep and its TXM image.

    ``line_counts``: of an element and pattern, mean of the three. ``photons``: per pixel of the microscope's
    images, patterns too. ``shift``: the sample stands so far off in the TXM image, pixels.
    """
    rng = np.random.default_rng(seed + 1000)
    thickness, matter = particles(side, seed)
    metals = np.array([METALS[kind] for kind in matter])
    per_unit = metals @ ABSORBS + LATTICE
    metal = thickness / per_unit[:, None, None]  # all kinds absorb alike: the TXM image cannot tell them
    absorbance = np.sum(thickness, axis=0)
    escape = (1 - np.exp(-SELF_ABSORPTION * absorbance)) / np.maximum(SELF_ABSORPTION * absorbance, 1e-9)
    fine_maps = np.tensordot((metals * EMITS).T, metal, 1) * np.where(absorbance > 0, escape, 1.0)
    patterns, clean = np.empty((number, side, side)), np.empty((3, number))
    for n, pattern in enumerate(light(number, side, rng, grain=grain)):
        clean[:, n] = np.tensordot(fine_maps, pattern, 2) / FINE**2
        seen = binned(gaussian_filter(pattern, BLUR_PIXELS * FINE, mode="nearest"))
        seen = rng.poisson(photons * seen) / photons
        patterns[n] = seen / seen.mean()
        clean[:, n] /= seen.mean()
    scale = line_counts / clean.mean()
    counted = rng.poisson(scale * clean)
    sweep = Sweep(patterns, counted, np.sqrt(np.maximum(counted, 1.0)))
    guide = _txm(absorbance, shift, 4 * photons, rng)
    coverage = binned((thickness > 0).astype(float))
    labels = np.where(coverage.max(axis=0) > 0.5, np.argmax(coverage, axis=0), -1)
    labels[coverage[-1] > 0.5] = len(coverage) - 1
    maps, fragment = scale * binned(fine_maps), coverage[-1] > 0.5
    return Truth(maps, labels, fragment, matter, sweep, guide, shift, scale * clean)


def _txm(absorbance, shift, photons, rng):
    n = len(absorbance)
    v, u = np.fft.fftfreq(n)[:, None], np.fft.fftfreq(n)
    turn = np.exp(-2j * np.pi * FINE * (v * shift[0] + u * shift[1]))
    moved = np.fft.ifft2(np.fft.fft2(np.exp(-absorbance)) * turn).real
    image = binned(gaussian_filter(moved, BLUR_PIXELS * FINE, mode="wrap"))
    seen = rng.poisson(photons * image) / photons
    return Guide(seen, np.sqrt(np.maximum(image, 0.05) / photons))
