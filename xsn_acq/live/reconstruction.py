"""One scan's reconstruction: rows in, fields in the store, the volume at the end.

The live worker pushes rows as they come; offline they are retrieved chunk by chunk. The end is the same.
"""

import hashlib
import json
import logging
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from shutil import disk_usage

import numpy as np

from xsn_acq.analysis.orthoslices import Plane
from xsn_acq.analysis.pair_retrieval import PairField
from xsn_acq.analysis.pairing import NO_PARTNER, Pairing, Shot
from xsn_acq.analysis.rings import NONE
from xsn_acq.analysis.xsn_settings import XsnSettings
from xsn_acq.analysis.xsn_stream import Preview, Quantity, XsnStream
from xsn_acq.closing import Closing
from xsn_acq.errors import ReconstructionError, StorageError
from xsn_acq.live.aligning import misaligned
from xsn_acq.live.chunks import PlainPair, retrieval_job, retrieve
from xsn_acq.live.executors import Executor, InProcess
from xsn_acq.live.fields import FILE_NAME as FIELDS_NAME
from xsn_acq.live.fields import FieldStore
from xsn_acq.live.frames import ScanFrames
from xsn_acq.live.report import report_on
from xsn_acq.live.scan import Scan, ScanRow, good_rows, scan_row
from xsn_acq.live.settings import (
    expected_fields,
    expected_pairs,
    expected_projections,
    frame_shape,
    parameters,
    xsn_settings,
)
from xsn_acq.live.volume import FILE_NAME as VOLUME_NAME
from xsn_acq.live.volume_writing import PART_NAME, write_volume
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.storage.run import RunRecord

Progress = Callable[[str, int, int], None]
"""Called with the stage, ``retrieval``, ``alignment`` or ``volume``, and how many of how many pairs or rows
are done."""
_log = logging.getLogger(__name__)

_REAL_BYTES, _FRAME_BYTES, _BLOCK_BYTES = 4, 2, 512
"""Of a float32, of a camera pixel at most, and of the unit in which a file system counts."""
SPARE_PAIRS = 8
"""Room in the store beyond the pairs foreseen: a camera that runs freely may give some more frames."""
_CHUNK_BYTES, _CHUNK_PAIRS = 32 * 2**20, 4
"""Fields of one chunk at most."""


@dataclass(frozen=True)
class Paths:
    """Files of a reconstruction."""

    volume: Path
    fields: Path


class Reconstruction(Closing):
    """From rows to the volume; what was retrieved before is taken from the store.

    Parameters
    ----------
    scan : Scan
        Whose darks and flats have come.
    folder : Path
        Of the scan's results.
    record : RunRecord, optional
        The scan's run, where there is one: the report tells more of it.

    Raises
    ------
    ReconstructionError, StorageError
        When the scan lacks what is needed, or another process has the folder.
    """

    def __init__(self, scan: Scan, folder: Path, record: RunRecord | None = None) -> None:
        self.scan = scan
        self._record = record
        self._known: dict[int, ScanRow] = {}
        capacity = max((expected_projections(scan.start) + 1) // 2, expected_fields(scan.start)) + SPARE_PAIRS
        shape = frame_shape(scan.start)
        require_room(scan, folder, capacity)
        self._frames = ScanFrames(scan)
        if self._frames.dark.shape != shape:
            raise ReconstructionError(
                f"run {scan.uid[:8]}: wanted frames of {shape} pixels as the start document says, "
                f"found {self._frames.dark.shape}"
            )
        self.settings = _with_noise(xsn_settings(scan.start), self._frames.noise)
        self._digest = _digest(scan, self.settings, self._frames)
        iterations = self.settings.iterations
        self.store = FieldStore(folder, self._digest, capacity=capacity, shape=shape, iterations=iterations)
        self._folder = folder

    @property
    def pairs(self) -> int:
        """Number of fields so far."""
        return len(self.store)

    def retrieve(self, rows: Sequence[ScanRow], executor: Executor, progress: Progress | None = None) -> None:
        """Retrieve the fields of all pairs among the rows that are not in the store yet.

        Raises
        ------
        StorageError
            When a frame cannot be read, or a field not written.
        """
        self._known.update((row.index, row) for row in rows)
        left = self._pairs_of(rows)
        total = self.pairs + len(left)
        tell(progress, "retrieval", self.pairs, total)
        for field in self._retrieved(left, executor):
            self.store.append(field)
            tell(progress, "retrieval", self.pairs, total)

    def _retrieved(self, pairs: Sequence[PlainPair], executor: Executor) -> Iterator[PairField]:
        """Fields of pairs, in any order."""
        size = int(np.clip(_CHUNK_BYTES // (2 * _REAL_BYTES * np.prod(self.store.shape)), 1, _CHUNK_PAIRS))
        job = retrieval_job(self.scan, self.settings, self._digest, threads=executor.threads)
        tasks = [(job, pairs[start : start + size]) for start in range(0, len(pairs), size)]
        for _, fields in executor.map(retrieve, tasks):
            yield from fields

    def _pairs_of(self, rows: Sequence[ScanRow]) -> list[PlainPair]:
        """Return the pairs among the rows, and what is retrieved alone, without what is in the store."""
        pairing = Pairing(self.settings.step_deg)
        for known in self.store.pairs_of_frames():
            pairing.push_pair(*known)
        done = self.store.frames
        by_index: dict[int, ScanRow] = {}
        pairs: list[PlainPair] = []
        for row in rows:
            if row.index in done or row.index in by_index or pairing.has_seen(row.theta_deg):
                continue
            by_index[row.index] = row
            partner = pairing.push(Shot(row.index, row.theta_deg))
            if partner is not None:
                pairs.append((astuple(by_index[partner.index]), astuple(row), None))
        if self.settings.beta_over_delta and not expected_pairs(self.scan.start):
            pairs += [(astuple(by_index[shot.index]), None, None) for shot in pairing.alone]
        return pairs

    def finish(self, executor: Executor | None = None, progress: Progress | None = None) -> Paths:
        """Take out the shifts of the pairs, write the volume, slab by slab from the store, and its report.

        Raises
        ------
        ReconstructionError
            When no two frames were half a turn apart.
        """
        if executor is None:
            with InProcess() as here:
                return self.finish(here, progress)
        self._align(executor, progress)
        path = self._folder / VOLUME_NAME
        write_volume(
            path,
            self.store,
            self.settings.slicing,
            parameters(self.settings),
            self.scan.start,
            executor=executor,
            progress=lambda done, total: tell(progress, "volume", done, total),
        )
        report_on(path, self._record)
        return Paths(path, self.store.path)

    def _align(self, executor: Executor, progress: Progress | None) -> None:
        """Retrieve again the pairs whose shift, judged by those of all pairs, is not taken out yet."""
        frames = self.store.pairs_of_frames()
        known = zip((frames[index] for index in self.store.order), self.store.alignment, strict=True)
        pairs = [(first, second, aligned) for (first, second, _), aligned in known if second != NO_PARTNER]
        again: list[PlainPair] = []
        for position, aligned in misaligned([aligned for _, _, aligned in pairs]).items():
            first, second, _ = pairs[position]
            again.append((astuple(self._known[first]), astuple(self._known[second]), aligned))
        if not again:
            return
        _log.info("%d of %d pairs are retrieved again, their shift taken out", len(again), self.pairs)
        for done, field in enumerate(self._retrieved(again, executor), 1):
            self.store.replace(field)
            tell(progress, "alignment", done, len(again))

    def close(self) -> None:
        """Close the files."""
        self._frames.close()
        self.store.close()


class GrowingReconstruction(Reconstruction):
    """A reconstruction of a run that goes on: frame by frame, with previews and slices that grow.

    Parameters are those of `Reconstruction`.
    """

    def __init__(self, scan: Scan, folder: Path, record: RunRecord | None = None) -> None:
        super().__init__(scan, folder, record)
        shape = self.store.shape
        self._stream = XsnStream(self.settings, np.zeros(shape), np.ones(shape), read=self._read)
        for pair in self.store.pairs():
            self._stream.push_field(pair)
        self._in_store = self.store.frames

    def has_frame(self, row: ScanRow) -> bool:
        """Whether the frame of a row can be read now."""
        return self._frames.has(row.index)

    def push(self, row: ScanRow, *, preview: bool = True) -> list[Preview | PairField]:
        """Take a good projection: its frame is read; a pair is in the store when this returns.

        Raises
        ------
        StorageError
            When the frame cannot be read; nothing is changed then.
        """
        if row.index in self._in_store or row.index in self._known:
            return []
        frame = self._frames.transmission(row)
        results = self._stream.push(row.index, row.theta_deg, frame, preview=preview)
        self._known[row.index] = row
        for result in results:
            if isinstance(result, PairField):
                self.store.append(result)
        return results

    def finish(self, executor: Executor | None = None, progress: Progress | None = None) -> Paths:
        """See `Reconstruction.finish`; rows that were in the store already are taken from the run."""
        if self._record is not None:
            rows = (scan_row(row) for row in good_rows(self._record.ledger))
            self._known.update((row.index, row) for row in rows)
        return super().finish(executor, progress)

    def slices(self) -> dict[Quantity, dict[Plane, FloatArray]]:
        """Orthoslices of delta and beta so far, see `xsn_acq.analysis.orthoslices.Orthoslices`."""
        return self._stream.value()

    def _read(self, index: int) -> FloatArray:
        return self._frames.transmission(self._known[index])


def _with_noise(settings: XsnSettings, noise: float | None) -> XsnSettings:
    """Settings with the noise that the flats show, in three digits: it only weighs what is regularised."""
    return settings if noise is None else replace(settings, noise=float(f"{noise:.3g}"))


def tell(progress: Progress | None, stage: str, done: int, total: int) -> None:
    """Say how far a stage is, to whoever wants to know."""
    if progress is not None:
        progress(stage, done, total)


def require_room(scan: Scan, folder: Path, pairs: int) -> None:
    """Refuse results that would not fit, or that would take the room of frames still to come."""
    ny, nx = frame_shape(scan.start)
    results = 2 * _REAL_BYTES * ny * nx * (pairs + nx)  # fields and volume, two quantities each
    begun = (path for name in (FIELDS_NAME, PART_NAME) if (path := folder / name).exists())
    there = sum(path.stat().st_blocks * _BLOCK_BYTES for path in begun)
    frames = scan.frames_to_come * ny * nx * _FRAME_BYTES
    wanted = max(0, results - there) + frames
    free = disk_usage(next(place for place in (folder, *folder.parents) if place.is_dir())).free
    if free < wanted:
        raise StorageError(
            f"results folder {folder}: wanted {wanted / 1e9:.2f} GB free ({frames / 1e9:.2f} GB of it for "
            f"frames still to come), found {free / 1e9:.2f} GB; make space, then "
            f"xsn-acq reconstruct {scan.uid[:8]}"
        )


def _digest(scan: Scan, settings: XsnSettings, frames: ScanFrames) -> str:
    """Fingerprint of all that the fields depend on, apart from the projections of a run themselves."""
    images = [zlib.crc32(image.tobytes()) for image in (frames.dark, *frames.flats)]
    times = [flat.time_s for flat in scan.flats]
    fields = parameters(replace(settings, rings=NONE))  # rings are of the volume alone
    known = [version("xsn_acq"), scan.uid, scan.fingerprint, fields, images, times]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()
