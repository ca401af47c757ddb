"""Writing ``reconstruction.h5`` slab by slab; a killed run goes on with the slabs that are missing.

The file is filled in place under another name (`xsn_acq.live.in_place`) and gets its own when it is whole. A
slab counts once its record says so; its checksum finds a torn one, which is then made again.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from xsn_acq.analysis.slicing import Slicing
from xsn_acq.analysis.xsn_stream import Quantity
from xsn_acq.closing import Closing
from xsn_acq.errors import ReconstructionError, StorageError
from xsn_acq.live.aligning import write_alignment
from xsn_acq.live.chunks import backproject, volume_job
from xsn_acq.live.executors import Executor
from xsn_acq.live.fields import FieldStore
from xsn_acq.live.in_place import InPlaceFile, allocate, digest_of, make
from xsn_acq.live.resolution import compare_halves, write_halves
from xsn_acq.live.volume import AXES, FILE_NAME, PLANES, QUANTITIES
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.storage.nexus import nxdata, nxgroup

PART_NAME = Path(FILE_NAME).with_suffix(".part").name
_SLAB_BYTES = 128 * 2**20
_MOST_ROWS = 32
_REAL = np.dtype("<f4")
_SLAB = np.dtype([("done", "<u4"), ("delta", "<u4"), ("beta", "<u4"), ("background_kept", "<u4")])
_SLABS = "entry/process/slabs"
_VOLUMES: Mapping[Quantity, str] = {quantity: f"entry/{quantity}/{quantity}" for quantity in QUANTITIES}

RowsDone = Callable[[int, int], None]


def write_volume(
    path: Path,
    store: FieldStore,
    slicing: Slicing,
    parameters: Mapping[str, Any],
    start: Mapping[str, Any],
    *,
    executor: Executor,
    progress: RowsDone,
) -> None:
    """Reconstruct the volume slab by slab and write the file; it appears whole or not at all.

    Parameters
    ----------
    path : Path
    store : FieldStore
        Fields of the scan.
    slicing : Slicing
    parameters : mapping
        All that the fields were made with, for the file: plain values.
    start : mapping
        The scan's start document.
    executor : Executor
        Reconstructs the slabs.
    progress : callable
        Called with (rows done, rows).

    Raises
    ------
    ReconstructionError
        When the store is empty.
    StorageError
        When the file cannot be written.
    """
    if len(store) == 0:
        raise ReconstructionError(
            f"run {str(start['uid'])[:8]}: no two frames were half a turn apart: broken off early, too few "
            "projections, or a turn of 180 degrees or less; a sample of one material can do with one frame: "
            "reconstruct --beta-over-delta"
        )
    store.flush()
    part = path.with_name(PART_NAME)
    try:
        with _PartialVolume(part, store, slicing, parameters, start) as volume:
            left = volume.left()
            progress(volume.rows_done, store.shape[0])
            job = volume_job(store, slicing, threads=executor.threads)
            for position, (block, kept) in executor.map(backproject, [(job, *rows) for rows in left]):
                volume.write(left[position], np.imag(block), np.real(block), kept)
                progress(volume.rows_done, store.shape[0])
            volume.flush()
        os.replace(part, path)
    except OSError as error:
        raise StorageError(f"volume {path}: cannot be written: {error}") from error


def slab_rows(n_pairs: int, n_columns: int) -> int:
    """Rows reconstructed at once, so that sinograms and slices stay within fixed memory."""
    return int(np.clip(_SLAB_BYTES // (8 * n_columns * max(n_pairs, n_columns)), 1, _MOST_ROWS))


class _PartialVolume(Closing):
    """The volume's file while it is filled; one that was begun with the same fields is gone on with."""

    def __init__(
        self,
        path: Path,
        store: FieldStore,
        slicing: Slicing,
        parameters: Mapping[str, Any],
        start: Mapping[str, Any],
    ) -> None:
        self._slicing, self._parameters = slicing, parameters
        self._shape = (store.shape[0], store.shape[1], store.shape[1])
        self._rows = slab_rows(len(store), store.shape[1])
        self._n_slabs = -(-store.shape[0] // self._rows)
        digest = _digest(store, slicing, parameters, self._rows)
        if digest_of(path) != digest:
            make(path, digest, lambda file: self._build(file, store, start))
        self._file = InPlaceFile(path, (_SLABS, *_VOLUMES.values(), *map(_slice_name, _PLANES)), write=True)
        raw = self._file.read(_SLABS, 0, 0, self._n_slabs * _SLAB.itemsize)
        self._records = np.frombuffer(raw, _SLAB).copy()

    def _build(self, file: h5py.File, store: FieldStore, start: Mapping[str, Any]) -> None:
        entry = _entry(file, self._parameters, start)
        lengths = dict(zip("yzx", self._shape, strict=True))
        for quantity in QUANTITIES:
            data = nxdata(entry, quantity, quantity, ("y", "z", "x"), lengths, self._slicing.pixel_size_m)
            allocate(data, quantity, self._shape, _REAL)
        _build_slices(entry, lengths)
        allocate(entry["process"], "slabs", (self._n_slabs,), _SLAB)
        _write_pairs(entry, store)
        write_alignment(entry, store.alignment)
        write_halves(entry, compare_halves(store, self._slicing))

    @property
    def rows_done(self) -> int:
        """Rows of the slabs that count."""
        slabs = np.flatnonzero(self._records["done"])
        return sum(stop - start for start, stop in map(self._bounds, slabs.tolist()))

    def left(self) -> list[tuple[int, int]]:
        """Return (start, stop) of each slab that is missing or torn."""
        for slab in np.flatnonzero(self._records["done"]).tolist():
            if not self._is_whole(slab):
                self._records[slab]["done"] = 0
        return [self._bounds(slab) for slab in np.flatnonzero(self._records["done"] == 0).tolist()]

    def _is_whole(self, slab: int) -> bool:
        start, stop = self._bounds(slab)
        count = (stop - start) * self._shape[1] * self._shape[2] * _REAL.itemsize
        return all(
            zlib.crc32(self._file.read(name, start, 0, count)) == self._records[slab][quantity]
            for quantity, name in _VOLUMES.items()
        )

    def _bounds(self, slab: int) -> tuple[int, int]:
        return slab * self._rows, min((slab + 1) * self._rows, self._shape[0])

    def write(self, rows: tuple[int, int], delta: FloatArray, beta: FloatArray, kept: int = 0) -> None:
        """Put a slab (rows, nz, nx) in its place: values first, then the record that makes it count.

        ``kept``: how many of its slices keep their background.
        """
        slab = rows[0] // self._rows
        for quantity, values in zip(QUANTITIES, (delta, beta), strict=True):
            block = np.ascontiguousarray(values, _REAL)
            self._file.write(_VOLUMES[quantity], rows[0], block)
            self._write_slices(quantity, rows, block)
            self._records[slab][quantity] = zlib.crc32(block.data)
        self._records[slab]["done"], self._records[slab]["background_kept"] = 1, kept
        self._file.write(_SLABS, slab, self._records[slab].tobytes())

    def _write_slices(self, quantity: Quantity, rows: tuple[int, int], block: FloatArray) -> None:
        ny, nz, nx = self._shape
        across = {"xy": block[:, nz // 2], "zy": block[:, :, nx // 2]}
        for plane, image in across.items():
            self._file.write(_slice_name(f"{quantity}_{plane}"), rows[0], np.ascontiguousarray(image))
        if rows[0] <= ny // 2 < rows[1]:
            self._file.write(_slice_name(f"{quantity}_xz"), 0, block[ny // 2 - rows[0]])

    def flush(self) -> None:
        """Wait until all is on the disk."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


_PLANES = tuple(f"{quantity}_{plane}" for quantity in QUANTITIES for plane in PLANES)


def _slice_name(name: str) -> str:
    return f"entry/slices/{name}/{name}"


def _digest(store: FieldStore, slicing: Slicing, parameters: Mapping[str, Any], rows: int) -> str:
    """Fingerprint of all that a slab depends on."""
    known = json.dumps([version("xsn_acq"), asdict(slicing), parameters, store.shape, rows])
    return hashlib.sha256(known.encode() + store.fingerprint).hexdigest()


def _entry(file: h5py.File, parameters: Mapping[str, Any], start: Mapping[str, Any]) -> h5py.Group:
    file.attrs["default"] = "entry"
    entry = nxgroup(file, "entry", "NXentry")
    entry.attrs["default"] = "delta"
    entry["title"] = str(start.get("note") or start.get("plan_name", ""))
    entry["source_run"] = str(start["uid"])
    process = nxgroup(entry, "process", "NXprocess")
    process["program"] = "xsn_acq"
    process["version"] = version("xsn_acq")
    process["parameters"] = json.dumps(parameters)
    return entry


def _build_slices(entry: h5py.Group, lengths: Mapping[str, int]) -> None:
    slices = nxgroup(entry, "slices", "NXcollection")
    for quantity in QUANTITIES:
        for plane in PLANES:
            name = f"{quantity}_{plane}"
            group = nxgroup(slices, name, "NXdata")
            group.attrs.update({"signal": name, "axes": list(AXES[plane])})
            allocate(group, name, tuple(lengths[axis] for axis in AXES[plane]), _REAL)
            for axis in AXES[plane]:
                group[axis] = entry[quantity][axis]


def _write_pairs(entry: h5py.Group, store: FieldStore) -> None:
    pairs = nxgroup(entry, "pairs", "NXcollection")
    pairs["theta"] = store.theta_deg
    pairs["theta"].attrs["units"] = "degree"
    pairs["residual"] = store.residuals
    for name, values in store.numbers.items():
        pairs[name] = values
