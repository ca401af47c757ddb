"""The store of retrieved fields: checkpoint of the reconstruction and source of the volume.

A file that is filled in place (`xsn_acq.live.in_place`): a process killed at any instant leaves one that
opens. A pair counts once its record says so, and a checksum over record and field finds a torn one, which is
then made again.
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from xsn_acq.analysis.alignment import PairShift
from xsn_acq.analysis.pair_retrieval import Aligned, PairField
from xsn_acq.analysis.retrieval import Field
from xsn_acq.closing import Closing
from xsn_acq.errors import ReconstructionError, StorageError
from xsn_acq.live.field_stack import FIELDS, FieldStack, read_rows
from xsn_acq.live.in_place import InPlaceFile, allocate, digest_of, make
from xsn_acq.live.lock import hold

FILE_NAME, LOCK_NAME = "fields.h5", "fields.lock"
_OF_FIELD = "of_field_"
"""Before the names of numbers that only some techniques keep."""


class FieldStore(Closing):
    """Fields of one run, in the order in which their pairs were complete.

    Parameters
    ----------
    folder : Path
        Of the run's results; the file is ``fields.h5``.
    digest : str
        Of everything the fields depend on; a file with another digest is made anew.
    capacity : int
        Pairs there may be.
    shape : (ny, nx)
        Of a field.
    iterations : int
        Length of a residual.
    numbers : sequence of str
        Names of what else is kept of each field.
    lock : int, optional
        Handle of the folder's `LOCK_NAME`, where whoever opens the store holds it already; it is duplicated.

    Raises
    ------
    StorageError
        When the file cannot be made, or another process reconstructs the same run.
    """

    def __init__(
        self,
        folder: Path,
        digest: str,
        *,
        capacity: int,
        shape: tuple[int, int],
        iterations: int,
        numbers: Sequence[str] = (),
        lock: int | None = None,
    ) -> None:
        self.path = folder / FILE_NAME
        self.shape = shape
        self.capacity = capacity
        self._type = _record_type(iterations, numbers)
        self._names = tuple(numbers)
        self._lock = hold(folder / LOCK_NAME) if lock is None else os.dup(lock)
        digest = f"{digest} {capacity} {shape} {iterations} {self._names}"
        try:
            if digest_of(self.path) != digest:
                make(self.path, digest, self._build)
            self._file = InPlaceFile(self.path, (*FIELDS, "records"), write=True)
        except OSError as error:
            os.close(self._lock)
            raise StorageError(f"field store {self.path}: cannot be opened: {error}") from error
        self._records = self._load()

    def _build(self, file: h5py.File) -> None:
        for name in FIELDS:
            data = allocate(file, name, (self.capacity, *self.shape), np.dtype("<f4"))
            data.attrs["unit"] = "rad"
        allocate(file, "records", (self.capacity,), self._type)

    def _load(self) -> np.ndarray:
        """Read the records; torn ones are taken out of the file, and the last ones fill their places."""
        raw = self._file.read("records", 0, 0, self.capacity * self._type.itemsize)
        records = np.frombuffer(raw, self._type).copy()
        done = np.flatnonzero(records["done"]).tolist()
        whole = [index for index in done if self._is_whole(records[index], index)]
        for hole in sorted(set(range(len(whole))) - set(whole)):
            last = whole.pop()
            whole.append(hole)
            self._move(records, last, hole)
            whole.sort()
        count = len(whole)
        if records["done"][count:].any():
            self._file.write("records", count, bytes((self.capacity - count) * self._type.itemsize))
        return records[:count]

    def _is_whole(self, record: np.ndarray, index: int) -> bool:
        field = b"".join(_bytes_of(values) for values in self._field(index))
        return bool(record["checksum"] == _checksum(record, field))

    def _move(self, records: np.ndarray, source: int, target: int) -> None:
        """Copy a field and its record to another place, the record last."""
        for name, values in zip(FIELDS, self._field(source), strict=True):
            self._file.write(name, target, _bytes_of(values))
        records[target] = records[source]
        self._file.write("records", target, records[target].tobytes())

    def __len__(self) -> int:
        """Pairs in the store."""
        return len(self._records)

    @property
    def frames(self) -> set[int]:
        """Index of every frame that is part of a pair in the store."""
        return {int(index) for name in ("index_0", "index_180") for index in self._records[name]}

    @property
    def theta_deg(self) -> np.ndarray:
        """Angle of each pair, degrees, in the order of `order`."""
        return np.asarray(self._records["theta_deg"][self.order])

    @property
    def order(self) -> np.ndarray:
        """Positions of the pairs by rising angle."""
        return np.argsort(self._records["theta_deg"], kind="stable")

    @property
    def residuals(self) -> np.ndarray:
        """Residual after each iteration, (pairs, iterations), in the order of `order`."""
        return np.asarray(self._records["residual"][self.order])

    @property
    def numbers(self) -> dict[str, np.ndarray]:
        """What else is known of each field by name, in the order of `order`."""
        return {name: np.asarray(self._records[_OF_FIELD + name][self.order]) for name in self._names}

    def append(self, pair: PairField) -> None:
        """Store a pair: the field first, then the record that makes it count.

        Raises
        ------
        StorageError
            When the disk is full or failing.
        ReconstructionError
            When there are more pairs than the run has frames for.
        """
        index = len(self)
        if index >= self.capacity:
            raise ReconstructionError(
                f"field store {self.path}: wanted {self.capacity} pairs at most, found more"
            )
        self._records = np.append(self._records, self._put(index, pair))

    def replace(self, pair: PairField) -> None:
        """Put a field in the place of the one that was made of the same frames.

        Raises
        ------
        StorageError
            When the disk is full or failing.
        ReconstructionError
            When there is none.
        """
        found = np.flatnonzero(
            (self._records["index_0"] == pair.index_0) & (self._records["index_180"] == pair.index_180)
        )
        if not found.size:
            raise ReconstructionError(
                f"field store {self.path}: no field of frames {pair.index_0} and {pair.index_180}"
            )
        self._records[found[0]] = self._put(int(found[0]), pair)

    def _put(self, index: int, pair: PairField) -> np.ndarray:
        """Write a pair to a place: the field first, then its record, which is returned."""
        field = _bytes_of(pair.field.alpha) + _bytes_of(pair.field.phi)
        measured = pair.aligned.measured
        record = np.zeros((), self._type)
        record["theta_deg"] = pair.theta_deg
        record["index_0"], record["index_180"] = pair.index_0, pair.index_180
        record["residual"] = pair.field.residual
        record["shift"] = measured.dy, measured.dx, measured.sigma_y, measured.sigma_x
        record["applied"] = pair.aligned.applied
        for name, value in zip(self._names, pair.numbers, strict=True):
            record[_OF_FIELD + name] = value
        record["done"] = 1
        record["checksum"] = _checksum(record, field)
        half = len(field) // 2
        self._file.write("alpha", index, field[:half])
        self._file.write("phi", index, field[half:])
        self._file.write("records", index, record.tobytes())
        return record

    def _field(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return alpha and phi of one pair, float32 (ny, nx)."""
        rows = (0, self.shape[0])
        alpha, phi = (read_rows(self._file, name, index, rows, self.shape[1]) for name in FIELDS)
        return alpha, phi

    def pairs(self) -> Iterator[PairField]:
        """Read the pairs one by one, in the order in which they were stored."""
        for index, record in enumerate(self._records):
            alpha, phi = self._field(index)
            residual = tuple(float(value) for value in record["residual"])
            yield PairField(
                int(record["index_0"]),
                int(record["index_180"]),
                float(record["theta_deg"]),
                Field(alpha, phi, residual),
                _aligned(record),
                tuple(float(record[_OF_FIELD + name]) for name in self._names),
            )

    @property
    def alignment(self) -> list[Aligned]:
        """Shift of each pair, in the order of `order`."""
        return [_aligned(self._records[index]) for index in self.order]

    def pairs_of_frames(self) -> list[tuple[int, int, float]]:
        """Return (index_0, index_180, theta_deg) of each pair, in the order in which they were stored."""
        columns = (self._records[name].tolist() for name in ("index_0", "index_180", "theta_deg"))
        return list(zip(*columns, strict=True))

    def stack(self, step: slice = slice(None)) -> FieldStack:
        """Return the fields as one complex array on disk, by rising angle; ``step`` takes some of them."""
        return FieldStack(self._file, self.order[step], self.shape)

    @property
    def fingerprint(self) -> bytes:
        """All records by rising angle, checksums included: it changes when any field does."""
        return self._records[self.order].tobytes()

    def flush(self) -> None:
        """Wait until all fields are on the disk, where other machines see them."""
        self._file.flush()

    def close(self) -> None:
        """Close the file and let other processes have it."""
        if self._lock >= 0:
            self._file.close()
            os.close(self._lock)
            self._lock = -1


def _aligned(record: Any) -> Aligned:
    return Aligned(PairShift(*record["shift"].tolist()), tuple(record["applied"].tolist()))


def _record_type(iterations: int, numbers: Sequence[str]) -> np.dtype:
    return np.dtype(
        [
            ("done", "<u4"),
            ("checksum", "<u4"),
            ("theta_deg", "<f8"),
            ("index_0", "<i8"),
            ("index_180", "<i8"),
            ("residual", "<f8", (iterations,)),
            ("shift", "<f8", (4,)),
            ("applied", "<f8", (2,)),
            *((_OF_FIELD + name, "<f8") for name in numbers),
        ]
    )


def _bytes_of(values: Any) -> bytes:
    return np.ascontiguousarray(values, "<f4").tobytes()


def _checksum(record: Any, field: bytes) -> int:
    """CRC-32 over a field and its record, less the checksum itself."""
    bare = record.copy()
    bare["checksum"] = 0
    return zlib.crc32(field, zlib.crc32(bare.tobytes()))
