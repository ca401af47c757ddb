"""One run's reconstruction: ledger rows in, fields and slices out, the volume at the end.

The live worker pushes rows as they come, the offline command all at once: same object, same result.
"""

import hashlib
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage

import numpy as np

from xsn_acq.analysis.orthoslices import Plane
from xsn_acq.analysis.xsn_stream import PairField, Preview, Quantity, XsnSettings, XsnStream
from xsn_acq.closing import Closing
from xsn_acq.errors import ReconstructionError, StorageError
from xsn_acq.live.fields import FieldStore
from xsn_acq.live.frames import RunFrames
from xsn_acq.live.report import report_on
from xsn_acq.live.settings import expected_projections, frame_shape, parameters, xsn_settings
from xsn_acq.live.volume import FILE_NAME as VOLUME_NAME
from xsn_acq.live.volume import write_volume
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.storage.run import Row, RunRecord

_REAL_BYTES, _FRAME_BYTES, _BLOCK_BYTES = 4, 2, 512
"""Of a float32, of a camera pixel at most, and of the unit in which a file system counts."""
SPARE_PAIRS = 8
"""Room in the store beyond the pairs foreseen: a camera that runs freely may give some more frames."""


@dataclass(frozen=True)
class Paths:
    """Files of a reconstruction."""

    volume: Path
    fields: Path


class Reconstruction(Closing):
    """From ledger rows to the volume; what was retrieved before is taken from the store.

    Parameters
    ----------
    record : RunRecord
        Run whose start document, darks and flats have come.
    folder : Path
        Of the run's results.
    span_s : (float, float), optional
        See `RunFrames`.

    Raises
    ------
    ReconstructionError, StorageError
        When the run lacks what is needed, or another process has the folder.
    """

    def __init__(self, record: RunRecord, folder: Path, *, span_s: tuple[float, float] | None = None) -> None:
        self.record = record
        self.settings = xsn_settings(record.start)
        capacity = (expected_projections(record.start) + 1) // 2 + SPARE_PAIRS
        _require_room(record, folder, capacity)
        self._rows: dict[int, Row] = {}
        self._frames = RunFrames(record, span_s=span_s)
        shape = frame_shape(record.start)
        if self._frames.dark.shape != shape:
            raise ReconstructionError(
                f"run {record.uid[:8]}: wanted frames of {shape} pixels as the start document says, "
                f"found {self._frames.dark.shape}"
            )
        self._stream = XsnStream(self.settings, np.zeros(shape), np.ones(shape), read=self._read)
        self.store = FieldStore(
            folder,
            _digest(self.settings, self._frames),
            capacity=capacity,
            shape=shape,
            iterations=self.settings.iterations,
        )
        self._folder = folder
        for pair in self.store.pairs():
            self._stream.push_field(pair)
        self._in_store = self.store.frames

    @property
    def pairs(self) -> int:
        """Number of fields so far."""
        return len(self.store)

    def has_frame(self, row: Row) -> bool:
        """Whether the frame of a ledger row can be read now."""
        return self._frames.has(int(row["frame_index"]))

    def push(self, row: Row, *, preview: bool = True) -> list[Preview | PairField]:
        """Take a good row of the ledger: its frame is read; a pair is in the store when this returns.

        Raises
        ------
        StorageError
            When the frame cannot be read; nothing is changed then.
        """
        index = int(row["frame_index"])
        if index in self._in_store or index in self._rows:
            return []
        frame = self._frames.transmission(row)
        self._rows[index] = row
        results = self._stream.push(index, float(row["theta_mid_deg"]), frame, preview=preview)
        for result in results:
            if isinstance(result, PairField):
                self.store.append(result)
        return results

    def slices(self) -> dict[Quantity, dict[Plane, FloatArray]]:
        """Orthoslices of delta and beta so far, see `xsn_acq.analysis.orthoslices.Orthoslices`."""
        return self._stream.value()

    def finish(self) -> Paths:
        """Write the volume, slab by slab from the store, and its report.

        Raises
        ------
        ReconstructionError
            When no two frames were half a turn apart.
        """
        path = self._folder / VOLUME_NAME
        write_volume(path, self.store, self.settings, self.record.start)
        report_on(path, self.record)
        return Paths(path, self.store.path)

    def _read(self, index: int) -> FloatArray:
        return self._frames.transmission(self._rows[index])

    def close(self) -> None:
        """Close the files."""
        self._frames.close()
        self.store.close()


def _require_room(record: RunRecord, folder: Path, pairs: int) -> None:
    """Refuse results that would not fit, or that would take the room of frames still to come."""
    ny, nx = frame_shape(record.start)
    results = 2 * _REAL_BYTES * ny * nx * (pairs + nx)  # fields and volume, two quantities each
    there = sum(path.stat().st_blocks * _BLOCK_BYTES for path in folder.glob("*.h5"))
    expected = record.start["acquisition"]["expected"]
    taken = sum(record.streams[name].n_frames for name in expected if name in record.streams)
    frames = 0 if record.complete else max(0, sum(expected.values()) - taken) * ny * nx * _FRAME_BYTES
    wanted = max(0, results - there) + frames
    free = disk_usage(next(place for place in (folder, *folder.parents) if place.is_dir())).free
    if free < wanted:
        raise StorageError(
            f"results folder {folder}: wanted {wanted / 1e9:.2f} GB free ({frames / 1e9:.2f} GB of it for "
            f"frames still to come), found {free / 1e9:.2f} GB; make space, then "
            f"xsn-acq reconstruct {record.uid[:8]}"
        )


def _digest(settings: XsnSettings, frames: RunFrames) -> str:
    """Fingerprint of all that the fields depend on, apart from the projections themselves."""
    images = [zlib.crc32(image.tobytes()) for image in (frames.dark, *frames.flats)]
    return hashlib.sha256(json.dumps([parameters(settings), images]).encode()).hexdigest()
