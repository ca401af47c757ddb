"""Frames of a run as transmission: dark and flat taken out, also while the files grow."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from xsn_acq.analysis.flatfield import mean_frame, normalise
from xsn_acq.closing import Closing
from xsn_acq.errors import ReconstructionError, StorageError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.storage.frames import FrameReader
from xsn_acq.storage.run import Row, RunRecord

_BLOCK = 32
"""Frames averaged at once: memory does not grow with their number."""


def mean_of(reader: FrameReader, count: int) -> FloatArray:
    """Mean of the first ``count`` frames of a file, float32 (ny, nx), read block by block."""
    total = np.zeros(reader.shape, np.float64)
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        total += mean_frame(reader.read(start, stop)) * np.float64(stop - start)
    return (total / count).astype(np.float32)


def good_rows(rows: Sequence[Row]) -> list[Row]:
    """Rows of the ledger whose frame is there and beyond doubt."""
    return [row for row in rows if row["status"] == "ok" and row["frame_index"] >= 0]


class RunFrames(Closing):
    """Projections of one run over its flats.

    With flats before and after, and a span of time, the flat of a frame lies between both, in proportion to
    the frame's time in the span; else there is one flat for all, the first.

    Parameters
    ----------
    record : RunRecord
        Of a run whose darks and (unless they come after) flats are announced.
    span_s : (float, float), optional
        Times of the first and last projection, seconds.

    Raises
    ------
    ReconstructionError
        When there are no darks, no flats or no projections.
    StorageError
        When a file is missing or shorter than announced.
    """

    def __init__(self, record: RunRecord, *, span_s: tuple[float, float] | None = None) -> None:
        self._span_s = span_s
        self.dark = stream_mean(record, "darks")
        names = [name for name in ("flats", "flats_after") if has_frames(record, name)]
        if not names:
            _require_frames(record, "flats")
        self.flats = [stream_mean(record, name) for name in (names if span_s else names[:1])]
        _require_frames(record, "projections")
        self._reader = FrameReader(record.streams["projections"].resource)

    def has(self, index: int) -> bool:
        """Whether a frame can be read now; where it cannot, the file is opened anew next time."""
        try:
            if index < len(self._reader):
                return True
        except (StorageError, OSError):
            pass
        self._reader.close()
        return False

    def transmission(self, row: Row) -> FloatArray:
        """Transmission of the frame of a ledger row, float32 (ny, nx): 0 is dark, 1 is the flat.

        Raises
        ------
        StorageError
            When the frame is not in the file (yet).
        """
        return normalise(self._reader.frame(int(row["frame_index"])), self.dark, self._flat(row))

    def _flat(self, row: Row) -> FloatArray:
        if self._span_s is None or len(self.flats) == 1:
            return self.flats[0]
        part = np.float32(np.interp(row["frame_time"], self._span_s, (0.0, 1.0)))
        return self.flats[0] + part * (self.flats[1] - self.flats[0])

    def close(self) -> None:
        """Close the file of projections."""
        self._reader.close()


def has_frames(record: RunRecord, stream: str) -> bool:
    """Whether frames of a stream are announced."""
    return stream in record.streams and record.streams[stream].n_frames > 0


def _require_frames(record: RunRecord, stream: str) -> None:
    if not has_frames(record, stream):
        raise ReconstructionError(
            f"run {record.uid[:8]}: wanted {stream}, found none; the run ended too early to be reconstructed"
        )


def stream_mean(record: RunRecord, stream: str) -> FloatArray:
    """Mean of all frames of a stream, float32 (ny, nx).

    Raises
    ------
    ReconstructionError
        When the stream has no frames.
    StorageError
        When its file is missing or shorter than announced.
    """
    _require_frames(record, stream)
    info: Any = record.streams[stream]
    with FrameReader(info.resource) as reader:
        return mean_of(reader, info.n_frames)
