r"""What the true aperture takes away at its rim: mode k_j sees the pupil's disc shifted by k_j.

With E_g the field that the straight edge lets pass, averaged over a group g of modes of weight w_g, and R_g
the part of it that the shifted disc stops, the image is

.. math:: I = I_{edge} + \sum_g w_g \left( |R_g|^2 - 2 \, \mathrm{Re}(E_g^* R_g) \right)

where I_edge, the image without the disc, is exact for any number of modes. What is left out is how E and R
vary together within a group: on pixel-sharp edges of 4 rad and 21 to 40 nm pixels 2e-3 to 4e-3 of the maximum
with 4 groups, 5e-4 to 2e-3 with 8, nothing with a group for each frequency bin (3 to 7 % without).
"""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.fourier import Fourier

if TYPE_CHECKING:
    from xsn_acq.optics.schlieren import Schlieren


class Rim:
    """Correction of the image for the shifted disc.

    Parameters
    ----------
    optics : Schlieren
        Its ``rim_groups`` is the number of groups; each costs three transforms of an image.
    fourier : Fourier
    """

    def __init__(self, optics: "Schlieren", fourier: Fourier) -> None:
        self._fourier = fourier
        low, high = optics.knife_edge.support_per_m
        ends = np.linspace(low, high, optics.rim_groups + 1)
        self._groups = [
            _Group(optics, fourier, first, last)
            for first, last in pairwise(ends)
            if optics.knife_edge(first) > optics.knife_edge(last)
        ]

    def intensity(self, spectra: Any, *, mirror: bool = False) -> Any:
        """What is to be added to the image of the edge, real (..., ny, nx).

        Parameters
        ----------
        spectra : complex (..., ny, nx)
            Row spectra of the object, not yet cut by the disc.
        mirror : bool
            Of the image half a turn later, flipped back.
        """
        xp, fourier = self._fourier.xp, self._fourier
        whole = fourier.fft(spectra, axis=-2)
        total: Any = 0.0
        for group in self._groups:
            passing, stopped = group.mirrored if mirror else group.plain
            edge = fourier.ifft(spectra * passing)
            rim = fourier.ifft(fourier.ifft(whole * stopped, axis=-2))
            for part in (xp.real, xp.imag):
                total = total + group.weight * part(rim) * (part(rim) - 2 * part(edge))
        return total


class _Group:
    """Modes between two frequencies: their weight, and the shares that pass the edge and stop at the disc."""

    def __init__(self, optics: "Schlieren", fourier: Fourier, first: float, last: float) -> None:
        passing, through = _shares(optics, first, last)
        stopped = passing - through
        curve = optics.knife_edge
        self.weight = float(curve(first) - curve(last))
        self.plain = tuple(fourier.array(share, optics.real) for share in (passing, stopped))
        self.mirrored = tuple(
            fourier.array(np.roll(share[..., ::-1], 1, axis=-1), optics.real) for share in (passing, stopped)
        )


def _shares(optics: "Schlieren", first: float, last: float) -> tuple[FloatArray, FloatArray]:
    """Share of a group's light that passes the edge (nx,), and edge and disc (ny, nx)."""
    v, u = optics.frequencies_per_m
    edge = optics.cutoff_per_m - u
    chord = np.sqrt(np.maximum(optics.aperture_per_m**2 - v[:, None] ** 2, 0))
    low, high = (
        (edge, np.full_like(u, last)) if optics.passes == "positive" else (np.full_like(u, first), edge)
    )
    weight = optics.knife_edge(first) - optics.knife_edge(last)

    def share(begin: FloatArray, end: FloatArray) -> FloatArray:
        begin, end = np.clip(begin, first, last), np.clip(end, first, last)
        return np.maximum(optics.knife_edge(begin) - optics.knife_edge(end), 0.0) / weight

    return share(low, high), share(np.maximum(low, -chord - u), np.minimum(high, chord - u))
