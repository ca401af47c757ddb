"""What the air beside the sample says of the speckle's drift between the references of a position."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from xsn_acq.analysis.pwf.air import STRIP_COLUMNS, air_region
from xsn_acq.analysis.pwf.drift import SpeckleShift, speckle_shift
from xsn_acq.errors import ReconstructionError
from xsn_acq.live.scan import ScanRow
from xsn_acq.live.speckle_drift import Seen, StillReference, still_reference
from xsn_acq.live.speckle_frames import SpeckleFrames
from xsn_acq.optics.arrays import FloatArray

FOLLOWED, _LOOKED_AT = 48, 8
"""Projections in which the drift is measured, and those that tell where there is air."""
_LEAST_COLUMNS, _PART = 24, 8
"""A strip is a part of the width, between this and `STRIP_COLUMNS`."""
_MORE_PX, _MORE_SIGMA = 0.1, 4.0
"""Less than this beside the references' own path is left: the rim of a sample in the strip bends light by up
to 0.08 pixels."""
_FEWEST = 3
_UNKNOWN = (
    "references: wanted a second set, or air beside the sample, found neither: whether the speckle moved is "
    "not known; leave references_after on"
)


@dataclass(frozen=True)
class Followed:
    """The reference of a position with all that is known of its drift.

    Attributes
    ----------
    reference : StillReference
    seen : tuple of Seen
        Drift in the air of projections; empty where the references say as much.
    drift_px : float or None
        Largest; None where neither references nor air tell it.
    """

    reference: StillReference
    seen: tuple[Seen, ...]
    drift_px: float | None

    @property
    def warnings(self) -> list[str]:
        """What a person must know, one line each."""
        unknown = [_UNKNOWN] if self.drift_px is None and not self.reference.said else []
        return [*unknown, *filter(None, [self.reference.said])]


def follow(frames: SpeckleFrames, rows: Sequence[ScanRow]) -> Followed:
    """Join the references of a position, and look for drift between them in the air of some projections.

    Parameters
    ----------
    frames : SpeckleFrames
    rows : sequence of ScanRow
        Projections of that position.

    Raises
    ------
    StorageError
        A frame cannot be read.
    """
    still = still_reference(frames.references)
    region = _air(still, frames, rows)
    shifts = [] if region is None else list(_shifts(still, frames, _some(rows, FOLLOWED), region))
    if sum(_is_more(still, row, shift) for row, shift in shifts) < _FEWEST:
        known = still.drift is not None or len(shifts) >= _FEWEST
        return Followed(still, (), still.largest_px if known else None)
    seen = tuple((row.time_s, each.dy, each.dx, each.sigma_y, each.sigma_x) for row, each in shifts)
    moving = still_reference(frames.references, seen)
    return Followed(moving, seen, moving.largest_px)


def _some(rows: Sequence[ScanRow], count: int) -> list[ScanRow]:
    """So many rows, evenly over the time."""
    ordered = sorted((row for row in rows if math.isfinite(row.time_s)), key=lambda row: row.time_s)
    places = np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int)
    return [ordered[place] for place in sorted(set(places.tolist()))]


def _air(still: StillReference, frames: SpeckleFrames, rows: Sequence[ScanRow]) -> tuple[slice, slice] | None:
    columns = int(np.clip(still.image.shape[1] // _PART, _LEAST_COLUMNS, STRIP_COLUMNS))
    if frames.noise is None or min(still.image.shape) < 2 * _LEAST_COLUMNS:
        return None
    noise = frames.noise * math.sqrt(1 + 1 / still.frames + 1 / frames.flat_frames)
    return air_region(still.image, _images(still, frames, _some(rows, _LOOKED_AT)), noise, columns=columns)


def _images(still: StillReference, frames: SpeckleFrames, rows: Sequence[ScanRow]) -> Iterator[FloatArray]:
    for row in rows:
        yield frames.projection(row, still.image)


def _shifts(
    still: StillReference, frames: SpeckleFrames, rows: Sequence[ScanRow], region: tuple[slice, slice]
) -> Iterator[tuple[ScanRow, SpeckleShift]]:
    """Shift of each projection that shows the reference's speckle in the region."""
    for row, image in zip(rows, _images(still, frames, rows), strict=True):
        try:
            yield row, speckle_shift(still.image, image, region)
        except ReconstructionError:
            continue


def _is_more(still: StillReference, row: ScanRow, shift: SpeckleShift) -> bool:
    """Whether the air says clearly more than the references."""
    dy, dx = still.shift_at(row.time_s)
    beside = ((shift.dy - dy, shift.sigma_y), (shift.dx - dx, shift.sigma_x))
    return any(abs(off) > max(_MORE_PX, _MORE_SIGMA * sigma) for off, sigma in beside)
