"""The frame file while it grows: numbers of each frame, and the documents that announce the frames."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from event_model import StreamRange, compose_stream_resource
from numpy.typing import NDArray

from xsn_acq.devices.hdf5_writer import DATASET

ATTRIBUTES = "/entry/instrument/NDAttributes"
"""Where areaDetector's default layout puts the numbers of each frame."""


class FrameNumbers:
    """Numbers of each frame in a growing SWMR file; only new ones are read.

    Parameters
    ----------
    path : Path
        The file; it may come later.
    names : sequence of str
        Datasets in the group of the frames' attributes, one a column.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self._path = path
        self._datasets = [f"{ATTRIBUTES}/{name}" for name in names]
        self._file: h5py.File | None = None
        self._numbers = np.empty((0, len(names)))

    def read(self) -> NDArray[np.float64]:
        """Read the numbers of all frames there are, (frames, names); none before the file is."""
        if self._open():
            assert self._file is not None
            columns = [self._file[name] for name in self._datasets]
            for column in columns:
                column.refresh()
            old, new = len(self._numbers), min(len(column) for column in columns)
            if new > old:
                rows = np.stack([np.asarray(column[old:new], dtype=np.float64) for column in columns], axis=1)
                self._numbers = np.concatenate([self._numbers, rows])
        return self._numbers.copy()

    def close(self) -> None:
        """Let the file go; its frames are forgotten, and those of a next one are not taken for them."""
        if self._file is not None:
            self._file.close()
        self._file, self._path, self._numbers = None, Path(), self._numbers[:0]

    def _open(self) -> bool:
        if self._file is None and self._path.is_file():
            with suppress(OSError):
                self._file = h5py.File(self._path, "r", libver="latest", swmr=True)
        return self._file is not None and all(name in self._file for name in self._datasets)


class FrameDocuments:
    """Stream resource and stream datum documents of one dataset of a file.

    Parameters
    ----------
    data_key : str
        Key of the dataset in the descriptor.
    path : Path
        The file.
    shape : tuple of int
        Of one frame, (rows, columns); empty for a number.
    dataset : str
        Path in the file.
    chunk : int
        So many frames are read at a time.
    """

    def __init__(
        self, data_key: str, path: Path, shape: tuple[int, ...], dataset: str = DATASET, chunk: int = 1
    ) -> None:
        self._bundle = compose_stream_resource(
            mimetype="application/x-hdf5",
            uri=f"file://localhost{path.absolute()}",
            data_key=data_key,
            parameters={"dataset": dataset, "chunk_shape": (chunk, *shape), "swmr": True},
        )
        self._announced = 0

    def up_to(self, index: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Documents for the frames before ``index`` that were not announced yet."""
        if index <= self._announced:
            return
        if not self._announced:
            yield "stream_resource", dict(self._bundle.stream_resource_doc)
        indices = StreamRange(start=self._announced, stop=index)
        self._announced = index
        yield "stream_datum", dict(self._bundle.compose_stream_datum(indices))
