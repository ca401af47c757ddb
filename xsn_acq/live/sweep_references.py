"""How far the pattern that is taken again and again stood from where it was at first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xsn_acq.analysis.nxsci.patterns import register_passes
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.storage.run import Row
from xsn_acq.storage.sweep import SweepReader


@dataclass(frozen=True)
class ReferenceShift:
    """Of one frame of a reference pattern from the first one of it; both with the sample.

    Attributes
    ----------
    pattern : int
    time_s : float
        Unix seconds.
    shift : (rows, columns) or None
        Pixels; None where it could not be told.
    """

    pattern: int
    time_s: float
    shift: tuple[float, float] | None


def reference_shifts(reader: SweepReader, rows: Sequence[Row]) -> list[ReferenceShift]:
    """Register the texture of each frame with the first of its pattern, see `register_passes`.

    Parameters
    ----------
    reader : SweepReader
    rows : sequence of row
        Of references, each with a frame, in the order in which they were taken.

    Raises
    ------
    StorageError
        A frame or the dark cannot be read.
    """
    if not rows:
        return []
    dark = reader.dark()
    first: dict[int, FloatArray] = {}
    found = []
    for row in rows:
        image = reader.frames([row["frame"]]) - dark
        before = first.setdefault(int(row["pattern"]), image)
        found.append(ReferenceShift(int(row["pattern"]), float(row["ended"]), _shift(before, image)))
    return found


def _shift(before: FloatArray, image: FloatArray) -> tuple[float, float] | None:
    passes = register_passes(before, image)
    if not np.isfinite(passes.sigma).all():
        return None
    return float(passes.shift[0, 0]), float(passes.shift[0, 1])
