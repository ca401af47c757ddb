"""The field that is computed: the camera's, and a guard band around it."""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from xsn_acq.optics.arrays import FloatArray

_REACH = 3.0
"""Guard band in lengths over which light spreads: beyond it less than 1e-6 of a point's light goes."""


@dataclass(frozen=True)
class Grid:
    """An image in the middle of a larger, periodic field.

    The beam does not end where the camera's field does: light from outside reaches the outer pixels, and the
    sample's phase at one edge is not that at the other. The band around the image holds what explains both;
    no data pull at it, so that the prior alone, which likes smooth fields, joins the edges.

    Attributes
    ----------
    shape : (ny, nx)
        Pixels of the image.
    guard : int
        Pixels of the band on each side, at least.
    pixel_m : float
        Metres.
    """

    shape: tuple[int, int]
    guard: int
    pixel_m: float

    @property
    def padded(self) -> tuple[int, int]:
        """Pixels of the whole field (Ny, Nx): sizes that transform fast."""
        ny, nx = (scipy.fft.next_fast_len(count + 2 * self.guard) for count in self.shape)
        return ny, nx

    @property
    def window(self) -> tuple[slice, slice]:
        """Where the image lies in the field."""
        starts = ((whole - part) // 2 for whole, part in zip(self.padded, self.shape, strict=True))
        y, x = (slice(start, start + part) for start, part in zip(starts, self.shape, strict=True))
        return y, x

    def embed(self, image: FloatArray, outside: float) -> FloatArray:
        """Return images (..., ny, nx) in the field (..., Ny, Nx), with a value in the band."""
        image = np.asarray(image)
        result = np.full(image.shape[:-2] + self.padded, outside, image.dtype)
        result[..., *self.window] = image
        return result

    def extend(self, image: FloatArray) -> FloatArray:
        """Return images (..., ny, nx) in the field, mirrored into the band."""
        image = np.asarray(image)
        before = [part.start for part in self.window]
        after = [whole - part.stop for whole, part in zip(self.padded, self.window, strict=True)]
        still = [(0, 0)] * (image.ndim - 2)
        return np.pad(image, [*still, *zip(before, after, strict=True)], mode="symmetric")

    def frequency(self) -> FloatArray:
        """Distance of each frequency of ``rfft2`` of the field from 0, cycles per metre."""
        ny, nx = self.padded
        v, u = scipy.fft.fftfreq(ny, self.pixel_m), scipy.fft.rfftfreq(nx, self.pixel_m)
        return np.hypot(v[:, None], u)


def guard_pixels(pixel_m: float, wavelength_m: float, distance_m: float, coherence_m: float) -> int:
    """Width of the band: the blur of partial coherence and diffraction over the distance, thrice.

    Parameters
    ----------
    pixel_m, wavelength_m : float
    distance_m : float
        From sample to scintillator.
    coherence_m : float
        The longer of both coherence lengths.
    """
    spread = np.hypot(coherence_m / 2, wavelength_m * distance_m / (2 * pixel_m))
    return int(np.ceil(_REACH * spread / pixel_m))
