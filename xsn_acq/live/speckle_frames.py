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
        self._air = math.ceil(air_fraction * self.dark.shape[1])

    def projection(self, row: ScanRow, reference: FloatArray) -> FloatArray:
        """Projection over the flat, float32 (ny, nx), its air as bright as that of a reference.

        The ring current falls between the two, and the beam wanders: a gain linear in x takes that out. The
        reference is as it stood when the projection was taken, so that the same speckle is compared.

        Raises
        ------
        StorageError
            See `ScanFrames.transmission`.
        """
        image = self.transmission(row)
        if not self._air:
            return image
        columns = image.shape[1]
        ends = _air(reference, self._air) / np.maximum(_air(image, self._air), np.float32(1e-3))
        middles = (0.5 * (self._air - 1), columns - 0.5 * (self._air + 1))
        across = np.arange(columns)
        gain = ends[0] + (ends[1] - ends[0]) * (across - middles[0]) / max(middles[1] - middles[0], 1.0)
        return np.asarray(image * gain.astype(np.float32))


def _air(image: FloatArray, columns: int) -> FloatArray:
    """Mean of the columns at the left and at the right border, (2,)."""
    if not columns:
        return np.ones(2)
    return np.array([image[:, :columns].mean(dtype=float), image[:, -columns:].mean(dtype=float)])
