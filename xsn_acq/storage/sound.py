"""A run that came to no good end, as far as its files really hold what its journal tells.

A writer that was killed may leave a file with fewer frames than were announced, or with room for a frame
whose counts were never written: such a frame reads zeros.
"""

import logging

import numpy as np

from xsn_acq.errors import StorageError
from xsn_acq.storage.frames import FrameReader
from xsn_acq.storage.journal import RunSummary
from xsn_acq.storage.run import Row, RunRecord

_PROJECTIONS = "projections"
_log = logging.getLogger(__name__)


def sound_record(run: RunSummary) -> RunRecord:
    """Read a run; of one that did not succeed, frames that are not in their file have no good row.

    Every stream of frames counts no more frames than its file has; a row of the ledger whose frame is not
    there, or reads zeros, is "lost".

    Raises
    ------
    StorageError
        When the journal cannot be read.
    """
    record = RunRecord.from_journal(run.path)
    if run.exit_status == "success":
        return record
    for name in [name for name, stream in record.streams.items() if stream.n_frames]:
        there = _frames_there(record, name)
        ledger = [_kept(row, there) for row in record.ledger] if name == _PROJECTIONS else record.ledger
        record.correct(name, len(there), ledger)
    return record


def good_targets(record: RunRecord) -> frozenset[int]:
    """Targets whose frame is there and beyond doubt."""
    return frozenset(int(row["target"]) for row in record.ledger if row["status"] == "ok")


def _frames_there(record: RunRecord, stream: str) -> np.ndarray:
    """For each frame announced that its file has room for: whether it has counts."""
    announced = record.streams[stream].n_frames
    try:
        with FrameReader(record.streams[stream].resource) as frames:
            return np.array([frames.frame(index).any() for index in range(min(announced, len(frames)))], bool)
    except (StorageError, OSError) as error:
        _log.warning("run %s: its %s do not count: %s", record.uid[:8], stream, error)
        return np.zeros(0, bool)


def _kept(row: Row, there: np.ndarray) -> Row:
    index = row["frame_index"]
    if 0 <= index < len(there) and there[index]:
        return row
    return row | {"frame_index": -1, "status": "lost"}
