"""Frames of a speckle scan at one position of the diffuser: references and projections over the flat."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xsn_acq.analysis.flatfield import normalise
from xsn_acq.errors import ReconstructionError
from xsn_acq.live.frames import ScanFrames, mean_of, time_of
from xsn_acq.live.saturation import full_pixels, full_scale
from xsn_acq.live.scan import Scan, ScanRow
from xsn_acq.optics.arrays import FloatArray

AIR_FRACTION = 1 / 32
"""Part of each row, at both ends, that sees no sample at any angle: there a projection is its reference."""
_LEAST_LIGHT = 1e-3
"""Of air over the flat; less is a shut beam."""
FULL_SHARE = 0.5
"""Where more of the pixels are at full scale, those left are dark speckles only: nothing is made of them."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Speckle of the diffuser alone over the flat, mean of ``frames``: float32 (ny, nx), taken at a time."""

    image: FloatArray
    frames: int
    time_s: float


class SpeckleFrames(ScanFrames):
    """Projections and references of one position of the diffuser.

    Parameters
    ----------
    scan : Scan
        With one set of references or more.
    air_fraction : float
        See `AIR_FRACTION`; 0: the brightness of projections is left as it is.

    Attributes
    ----------
    references : tuple of Reference
        In order of time, by their own time stamps: the diffuser also moves before the first projection and
        after the last one.
    flat_frames : int
        In the mean of the flat.
    bad : bool (ny, nx)
        As those of `ScanFrames`, and all that are at full scale in a flat or a reference, which are not
        repaired.
    full_scale : float
        Counts of a full pixel.
    full_shares : dict of str to float
        Share of the pixels, else good, that are at full scale in any frame of ``flats`` and ``references``.

    Raises
    ------
    ReconstructionError
        Most pixels are at full scale.
    StorageError
        When a file is missing or shorter than announced.
    """

    def __init__(self, scan: Scan, air_fraction: float = AIR_FRACTION) -> None:
        super().__init__(scan)
        self.references = tuple(
            Reference(
                self._repair(normalise(mean_of(each), self.dark, self.flats[0])),
                sum(stop - start for start, stop in each.spans),
                time_of(each),
            )
            for each in scan.references
        )
        self.flat_frames = sum(stop - start for start, stop in scan.flats[0].spans)
        self._air = math.ceil(air_fraction * self.dark.shape[1])
        self._leave_out_full(scan)

    def _leave_out_full(self, scan: Scan) -> None:
        """Count pixels at full scale; they are bad from now on."""
        self.full_scale = full_scale(scan.flats[0])
        full = {
            "flats": full_pixels(scan.flats[0]),
            "references": np.any([full_pixels(each) for each in scan.references], axis=0),
        }
        self.full_shares = {name: float(np.mean(pixels & ~self.bad)) for name, pixels in full.items()}
        for name, share in self.full_shares.items():
            if share > FULL_SHARE:
                raise ReconstructionError(
                    f"run {scan.uid[:8]}: {name}: wanted pixels below {self.full_scale:.0f} counts, found "
                    f"{share:.1%} at it, full scale; take a shorter exposure"
                )
        self.bad = self.bad | full["flats"] | full["references"]

    def full_share(self, row: ScanRow) -> float:
        """Share of the pixels of a projection, else good, that are at full scale.

        Raises
        ------
        StorageError
            The frame cannot be read.
        """
        return float(np.mean(self._full(row) & ~self.bad))

    def _full(self, row: ScanRow) -> NDArray[np.bool_]:
        return np.asarray(self._raw(row.index) >= self.full_scale)

    def projection(self, row: ScanRow, reference: FloatArray) -> FloatArray:
        """Projection over the flat, float32 (ny, nx), its air as bright as that of a reference.

        The ring current falls between the two, and the beam wanders: a gain linear in x takes that out. The
        reference is as it stood when the projection was taken, so that the same speckle is compared; where
        it is NaN, the projection is, and where a pixel is at full scale.

        Raises
        ------
        StorageError
            See `ScanFrames.transmission`.
        """
        image = self.transmission(row)
        image = np.where(np.isfinite(reference) & ~self._full(row), image, np.float32(np.nan))
        return image * self._gain(image, reference) if self._air else image

    def _gain(self, image: FloatArray, reference: FloatArray) -> FloatArray:
        """Gain of each column, float32 (nx,), that makes the air as bright as the reference's."""
        there = np.flatnonzero(np.isfinite(reference).any(axis=0))
        first, last = int(there[0]), int(there[-1]) - self._air + 1
        strips = (slice(first, first + self._air), slice(last, last + self._air))
        usable = np.isfinite(image) & ~self.bad
        left, right = (_ratio(image[:, at], reference[:, at], usable[:, at]) for at in strips)
        left, right = left or right or 1.0, right or left or 1.0
        middle = first + 0.5 * (self._air - 1)
        part = (np.arange(image.shape[1]) - middle) / max(last - first, 1)
        return np.asarray(left + (right - left) * part, np.float32)


def _ratio(image: FloatArray, reference: FloatArray, usable: NDArray[np.bool_]) -> float:
    """Brightness of a reference over that of an image in the same pixels; 0 where there are none."""
    if not usable.any():
        return 0.0
    light = max(float(image[usable].mean(dtype=float)), _LEAST_LIGHT)
    return float(reference[usable].mean(dtype=float)) / light
