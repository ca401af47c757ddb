"""The HDF5 file that areaDetector writes, in single-writer-multiple-reader mode."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from xsn_acq.sim.ioc.frame import Frame

DATA = "entry/data/data"
ATTRIBUTES = "entry/instrument/NDAttributes"
ATTRIBUTE_TYPES = {
    "NDArrayUniqueId": np.int32,
    "NDArrayTimeStamp": np.float64,
    "NDArrayEpicsTSSec": np.uint32,
    "NDArrayEpicsTSnSec": np.uint32,
}
ATTRIBUTE_CHUNK = 1024


class SwmrFile:
    """A new file in areaDetector's default layout; one chunk for each frame.

    Parameters
    ----------
    path : Path
        Must not exist: no file is ever overwritten.
    first : Frame
        Gives shape and type, and the names of the attributes.
    swmr : bool
        Let others read while this file grows.
    zlib_level : int, optional
        Compress.

    Raises
    ------
    OSError
        It exists, or cannot be made.
    """

    def __init__(self, path: Path, first: Frame, *, swmr: bool, zlib_level: int | None = None) -> None:
        self._file = h5py.File(path, "x", libver="latest")
        self._frames = 0
        entry = self._group("entry", "NXentry")
        self._group("entry/data", "NXdata").attrs["signal"] = "data"
        self._group("entry/instrument", "NXinstrument")
        self._group("entry/instrument/detector", "NXdetector")
        self._group(ATTRIBUTES, "NXcollection").attrs["hostname"] = "simulated"
        rows, columns = first.image.shape
        packing: dict[str, Any] = {}
        if zlib_level is not None:
            packing = {"compression": "gzip", "compression_opts": zlib_level}
        self._data = self._file.create_dataset(
            DATA,
            shape=(0, rows, columns),
            maxshape=(None, rows, columns),
            chunks=(1, rows, columns),
            dtype=first.image.dtype,
            **packing,
        )
        self._data.attrs["NDArrayNumDims"] = 2
        entry["instrument/detector/data"] = self._data
        self._attributes = {
            name: self._file.create_dataset(
                f"{ATTRIBUTES}/{name}", (0,), dtype, maxshape=(None,), chunks=(ATTRIBUTE_CHUNK,)
            )
            for name, dtype in (ATTRIBUTE_TYPES | dict.fromkeys(first.attributes, np.float64)).items()
        }
        self._file.swmr_mode = swmr

    def append(self, frames: Sequence[Frame]) -> int:
        """Write frames and flush; how many the file holds now."""
        begin, end = self._frames, self._frames + len(frames)
        stamps = [frame.epics_stamp for frame in frames]
        columns: dict[str, list[float]] = {
            "NDArrayUniqueId": [frame.unique_id for frame in frames],
            "NDArrayTimeStamp": [frame.time_stamp for frame in frames],
            "NDArrayEpicsTSSec": [seconds for seconds, _ in stamps],
            "NDArrayEpicsTSnSec": [nanoseconds for _, nanoseconds in stamps],
        }
        columns |= {name: [frame.attributes[name] for frame in frames] for name in frames[0].attributes}
        for name, values in columns.items():
            self._attributes[name].resize(end, axis=0)
            self._attributes[name][begin:end] = values
            self._attributes[name].flush()
        self._data.resize(end, axis=0)
        for index, frame in enumerate(frames, start=begin):
            self._data[index] = frame.image
        self._data.flush()
        self._frames = end
        return end

    def close(self) -> None:
        """Close it."""
        self._file.close()

    def _group(self, path: str, nexus_class: str) -> h5py.Group:
        group = self._file.require_group(path)
        group.attrs["NX_class"] = nexus_class
        return group
