"""HDF5 files that are filled in place: their structure is made once, then only raw values change.

Every dataset is contiguous and allocated when the file is made; the file gets its name when it is whole. So a
process killed at any instant leaves a file that opens.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from xsn_acq.closing import Closing
from xsn_acq.errors import StorageError


def allocate(parent: h5py.Group, name: str, shape: tuple[int, ...], kind: np.dtype) -> h5py.Dataset:
    """Make a contiguous dataset whose place in the file is fixed now; its zeros take no room on disk yet."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space = h5py.h5s.create_simple(shape)
    identifier = h5py.h5d.create(
        parent.id, name.encode(), h5py.h5t.py_create(kind, logical=True), space, dcpl=properties
    )
    return h5py.Dataset(identifier)


def make(path: Path, digest: str, build: Callable[[h5py.File], None]) -> None:
    """Make a file under another name, then give it its own: it is there whole or not at all."""
    new = path.with_name(path.name + ".new")
    with h5py.File(new, "w") as file:
        build(file)
        file.attrs["digest"] = digest
    os.replace(new, path)


def digest_of(path: Path) -> str:
    """Digest of the file that is there; empty when there is none that opens."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            return str(file.attrs.get("digest", ""))
    except OSError:
        return ""


@dataclass(frozen=True)
class _Place:
    """Where a dataset's bytes lie in the file, and how many an entry along the first axis takes."""

    offset: int
    entry_bytes: int


class InPlaceFile(Closing):
    """Raw bytes of some datasets of such a file.

    Parameters
    ----------
    path : Path
    names : sequence of str
        The datasets.
    write : bool
        Whether it will be written.

    Raises
    ------
    OSError
        When it cannot be opened.
    """

    def __init__(self, path: Path, names: tuple[str, ...], *, write: bool = False) -> None:
        self.path = path
        with h5py.File(path, "r", locking=False) as file:
            self._places = {name: _place(file[name]) for name in names}
        self._file = os.open(path, os.O_RDWR if write else os.O_RDONLY)

    def read(self, name: str, index: int, offset: int, count: int) -> bytes:
        """Read ``count`` bytes of a dataset, from ``offset`` bytes into its entry ``index`` on."""
        place = self._places[name]
        return os.pread(self._file, count, place.offset + index * place.entry_bytes + offset)

    def write(self, name: str, index: int, content: Any) -> None:
        """Write bytes, from entry ``index`` of a dataset on.

        Raises
        ------
        StorageError
            When the disk is full or failing.
        """
        place = self._places[name]
        offset, view = place.offset + index * place.entry_bytes, memoryview(content).cast("B")
        try:
            while view:
                done = os.pwrite(self._file, view, offset)
                view, offset = view[done:], offset + done
        except OSError as error:
            raise StorageError(
                f"{self.path}: cannot be written: {error.strerror}; free disk space"
            ) from error

    def flush(self) -> None:
        """Wait until all is on the disk, where other machines see it."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _place(data: h5py.Dataset) -> _Place:
    return _Place(data.id.get_offset(), data.id.get_storage_size() // data.shape[0])
