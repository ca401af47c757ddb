"""Frames and spectra of a structured-illumination run, read by their numbers, also while their files grow."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsn_acq.closing import Closing
from xsn_acq.errors import StorageError
from xsn_acq.storage.frames import FrameReader
from xsn_acq.storage.run import Row, RunRecord

FRAMES, SPECTRA = "patterns", "spectra"


class SweepReader(Closing):
    """Frames and spectra of one run.

    Parameters
    ----------
    record : RunRecord
        Whose streams are announced.
    scalers : sequence of str
        Their names, in the order wanted.
    """

    def __init__(self, record: RunRecord, scalers: Sequence[str]) -> None:
        self._record, self._scalers = record, tuple(scalers)
        self._frames: FrameReader | None = None
        self._spectra: FrameReader | None = None

    def dark(self) -> NDArray[np.float64]:
        """Mean dark frame, (ny, nx)."""
        stream = self._record.streams["darks"]
        with FrameReader(stream.resource) as reader:
            mean: NDArray[np.float64] = reader.read(0, stream.n_frames).mean(axis=0, dtype=np.float64)
        return mean

    def frames(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        """Raw frames (n, ny, nx); a frame that is not there, number -1, is 0 everywhere.

        Raises
        ------
        StorageError
            The file is missing or shorter than announced.
        """
        if self._frames is None:
            self._frames = FrameReader(self._record.streams[FRAMES].resource)
        found: NDArray[np.float32] = _by_number(self._frames, numbers, np.float32)
        return found

    def spectra(self, numbers: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Raw counts (n, bins) and scalers (n, s); 0 where there is none, number -1.

        Raises
        ------
        StorageError
            The file is missing or shorter than announced, or lacks a scaler.
        """
        resources = self._resources()
        if self._spectra is None:
            self._spectra = FrameReader(resources[""])
        counts: NDArray[np.float64] = _by_number(self._spectra, numbers, np.float64)
        scalers = np.zeros((len(numbers), len(self._scalers)))
        there = np.flatnonzero(np.asarray(numbers) >= 0)
        wanted = [number for number in numbers if number >= 0]
        for column, name in enumerate(self._scalers):
            scalers[there, column] = self._spectra.numbers(resources[name]["parameters"]["dataset"], wanted)
        return counts[:, 0], scalers

    def spectra_written(self) -> int:
        """Spectra in the file."""
        if self._spectra is None:
            self._spectra = FrameReader(self._resources()[""])
        return len(self._spectra)

    def has(self, row: Row) -> bool:
        """Whether what a row tells of can be read now."""
        try:
            if row["frame"] >= 0 and not self.frames([row["frame"]]).any():
                return False
            return row["spectrum"] < 0 or any(part.any() for part in self.spectra([row["spectrum"]]))
        except (StorageError, OSError, KeyError, ValueError):
            self.close()
            return False

    def close(self) -> None:
        """Close the files."""
        for reader in (self._frames, self._spectra):
            if reader is not None:
                reader.close()
        self._frames = self._spectra = None

    def _resources(self) -> dict[str, Row]:
        """Documents of the spectra (by an empty name) and of each scaler."""
        found: dict[str, Row] = {}
        for resource in self._record.streams[SPECTRA].resources:
            key = str(resource["data_key"])
            name = next((scaler for scaler in self._scalers if key.endswith(f"_{scaler}")), "")
            found[name] = resource
        missing = [name for name in ("", *self._scalers) if name not in found]
        if missing:
            known = ", ".join(sorted(found))
            raise StorageError(f"stream {SPECTRA}: wanted {missing[0] or 'spectra'}, found {known}")
        return found


def _by_number(reader: FrameReader, numbers: Sequence[int], kind: type[np.floating]) -> NDArray[Any]:
    """Frames in the order asked for, neighbours read at once."""
    found = np.zeros((len(numbers), *reader.shape), kind)
    begin = 0
    while begin < len(numbers):
        end = begin + 1
        while end < len(numbers) and numbers[end] == numbers[end - 1] + 1 and numbers[begin] >= 0:
            end += 1
        if numbers[begin] >= 0:
            found[begin:end] = reader.read(numbers[begin], numbers[begin] + end - begin)
        begin = end
    return found
