"""The frame file while it grows: times of the frames, and the documents that announce them."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from event_model import StreamRange, compose_stream_resource
from numpy.typing import NDArray

from xsn_acq.devices.hdf5_writer import DATASET
from xsn_acq.units import EPICS_EPOCH_S

_SECONDS = "/entry/instrument/NDAttributes/NDArrayEpicsTSSec"
_NANOSECONDS = "/entry/instrument/NDAttributes/NDArrayEpicsTSnSec"


class FrameTimes:
    """Time stamps in a growing SWMR file; only new ones are read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: h5py.File | None = None
        self._times = np.empty(0)

    def read(self) -> NDArray[np.float64]:
        """Read the Unix times of all frames there are, seconds, shape (frames,); empty before the file is."""
        if self._open():
            assert self._file is not None
            columns = [self._file[name] for name in (_SECONDS, _NANOSECONDS)]
            for column in columns:
                column.refresh()
            old, new = len(self._times), min(len(column) for column in columns)
            if new > old:
                seconds, nanoseconds = (np.asarray(column[old:new], dtype=np.float64) for column in columns)
                self._times = np.append(self._times, seconds + 1e-9 * nanoseconds + EPICS_EPOCH_S)
        return self._times.copy()

    def close(self) -> None:
        """Read what came last and let the file go."""
        if self._file is not None:
            self.read()
            self._file.close()
            self._file = None
            self._path = Path()

    def _open(self) -> bool:
        if self._file is None and self._path.is_file():
            with suppress(OSError):
                self._file = h5py.File(self._path, "r", libver="latest", swmr=True)
        return self._file is not None and _SECONDS in self._file and _NANOSECONDS in self._file


class FrameDocuments:
    """Stream resource and stream datum documents of one file.

    Parameters
    ----------
    data_key : str
        Key of the frames in the descriptor.
    path : Path
        The file.
    frame_shape : tuple of int
        (rows, columns).
    """

    def __init__(self, data_key: str, path: Path, frame_shape: tuple[int, int]) -> None:
        self._bundle = compose_stream_resource(
            mimetype="application/x-hdf5",
            uri=f"file://localhost{path.absolute()}",
            data_key=data_key,
            parameters={"dataset": DATASET, "chunk_shape": (1, *frame_shape), "swmr": True},
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
