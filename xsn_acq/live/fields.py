"""The store of retrieved fields: checkpoint of the reconstruction and source of the volume.

An HDF5 file whose datasets are contiguous and allocated when it is made: from then on only raw values change,
in place, and never its structure. So a process killed at any instant leaves a file that opens. A pair counts
once its record says so, and a checksum over record and field finds a torn one, which is then made again.
"""

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from xsn_acq.analysis.retrieval import Field
from xsn_acq.analysis.xsn_stream import PairField
from xsn_acq.closing import Closing
from xsn_acq.errors import ReconstructionError, StorageError
from xsn_acq.live.lock import hold
from xsn_acq.optics.arrays import ComplexArray

FILE_NAME = "fields.h5"
_QUANTITIES = ("alpha", "phi")


@dataclass(frozen=True)
class _Place:
    """Where a dataset's bytes lie in the file."""

    offset: int
    item_bytes: int


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

    Raises
    ------
    StorageError
        When the file cannot be made, or another process reconstructs the same run.
    """

    def __init__(
        self, folder: Path, digest: str, *, capacity: int, shape: tuple[int, int], iterations: int
    ) -> None:
        self.path = folder / FILE_NAME
        self.shape = shape
        self.capacity = capacity
        self._type = _record_type(iterations)
        self._lock = hold(folder / "fields.lock")
        digest = f"{digest} {capacity} {shape} {iterations}"
        try:
            if _digest_of(self.path) != digest:
                self._make(digest)
            self._places = self._find()
            self._file = os.open(self.path, os.O_RDWR)
        except OSError as error:
            os.close(self._lock)
            raise StorageError(f"field store {self.path}: cannot be opened: {error}") from error
        self._records = self._load()

    def _make(self, digest: str) -> None:
        """Make the empty file under another name, then give it its own: it is there whole or not at all."""
        part = self.path.with_suffix(".part")
        with h5py.File(part, "w") as file:
            for name in _QUANTITIES:
                data = _allocated(file, name, (self.capacity, *self.shape), np.dtype("<f4"))
                data.attrs["unit"] = "rad"
            _allocated(file, "records", (self.capacity,), self._type)
            file.attrs["digest"] = digest
        os.replace(part, self.path)

    def _find(self) -> dict[str, _Place]:
        with h5py.File(self.path, "r", locking=False) as file:
            return {
                name: _Place(data.id.get_offset(), data.id.get_storage_size() // self.capacity)
                for name, data in file.items()
            }

    def _load(self) -> np.ndarray:
        """Read the records up to the first torn one; it and what follows are taken out of the file too."""
        raw = os.pread(self._file, self.capacity * self._type.itemsize, self._places["records"].offset)
        records = np.frombuffer(raw, self._type).copy()
        count = int(np.argmin(records["done"])) if not records["done"].all() else self.capacity
        for index in range(count):
            field = self._raw_field(index)
            if records[index]["checksum"] != _checksum(records[index], field):
                count = index
                break
        if records["done"][count:].any():
            self._write("records", count, bytes((self.capacity - count) * self._type.itemsize))
        return records[:count]

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
        field = _bytes_of(pair.field.alpha) + _bytes_of(pair.field.phi)
        record = np.zeros((), self._type)
        record["theta_deg"] = pair.theta_deg
        record["index_0"], record["index_180"] = pair.index_0, pair.index_180
        record["residual"] = pair.field.residual
        record["done"] = 1
        record["checksum"] = _checksum(record, field)
        half = len(field) // 2
        self._write("alpha", index, field[:half])
        self._write("phi", index, field[half:])
        self._write("records", index, record.tobytes())
        self._records = np.append(self._records, record)

    def _write(self, name: str, index: int, content: bytes) -> None:
        place = self._places[name]
        offset, view = place.offset + index * place.item_bytes, memoryview(content)
        try:
            while view:
                done = os.pwrite(self._file, view, offset)
                view, offset = view[done:], offset + done
        except OSError as error:
            raise StorageError(
                f"field store {self.path}: cannot be written: {error.strerror}; free disk space"
            ) from error

    def _raw_field(self, index: int) -> bytes:
        return b"".join(self.rows(name, index, 0, self.shape[0]) for name in _QUANTITIES)

    def rows(self, name: str, index: int, start: int, stop: int) -> bytes:
        """Bytes of rows ``start`` to ``stop - 1`` of one field; ``name`` is ``alpha`` or ``phi``."""
        place, row = self._places[name], 4 * self.shape[1]
        return os.pread(
            self._file, (stop - start) * row, place.offset + index * place.item_bytes + start * row
        )

    def pairs(self) -> Iterator[PairField]:
        """Read the pairs one by one, in the order in which they were stored."""
        for index, record in enumerate(self._records):
            alpha, phi = (
                np.frombuffer(self.rows(name, index, 0, self.shape[0]), "<f4").reshape(self.shape)
                for name in _QUANTITIES
            )
            residual = tuple(float(value) for value in record["residual"])
            yield PairField(
                int(record["index_0"]),
                int(record["index_180"]),
                float(record["theta_deg"]),
                Field(alpha, phi, residual),
            )

    def stack(self, step: slice = slice(None)) -> "FieldStack":
        """Return the fields as one complex array on disk, by rising angle; ``step`` takes some of them."""
        return FieldStack(self, self.order[step])

    def close(self) -> None:
        """Close the file and let other processes have it."""
        if self._lock >= 0:
            os.close(self._file)
            os.close(self._lock)
            self._lock = -1


class FieldStack:
    """Fields alpha + i phi as a complex64 array (n_angles, ny, nx) that stays on disk until rows are read.

    Made by `FieldStore.stack`; ``stack[:, rows, :]`` is what can be asked.
    """

    def __init__(self, store: FieldStore, order: np.ndarray) -> None:
        self._store = store
        self._order = order

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_angles, ny, nx)."""
        return (len(self._order), *self._store.shape)

    def __getitem__(self, key: tuple[slice, slice, slice]) -> ComplexArray:
        """Read ``[:, rows, :]``: those rows of all fields."""
        start, stop, _ = key[1].indices(self._store.shape[0])
        block = np.empty((len(self._order), stop - start, self._store.shape[1]), np.complex64)
        for position, index in enumerate(self._order):
            for name, part in (("alpha", block.real), ("phi", block.imag)):
                raw = self._store.rows(name, int(index), start, stop)
                part[position] = np.frombuffer(raw, "<f4").reshape(part.shape[1:])
        return block


def _record_type(iterations: int) -> np.dtype:
    return np.dtype(
        [
            ("done", "<u4"),
            ("checksum", "<u4"),
            ("theta_deg", "<f8"),
            ("index_0", "<i8"),
            ("index_180", "<i8"),
            ("residual", "<f8", (iterations,)),
        ]
    )


def _allocated(file: h5py.File, name: str, shape: tuple[int, ...], kind: np.dtype) -> h5py.Dataset:
    """Make a contiguous dataset whose place in the file is fixed now; its zeros take no room on disk yet."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space = h5py.h5s.create_simple(shape)
    identifier = h5py.h5d.create(
        file.id, name.encode(), h5py.h5t.py_create(kind, logical=True), space, dcpl=properties
    )
    return h5py.Dataset(identifier)


def _digest_of(path: Path) -> str:
    """Digest of the file that is there; empty when there is none that opens."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            return str(file.attrs.get("digest", ""))
    except OSError:
        return ""


def _bytes_of(values: Any) -> bytes:
    return np.ascontiguousarray(values, "<f4").tobytes()


def _checksum(record: Any, field: bytes) -> int:
    """CRC-32 over a field and its record, less the checksum itself."""
    bare = record.copy()
    bare["checksum"] = 0
    return zlib.crc32(field, zlib.crc32(bare.tobytes()))
