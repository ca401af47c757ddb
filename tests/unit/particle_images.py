"""Absorbance of a cathode particle with grains, anywhere on the pixels, at any contrast."""

import numpy as np
from scipy.special import ndtr

SHAPE = (128, 144)


def particle(shift=(0.0, 0.0), *, scale=1.0, host=0.12, grains=0.0, shape=SHAPE, about=None):
    """Disc of 5 um in pixels of 80 nm with a soft rim, and 60 grains in it; all smooth, so exact anywhere.

    ``host`` and ``grains`` are the absorbances of the disc and, on top, of half of the grains; the other half
    are pores. ``scale`` magnifies about ``about`` (row, column).
    """
    rng = np.random.default_rng(11)
    middle = np.array([0.5 * (n - 1) for n in shape])
    about = middle if about is None else np.asarray(about)
    rows, columns = (
        (np.arange(n) - about[i] - shift[i]) / scale + about[i] - middle[i] for i, n in enumerate(shape)
    )
    radius = np.hypot(rows[:, None], columns)
    image = host * ndtr((31 - radius) / 1.2)
    for i in range(60):
        far, angle = 28 * np.sqrt(rng.uniform()), rng.uniform(0, 2 * np.pi)
        wide, high = rng.uniform(1.2, 2.5), (grains if i % 2 else -0.3 * host) * rng.uniform(0.3, 1)
        off = (rows - far * np.sin(angle))[:, None] ** 2 + (columns - far * np.cos(angle)) ** 2
        image += high * np.exp(-0.5 * off / wide**2)
    return image


def seen(absorbance, photons, seed):
    """Measured with so many photons in a pixel of air, and a flat of ten such frames."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(photons * np.exp(-absorbance))
    flat = rng.poisson(10 * photons, absorbance.shape) / 10
    return -np.log(np.maximum(counts / flat, 1e-3)).astype(np.float32)
