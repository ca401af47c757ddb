"""Frames of a speckle scan at one position of the diffuser: references and projections over the flat."""

import math
from dataclasses import dataclass

import numpy as np

from xsn_acq.analysis.flatfield import normalise
from xsn_acq.live.frames import ScanFrames, mean_of, time_of
from xsn_acq.live.scan import Scan, ScanRow
from xsn_acq.optics.arrays import FloatArray

AIR_FRACTION = 1 / 32
"""Part of each row, at both ends, that sees no sample at any angle: there a projection is its reference."""


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

    Raises
    ------
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

    def projection(self, row: ScanRow, reference: FloatArray) -> FloatArray:
        """Projection over the flat, float32 (ny, nx), its air as bright as that of a reference.

        The ring current falls between the two, and the beam wanders: a gain linear in x takes that out. The
        reference is as it stood when the projection was taken, so that the same speckle is compared; where
        it is NaN, the projection is.

        Raises
        ------
        StorageError
            See `ScanFrames.transmission`.
        """
        image, seen = self.transmission(row), np.isfinite(reference)
        image = np.where(seen, image, np.float32(np.nan))
        if not self._air:
            return image
        there = np.flatnonzero(seen.any(axis=0))
        first, last = int(there[0]), int(there[-1]) - self._air + 1
        strips = (slice(first, first + self._air), slice(last, last + self._air))
        ends = _air(reference, strips) / np.maximum(_air(image, strips), np.float32(1e-3))
        middle = first + 0.5 * (self._air - 1)
        part = (np.arange(image.shape[1]) - middle) / max(last - first, 1)
        gain = ends[0] + (ends[1] - ends[0]) * part
        return np.asarray(image * gain.astype(np.float32))


def _air(image: FloatArray, strips: tuple[slice, slice]) -> FloatArray:
    """Mean of the columns at the left and at the right border, (2,)."""
    return np.array([np.nanmean(image[:, strip], dtype=float) for strip in strips])
