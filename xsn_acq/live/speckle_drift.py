"""The reference speckle of one position of the diffuser, and where it stood when projections were taken."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xsn_acq.analysis.pwf.drift import DriftingReference, SpeckleShift
from xsn_acq.analysis.shift import shift_image
from xsn_acq.errors import ReconstructionError
from xsn_acq.live.speckle_frames import Reference, SpeckleFrames
from xsn_acq.live.speckle_scan import View
from xsn_acq.optics.arrays import FloatArray

Seen = tuple[float, float, float, float, float]
"""Time in seconds, shift (dy, dx) from the first reference and its standard errors, pixels."""
SEEN_PX = 0.02
"""Drifts of the speckle that stay below this, pixels, are left in."""
TOLD_PX = 1.0
"""Larger ones are told: the diffuser or the beam is not stable."""


@dataclass(frozen=True, eq=False)
class StillReference:
    """Mean of all references of a position, moved to where the first one was, and the way it went.

    Attributes
    ----------
    image : float32 (ny, nx)
    frames : int
        In the mean.
    time_s : float
        When the first one was taken, where the image stands.
    drift : DriftingReference or None
        None where there is one set of references only, or sets that do not show the same speckle.
    said : str
        What a person must know; empty when nothing.
    """

    image: FloatArray
    frames: int
    time_s: float = 0.0
    drift: DriftingReference | None = None
    said: str = ""

    @property
    def largest_px(self) -> float:
        """Largest drift, pixels."""
        return self.drift.path.largest_px if self.drift is not None else 0.0

    def shift_at(self, time_s: float) -> tuple[float, float]:
        """Shift (dy, dx) of the speckle at a time, pixels; 0 where it is too small to be seen."""
        if self.drift is None or self.largest_px < SEEN_PX:
            return (0.0, 0.0)
        (dy, dx), (y, x) = self.drift.path.at(time_s), self.drift.path.at(self.time_s)
        return dy - y, dx - x

    def at(self, time_s: float) -> FloatArray:
        """Reference (ny, nx) as it stood at a time; NaN at a border over which it moved in."""
        return moved_by(self.image, *self.shift_at(time_s))


def moved_by(image: FloatArray, dy: float, dx: float) -> FloatArray:
    """Image (ny, nx) moved by so many pixels; NaN at a border over which it moved in."""
    if not (dy or dx):
        return image
    moved = shift_image(image, dy, dx)
    moved[_entered(dy, moved.shape[0])] = np.nan
    moved[:, _entered(dx, moved.shape[1])] = np.nan
    return moved


def _entered(shift_px: float, count: int) -> slice:
    """Rows or columns that a shift brought in, of so many."""
    border = round(abs(shift_px))
    return slice(0, border) if shift_px > 0 else slice(count - border, count)


def still_reference(references: Sequence[Reference], seen: Sequence[Seen] = ()) -> StillReference:
    """Join the references of one position; where they do not agree the first one stands alone.

    Parameters
    ----------
    references : sequence of Reference
        One or more.
    seen : sequence of Seen
        Shifts from the first one in the air of projections, where they say more than the references.
    """
    first = references[0]
    times = [each.time_s for each in references]
    if len(references) + len(seen) < 2 or len(set(times)) < len(times):
        return StillReference(first.image, first.frames, first.time_s)
    try:
        drift = DriftingReference(np.stack([each.image for each in references]), times)
        if seen:
            drift.take([each[0] for each in seen], [SpeckleShift(*each[1:]) for each in seen])
    except ReconstructionError as error:
        return StillReference(first.image, first.frames, first.time_s, said=f"references: {error}")
    image = drift.at(first.time_s).astype(np.float32)
    frames = sum(each.frames for each in references)
    return StillReference(image, frames, first.time_s, drift, _said(drift.path.largest_px))


def _said(drift_px: float) -> str:
    """What a person must know of a drift that was taken out."""
    if drift_px < TOLD_PX:
        return ""
    return (
        f"the speckle moved by {drift_px:.1f} pixels in the course of the run, which was taken out; is the "
        "diffuser held fast? With references_every the way between is known better"
    )


def images_of(
    view: View, frames: Sequence[SpeckleFrames], references: Sequence[StillReference]
) -> tuple[FloatArray, list[tuple[float, float]]]:
    """Projections (K, ny, nx) of an angle, NaN where one was lost, and the speckle's shift in each.

    Raises
    ------
    StorageError
        A frame cannot be read.
    """
    images, shifts = [], []
    for row, each, reference in zip(view.rows, frames, references, strict=True):
        if row is None:
            images.append(np.full(reference.image.shape, np.nan, np.float32))
            shifts.append((0.0, 0.0))
            continue
        shifts.append(reference.shift_at(row.time_s))
        images.append(each.projection(row, reference.at(row.time_s)))
    return np.stack(images), shifts
