"""Frame files as areaDetector's NDFileHDF5 writes them: default layout, SWMR."""

from pathlib import Path

import h5py
import numpy as np

EPICS_EPOCH_S = 631152000


class FrameFile:
    """One HDF5 file as areaDetector's NDFileHDF5 writes it in SWMR mode."""

    def __init__(self, path: Path, shape: tuple[int, int], dtype: str = "uint16") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = h5py.File(path, "w-", libver="latest")
        self._data = self._file.create_dataset(
            "entry/instrument/detector/data",
            shape=(0, *shape),
            maxshape=(None, *shape),
            chunks=(1, *shape),
            dtype=dtype,
        )
        self._file["entry/data/data"] = self._data  # the default layout's hard link
        kinds = {"UniqueId": "i4", "TimeStamp": "f8", "EpicsTSSec": "u4", "EpicsTSnSec": "u4"}
        self._attributes = {
            name: self._file.create_dataset(
                f"entry/instrument/NDAttributes/NDArray{name}",
                (0,),
                maxshape=(None,),
                chunks=(64,),
                dtype=kind,
            )
            for name, kind in kinds.items()
        }
        self._file.swmr_mode = True

    def append(self, frame: np.ndarray, time_s: float) -> None:
        n = self._data.shape[0]
        self._data.resize(n + 1, axis=0)
        self._data[n] = frame
        seconds = int(time_s - EPICS_EPOCH_S)
        values = {
            "UniqueId": n + 1,
            "TimeStamp": time_s - EPICS_EPOCH_S,
            "EpicsTSSec": seconds,
            "EpicsTSnSec": round((time_s - EPICS_EPOCH_S - seconds) * 1e9),
        }
        for name, value in values.items():
            self._attributes[name].resize(n + 1, axis=0)
            self._attributes[name][n] = value
        self._file.flush()

    def close(self) -> None:
        self._file.close()
