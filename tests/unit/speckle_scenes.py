"""Speckle images of known samples from the simulator's finer grid, cut out of a larger beam."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from pixel_axes import axis

from xsn_acq.analysis.pwf.forward import SpeckleOptics
from xsn_acq.optics.coherence import CoherenceLengths, sample_transfer
from xsn_acq.optics.materials import optical_constants
from xsn_acq.sim import speckle_imaging as sim
from xsn_acq.sim.pooling import pooled
from xsn_acq.sim.speckle_diffuser import SandpaperDiffuser
from xsn_acq.units import wavelength_m

PIXEL_UM = 0.65
LENGTHS_UM = (3.48, 4.31)
ENERGY_EV = 10_000.0
PHOTONS = 20_000.0
K_PER_M = 2 * math.pi / wavelength_m(ENERGY_EV)
OPTICS = sim.SpeckleOptics().with_lengths(*LENGTHS_UM, PIXEL_UM)
GLASS, CELLULOSE, SAND = (
    optical_constants(formula, density, ENERGY_EV)
    for formula, density in (("SiO2", 2.5), ("C6H10O5", 1.5), ("SiC", 3.21))
)
ONE_MATERIAL = {"beads": GLASS, "powder": GLASS, "wood": CELLULOSE}
MIXTURES = ("beads in wood", "two balls")


@dataclass(frozen=True, eq=False)
class Scene:
    """References and projections (K, ny, nx) with photon noise, the image (ny, nx) without diffuser or noise;
    the field (ny, nx) filtered by the STF, and as it is."""

    optics: SpeckleOptics
    references: np.ndarray
    projections: np.ndarray
    without_diffuser: np.ndarray
    alpha: np.ndarray
    phi: np.ndarray
    alpha_everywhere: np.ndarray
    phi_everywhere: np.ndarray

    def filtered(self, image):
        """An image (ny, nx) as the STF leaves it, mirrored at its borders."""
        wide = np.pad(image, 16, mode="symmetric")
        stf = sample_transfer(wide.shape, self.optics.pixel_m, self.optics.coherence)
        return np.fft.ifft2(stf * np.fft.fft2(wide)).real[16:-16, 16:-16]

    def slope(self, phi):
        """Retrieved against true phase, both filtered: slope and what it leaves, in parts of the truth."""
        found, true = (values - values.mean() for values in (self.filtered(phi), self.phi))
        slope = float(np.sum(found * true) / np.sum(true**2))
        return slope, float(np.std(found - true) / np.std(true))


def optics(shape):
    """Geometry of the beamline, lengths as the simulator has them."""
    lengths = CoherenceLengths(*(1e-6 * length for length in LENGTHS_UM))
    return SpeckleOptics(shape, 1e-6 * PIXEL_UM, wavelength_m(ENERGY_EV), 3e-3, 20e-3, lengths)


@cache
def scene(kind="beads", shape=(96, 96), seed=0, positions=1, turned_deg=0.0, reference_frames=20):
    """Draw a scene; ``turned_deg`` moves its parts as a turn of the sample about y would."""
    x, y = axis(shape[1], PIXEL_UM), axis(shape[0], PIXEL_UM)
    rng = np.random.default_rng((seed, 7, round(1000 * turned_deg)))

    def sample(x_um, y_um):
        return projected(kind, shape, seed, turned_deg, x_um, y_um)

    references, projections = [], []
    for number in range(positions):

        def sandpaper(x_um, y_um, at=(150.0 * number, 400.0 * seed)):
            return SandpaperDiffuser().projected(ENERGY_EV, x_um, y_um, at)

        bare = sim.speckle_image(OPTICS, x, y, diffuser=sandpaper).astype(float)
        with_sample = sim.speckle_image(OPTICS, x, y, sample=sample, diffuser=sandpaper).astype(float)
        photons = reference_frames * PHOTONS
        references.append(rng.poisson(photons * bare) / photons)
        projections.append(rng.poisson(PHOTONS * with_sample) / PHOTONS)
    plain = sim.speckle_image(OPTICS, x, y, sample=sample).astype(float)
    fields = _true_field(sample, x, y)
    return Scene(optics(shape), np.array(references), np.array(projections), plain, *fields)


def _true_field(sample, x, y):
    """Alpha and phi (ny, nx) filtered by the STF on the fine grid, and unfiltered, means over pixels."""
    grid = sim.fine_grid(OPTICS, x, y)
    delta_m, beta_m = (part.astype(float) for part in sample(grid.x_um, grid.y_um))
    step_m = 1e-6 * grid.step_um
    stf = sample_transfer(delta_m.shape, step_m, optics(grid.shape).coherence)
    inside = (
        slice(grid.top, grid.top + grid.parts * grid.shape[0]),
        slice(grid.left, grid.left + grid.parts * grid.shape[1]),
    )
    sharp = [-K_PER_M * beta_m, -K_PER_M * delta_m]
    smooth = [np.fft.ifft2(stf * np.fft.fft2(part)).real for part in sharp]
    return [pooled(part[inside], grid.parts) for part in (*smooth, *sharp)]


def projected(kind, shape, seed, turned_deg, x_um, y_um):
    """Integrals of delta and beta (ny, nx), metres."""
    thickness = PARTS[kind](shape, seed, math.radians(turned_deg), x_um, y_um[:, None])
    delta = sum(1e-6 * um * material.delta for um, material in thickness)
    beta = sum(1e-6 * um * material.beta for um, material in thickness)
    return delta.astype(np.float32), beta.astype(np.float32)


def ball(x, y, centre, radius, turn=0.0):
    """Thickness of a ball in micrometres; the centre (x, y, z) turns about y."""
    seen = centre[0] * math.cos(turn) + centre[2] * math.sin(turn)
    return 2 * np.sqrt(np.maximum(radius**2 - (x - seen) ** 2 - (y - centre[1]) ** 2, 0.0))


def beads(shape, seed, turn, x, y):
    """Three glass balls, one with a void, clear of the borders."""
    wide = PIXEL_UM * min(shape)
    rng = np.random.default_rng((seed, 11))
    angle = rng.uniform(0, 2 * math.pi)
    total = 0.0
    for part, radius in enumerate((0.2, 0.11, 0.07)):
        about = angle + 2 * math.pi * part / 3
        centre = 0.24 * wide * math.cos(about), 0.22 * wide * math.sin(about), 0.1 * wide
        total = total + ball(x, y, centre, radius * wide, turn)
        if part == 0:
            total = total - ball(x, y, centre, 0.06 * wide, turn)
    return [(total, GLASS)]


def powder(shape, seed, turn, x, y):
    """Glass balls 6 to 16 um wide, over the whole field and beyond."""
    rng = np.random.default_rng((seed, 12))
    wide, high = PIXEL_UM * shape[1], PIXEL_UM * shape[0]
    total = np.zeros((y.size, x.size))
    for _ in range(round(wide * high / 220)):
        across, up, along = rng.uniform(-0.35, 0.35), rng.uniform(-0.6, 0.6), rng.uniform(-0.3, 0.3)
        centre = across * wide, up * high, along * wide
        total += ball(x, y, centre, rng.uniform(3, 8), turn)
    return [(total, GLASS)]


def wood(shape, seed, turn, x, y):
    """A stick of cellulose from border to border with pores."""
    wide, high = PIXEL_UM * shape[1], PIXEL_UM * shape[0]
    rng = np.random.default_rng((seed, 13))
    radius = 0.32 * wide
    total = 2 * np.sqrt(np.maximum(radius**2 - x**2, 0.0)) * np.ones_like(y)
    for _ in range(round(wide * high / 600)):
        reach, about, up = (
            0.75 * radius * rng.uniform() ** 0.5,
            rng.uniform(0, 2 * math.pi),
            rng.uniform(-0.6, 0.6),
        )
        centre = reach * math.cos(about), up * high, reach * math.sin(about)
        total = total - 0.35 * ball(x, y, centre, rng.uniform(2, 5), turn)
    return [(np.maximum(total, 0.0), CELLULOSE)]


def beads_in_wood(shape, seed, turn, x, y):
    """The stick, and glass balls in it."""
    glass = 0.7 * beads(shape, seed, turn, x, y)[0][0]
    return [(np.maximum(wood(shape, seed, turn, x, y)[0][0] - glass, 0.0), CELLULOSE), (glass, GLASS)]


def two_balls(shape, seed, turn, x, y):
    """A ball of glass and one of cellulose."""
    wide = PIXEL_UM * min(shape)
    places = ((-0.22 * wide, -0.08 * wide, 0.0), (0.22 * wide, 0.1 * wide, 0.0))
    return [
        (ball(x, y, place, 0.17 * wide, turn), material)
        for place, material in zip(places, (GLASS, CELLULOSE), strict=True)
    ]


PARTS = {
    "beads": beads,
    "powder": powder,
    "wood": wood,
    "beads in wood": beads_in_wood,
    "two balls": two_balls,
}
