"""Particles in the TXM image: where they are, one mask each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xsn_acq.analysis.nxsci.problem import Guide

_LEAST_SIGMAS = 4.0
"""Denoised absorbance above so many parts of the noise of a pixel: sample."""
_LEAST_SHARE = 0.15
"""... and above this share of the largest: not the halo of the optics."""
_LEAST_PIXELS = 6


@dataclass(frozen=True, eq=False)
class Particles:
    """Particles of a field.

    Attributes
    ----------
    labels : int32 (ny, nx)
        0 outside, else the number of the particle, from 1.
    centres : (n, 2)
        Row and column of each, weighted by absorbance.
    pixels : (n,)
    """

    labels: NDArray[np.int32]
    centres: NDArray[np.float64]
    pixels: NDArray[np.int64]

    @property
    def masks(self) -> NDArray[np.bool_]:
        """One mask each, bool (n, ny, nx)."""
        return self.labels == np.arange(1, len(self.pixels) + 1)[:, None, None]


def find_particles(guide: Guide) -> Particles:
    """Find what stands alone in the TXM image; particles that touch are one."""
    thickness = guide.smooth
    share = _LEAST_SHARE * float(np.percentile(thickness, 99.5))
    inside = thickness > max(_LEAST_SIGMAS * guide.noise, share)
    found, count = ndimage.label(inside)
    sizes = np.bincount(found.ravel(), minlength=count + 1)[1:]
    kept = np.flatnonzero(sizes >= _LEAST_PIXELS) + 1
    labels = np.zeros(inside.shape, np.int32)
    for number, label in enumerate(kept, 1):
        labels[found == label] = number
    centres = ndimage.center_of_mass(np.maximum(thickness, 0), labels, np.arange(1, len(kept) + 1))
    return Particles(labels, np.array(centres, float).reshape(-1, 2), sizes[kept - 1])
