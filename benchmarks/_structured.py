"""Sweeps of the simulated structured light over the simulated samples, 64 x 64 pixels of 0.1 um."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from xsn_acq.analysis.nxsci.problem import Guide, Sweep
from xsn_acq.sim.cathodes import areal_density
from xsn_acq.sim.phantoms import phantom
from xsn_acq.sim.structured_imaging import transmission
from xsn_acq.sim.structured_light import LightPlaces, StructuredLight

ENERGY_EV = 9000.0
SIDE, PIXEL_UM, PARTS = 64, 0.1, 2
"""Light and sample are on a grid of two parts a pixel."""
BLUR_PIXELS = 0.3
"""Of the microscope, standard deviation."""
ELEMENTS = {"three_cathodes": ("Mn", "Co", "Ni"), "cobalt_target": ("Co",)}


@dataclass(frozen=True)
class Scene:
    """A sweep over a sample, its TXM image, and the true maps (E, ny, nx)."""

    sweep: Sweep
    guide: Guide
    maps: np.ndarray


def axis() -> np.ndarray:
    count = SIDE * PARTS
    return (np.arange(count) - (count - 1) / 2) * PIXEL_UM / PARTS


def fresh(number: int, seed: int) -> list[LightPlaces]:
    """Both sheets anywhere."""
    rng = np.random.default_rng(seed)
    return [LightPlaces(ENERGY_EV, *rng.uniform(-9, 9, 4)) for _ in range(number)]


def lines(count: int, per_line: int, *, coarse_mm: float = 0.0) -> list[LightPlaces]:
    """Lines of the fine sheet, 50 um from pattern to pattern; the coarse one goes 0.5 mm from line to line.

    ``coarse_mm``: it goes so far from pattern to pattern too.
    """
    return [
        LightPlaces(
            ENERGY_EV,
            coarse_x_mm=-5 + 0.5 * line + coarse_mm * place,
            fine_x_mm=-5 + 0.05 * place,
            fine_y_mm=-5 + 0.5 * line,
        )
        for line in range(count)
        for place in (range(per_line) if line % 2 == 0 else reversed(range(per_line)))
    ]


def illumination(places: Sequence[LightPlaces]) -> np.ndarray:
    """Light (N, 128, 128) on the fine grid."""
    light, x = StructuredLight(15.3, 5.0, 30.0), axis()
    return np.array([light.illumination(each, x, x) for each in places])


def scene(sample: str, seed: int, light: np.ndarray, line_counts: float, photons: float = 2000.0) -> Scene:
    """Sweep a part of a sample, drawn from the seed; counts of a line and pattern, photons of a pixel."""
    rng, x = np.random.default_rng(seed), axis()
    solid = phantom(sample, seed)
    cathodes = sample == "three_cathodes"
    theta = float(rng.uniform(0, 360)) if cathodes else 0.0
    low, high = ((-2.2, -2.2), (2.2, 2.2)) if cathodes else ((-2.5, -1.0), (2.0, 1.0))
    across, up = rng.uniform(low, high)
    elements = [areal_density(solid, e, x + across, x + up, theta) for e in ELEMENTS[sample]]
    fine = np.array([each for each in elements if each.any()], float)
    clean = np.tensordot(fine, light, ((1, 2), (1, 2))) / PARTS**2
    scale = line_counts / clean.mean()
    seen = rng.poisson(photons * seen_by_camera(light)) / photons
    mean = seen.mean(axis=(1, 2))
    counted = rng.poisson(scale * clean)
    sweep = Sweep(seen / mean[:, None, None], counted / mean, np.sqrt(np.maximum(counted, 1)) / mean)
    image = seen_by_camera(transmission(solid, ENERGY_EV, theta, x + across, x + up)[None])[0]
    txm = rng.poisson(20 * photons * image) / (20 * photons)
    guide = Guide(txm, np.sqrt(np.maximum(image, 0.02) / (20 * photons)))
    return Scene(sweep, guide, scale * pooled(fine))


def seen_by_camera(fine: np.ndarray) -> np.ndarray:
    return pooled(
        ndimage.gaussian_filter(fine, [0, *[BLUR_PIXELS * PARTS] * 2], mode="nearest").astype(float)
    )


def pooled(fine: np.ndarray) -> np.ndarray:
    return fine.reshape(len(fine), SIDE, PARTS, SIDE, PARTS).mean(axis=(2, 4))


def relative_error(found: np.ndarray, true: np.ndarray) -> float:
    return float(np.sqrt(np.sum((found - true) ** 2) / np.sum(true**2)))
