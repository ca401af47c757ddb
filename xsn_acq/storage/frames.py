"""Frames of a run, read lazily from the camera's HDF5 files, also while they grow (SWMR)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import h5py
import numpy as np

from xsn_acq.closing import Closing
from xsn_acq.errors import StorageError
from xsn_acq.units import EPICS_EPOCH_S

DATASET = "entry/data/data"
"""Where areaDetector's default layout puts the frames."""

_ATTRIBUTES = "entry/instrument/NDAttributes"


def path_of(resource: dict[str, Any]) -> Path:
    """File of a stream_resource document.

    Raises
    ------
    StorageError
        When its uri is not a local file.

    >>> str(path_of({"uri": "file://localhost/data/projections.h5"}))
    '/data/projections.h5'
    """
    parts = urlsplit(resource["uri"])
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise StorageError(
            f"frame file: wanted a file on this machine (file://localhost/...), found {resource['uri']}"
        )
    return Path(unquote(parts.path))


class FrameReader(Closing):
    """Frames of one stream_resource; nothing is opened until a frame is asked for.

    Parameters
    ----------
    resource : dict
        A stream_resource document of mimetype ``application/x-hdf5``; its parameter ``dataset`` says
        where in the file the frames are.
    """

    def __init__(self, resource: dict[str, Any]) -> None:
        self.path = path_of(resource)
        self.dataset: str = resource.get("parameters", {}).get("dataset", DATASET).strip("/")
        self._file: h5py.File | None = None
        self._data: h5py.Dataset | None = None

    @classmethod
    def of_file(cls, path: Path, dataset: str = DATASET) -> Self:
        """Frames of a file, without a document."""
        return cls({"uri": f"file://localhost{Path(path).absolute()}", "parameters": {"dataset": dataset}})

    def _opened(self) -> h5py.Dataset:
        if self._data is None:
            file = _open_for_reading(self.path)
            if not isinstance(file.get(self.dataset), h5py.Dataset):
                file.close()
                raise StorageError(f"frame file {self.path}: wanted frames at {self.dataset}, found none")
            self._file, self._data = file, file[self.dataset]
        return self._data

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a frame, ``(ny, nx)``."""
        return self._opened().shape[-2:]

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return self._opened().dtype

    def __len__(self) -> int:
        """Frames in the file now."""
        data = self._opened()
        data.refresh()
        return int(data.shape[0])

    def read(self, start: int, stop: int) -> np.ndarray:
        """Frames ``start`` to ``stop - 1`` as an array ``(n, ny, nx)``; does not wait.

        Raises
        ------
        StorageError
            When the file is not there yet or has fewer frames.
        """
        data = self._opened()
        if stop > data.shape[0] or start < 0:
            self._require(start, stop)
        return np.asarray(data[start:stop]).reshape(stop - start, *self.shape)

    def frame(self, index: int) -> np.ndarray:
        """One frame ``(ny, nx)``."""
        return self.read(index, index + 1)[0]

    def times_s(self) -> np.ndarray:
        """Time stamp of each frame, Unix seconds, float64 (areaDetector's NDArrayEpicsTSSec and nSec).

        Raises
        ------
        StorageError
            When the file has no time stamps.
        """
        self._opened()
        assert self._file is not None
        names = [f"{_ATTRIBUTES}/NDArrayEpicsTS{part}" for part in ("Sec", "nSec")]
        if any(name not in self._file for name in names):
            raise StorageError(f"frame file {self.path}: wanted time stamps at {names[0]}, found none")
        columns = [self._file[name] for name in names]
        for column in columns:
            column.refresh()
        n = min(column.shape[0] for column in columns)
        seconds, nanoseconds = (np.asarray(column[:n], np.float64) for column in columns)
        return seconds + nanoseconds * 1e-9 + EPICS_EPOCH_S

    def numbers(self, dataset: str, frames: Sequence[int]) -> np.ndarray:
        """Values, float64 (n,), of another dataset of the file that has one for each frame.

        Raises
        ------
        StorageError
            There is no such dataset, or it has fewer values (yet).
        """
        self._opened()
        assert self._file is not None
        values = self._file.get(dataset)
        if not isinstance(values, h5py.Dataset):
            raise StorageError(f"frame file {self.path}: wanted {dataset}, found none")
        values.refresh()
        last = max(frames, default=-1)
        if last >= values.shape[0]:
            raise StorageError(
                f"frame file {self.path}: wanted {dataset} of frame {last}, found {values.shape[0]} (yet)"
            )
        return np.asarray(values[()], np.float64)[list(frames)]

    def _require(self, start: int, stop: int) -> None:
        found = len(self)
        if start < 0 or stop > found:
            raise StorageError(
                f"frame file {self.path}: wanted frames {start} to {stop - 1}, found {found} frames"
            )

    def close(self) -> None:
        """Close the file; asking for a frame opens it again."""
        if self._file is not None:
            self._file.close()
        self._file = self._data = None


def _open_for_reading(path: Path) -> h5py.File:
    """Open a file that may still be written; one that was never meant for SWMR is opened plainly."""
    if not path.is_file():
        raise StorageError(f"frame file {path}: not there (yet)")
    try:
        return h5py.File(path, "r", swmr=True)
    except (OSError, ValueError):
        pass
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise StorageError(f"frame file {path}: cannot be opened (yet): {error}") from error
