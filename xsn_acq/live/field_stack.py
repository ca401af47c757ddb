"""Retrieved fields as one array on disk, read by rows: by the store that writes them, and beside it."""

from pathlib import Path
from typing import Self

import numpy as np

from xsn_acq.closing import Closing
from xsn_acq.live.in_place import InPlaceFile
from xsn_acq.optics.arrays import ComplexArray

FIELDS = ("alpha", "phi")
_REAL = np.dtype("<f4")


class FieldStack(Closing):
    """Fields alpha + i phi as a complex64 array (n_angles, ny, nx) that stays on disk until rows are read.

    Made by `xsn_acq.live.fields.FieldStore.stack`, or by `open` in another process;
    ``stack[:, rows, :]`` is what can be asked.

    Parameters
    ----------
    file : InPlaceFile
        Of the fields.
    order : (n_angles,) int
        Positions of the fields in the file.
    shape : (ny, nx)
        Of a field.
    """

    def __init__(self, file: InPlaceFile, order: np.ndarray, shape: tuple[int, int]) -> None:
        self._file = file
        self._order = order
        self._shape = shape

    @classmethod
    def open(cls, path: Path, order: np.ndarray, shape: tuple[int, int]) -> Self:
        """Open a store's file for reading; another process may write it."""
        return cls(InPlaceFile(path, FIELDS), order, shape)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_angles, ny, nx)."""
        return (len(self._order), *self._shape)

    def __getitem__(self, key: tuple[slice, slice, slice]) -> ComplexArray:
        """Read ``[:, rows, :]``: those rows of all fields."""
        ny, nx = self._shape
        start, stop, _ = key[1].indices(ny)
        block = np.empty((len(self._order), stop - start, nx), np.complex64)
        for position, index in enumerate(self._order):
            for name, part in zip(FIELDS, (block.real, block.imag), strict=True):
                part[position] = read_rows(self._file, name, int(index), (start, stop), nx)
        return block

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_rows(file: InPlaceFile, name: str, index: int, rows: tuple[int, int], nx: int) -> np.ndarray:
    """Rows ``rows[0]`` to ``rows[1] - 1`` of ``alpha`` or ``phi`` of one field, float32 (rows, nx)."""
    start, stop = rows
    row_bytes = _REAL.itemsize * nx
    raw = file.read(name, index, start * row_bytes, (stop - start) * row_bytes)
    return np.frombuffer(raw, _REAL).reshape(stop - start, nx)
