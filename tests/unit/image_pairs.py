"""Two images, half a turn apart, of spheres on a finer grid, blurred: their shift is known."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from schlieren_truth import APERTURE_PER_M, smooth_knife_edge
from scipy import ndimage

from xsn_acq.optics.schlieren import ImageFormation, Schlieren

PIXEL_M = 40e-9
WAVE_NUMBER = 2 * np.pi / 1.494e-10
INDEX = {  # delta, beta
    "phase": (1e-5, 0.0),
    "absorbing": (1e-5, 1e-6),  # alpha = 0.1 phi
    "gaining": (1e-5, -1e-6),  # alpha = -0.1 phi
    "copper": (2.27e-5, 4.8e-7),
    "silica": (6.7e-6, 8.2e-8),
    "glue": (3.6e-6, 7e-9),
}


@dataclass(frozen=True)
class Images:
    optics: Schlieren
    image_0: np.ndarray
    image_180_flipped: np.ndarray

    def noisy(self, photons, seed):
        """Both images with ``photons`` per pixel of air."""
        rng = np.random.default_rng(seed)
        scale = photons / self.optics.background
        return [rng.poisson(i * scale) / scale for i in (self.image_0, self.image_180_flipped)]


def ball_shadows(x_um, y_um, radius, centres):
    """Chords, metres (ny, nx), of balls of one radius."""
    depth = np.zeros((y_um.size, x_um.size))
    for x, y in centres:
        square = radius**2 - (x_um - x) ** 2 - (y_um[:, None] - y) ** 2
        depth += 2e-6 * np.sqrt(np.maximum(0, square))
    return depth


def solid(name, x_um, y_um, seed):
    """Integrals of delta and beta: thirty balls; "mixed" has two materials in a thread of glue."""
    rng = np.random.default_rng(seed)
    depths = []
    for material, radius in (
        (("copper", 0.2), ("silica", 0.4)) if name == "mixed" else ((name, 0.2), (name, 0.4))
    ):
        centres = rng.uniform((-1.9, -2.2), (1.9, 2.2), (15, 2))
        depths.append(np.multiply.outer(INDEX[material], ball_shadows(x_um, y_um, radius, centres)))
    if name == "mixed":
        thread = 2e-6 * np.sqrt(np.maximum(0, 2.1**2 - (x_um - 0.1) ** 2)) * np.ones((y_um.size, 1))
        depths.append(np.multiply.outer(INDEX["glue"], thread))
    return sum(depths)


@cache
def pair(name, shift=(0.0, 0.0), *, shape=(144, 144), passes="positive", cutoff=0.0, seed=0, blur_m=72e-9):
    """Images without noise; the second shows all displaced by ``shift`` (dy, dx), pixels."""
    fine = Schlieren(
        (2 * shape[0], 2 * shape[1]), PIXEL_M / 2, APERTURE_PER_M, cutoff, smooth_knife_edge(), passes
    )
    form, pixel_um = ImageFormation(fine), PIXEL_M * 1e6
    y, x = ((np.arange(2 * n) - n + 0.5) * pixel_um / 2 for n in shape)
    images = []
    for half, mirror in ((-0.5, 1), (0.5, -1)):
        delta, beta = solid(name, x - half * shift[1] * pixel_um, y - half * shift[0] * pixel_um, seed)
        wave = np.exp(-WAVE_NUMBER * (beta + 1j * delta))
        image = form.intensity(wave[:, ::mirror])[:, ::mirror]
        image = ndimage.gaussian_filter(image, blur_m / 2.355 / (PIXEL_M / 2), mode="nearest")
        images.append(image.reshape(shape[0], 2, shape[1], 2).mean((1, 3)))
    optics = Schlieren(shape, PIXEL_M, APERTURE_PER_M, cutoff, smooth_knife_edge(), passes)
    return Images(optics, *images)
