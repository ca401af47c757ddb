"""Frames of a scan as transmission: dark and flat taken out, also while the files grow."""

from pathlib import Path

import numpy as np

from xsn_acq.analysis.flatfield import Repair, bad_pixels, frame_noise, mean_frame, normalise
from xsn_acq.closing import Closing
from xsn_acq.errors import StorageError
from xsn_acq.live.scan import FrameSet, Scan, ScanRow
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.storage.frames import FrameReader

_BLOCK = 32
"""Frames averaged at once: memory does not grow with their number."""


def mean_of(frames: FrameSet) -> FloatArray:
    """Mean of a set of frames, float32 (ny, nx), read block by block."""
    with _reader(frames) as reader:
        total = np.zeros(reader.shape, np.float64)
        for first, last in frames.spans:
            for start in range(first, last, _BLOCK):
                stop = min(start + _BLOCK, last)
                total += mean_frame(reader.read(start, stop)) * np.float64(stop - start)
    return (total / sum(stop - start for start, stop in frames.spans)).astype(np.float32)


def time_of(frames: FrameSet) -> float:
    """When a set of frames was taken, mean of its time stamps; what the set says where its file has none."""
    with _reader(frames) as reader:
        try:
            times = reader.times_s()
        except StorageError:
            return frames.time_s
    taken = np.concatenate([times[first:last] for first, last in frames.spans])
    return float(taken.mean()) if taken.size else frames.time_s


def noise_of(flats: FrameSet, dark: FloatArray) -> float | None:
    """Noise of one frame in air, from the first two flats; None when there is only one."""
    start, stop = flats.spans[0]
    if stop - start < 2:
        return None
    with _reader(flats) as reader:
        first, second = reader.read(start, start + 2)
    return frame_noise(first, second, dark)


class ScanFrames(Closing):
    """Projections of one scan over its flats.

    Parameters
    ----------
    scan : Scan

    Attributes
    ----------
    dark : (ny, nx)
    flats : list of (ny, nx)
        Means of each set.
    bad : bool (ny, nx)
        Pixels that tell nothing; they get the mean of their neighbours.
    noise : float or None
        Of one frame in air, standard deviation over mean; None where a single flat does not tell.

    Raises
    ------
    StorageError
        When a file is missing or shorter than announced.
    """

    def __init__(self, scan: Scan) -> None:
        self.dark = mean_of(scan.darks)
        self.flats = [mean_of(flat) for flat in scan.flats]
        self.bad = bad_pixels(self.dark, self.flats[0])
        self._repair = Repair(self.bad)
        self.noise = noise_of(scan.flats[0], self.dark)
        self._times_s = [flat.time_s for flat in scan.flats]
        self._reader = _reader(scan.projections)
        self._last: tuple[int, np.ndarray] | None = None

    def has(self, index: int) -> bool:
        """Whether a frame can be read now; where it cannot, the file is opened anew next time.

        A frame of a file that grows may be announced before its counts are there: it reads zeros.
        """
        try:
            if index < len(self._reader) and self._raw(index).any():
                return True
        except (StorageError, OSError):
            pass
        self._reader.close()
        return False

    def transmission(self, row: ScanRow) -> FloatArray:
        """Transmission of a projection, float32 (ny, nx): 0 is dark, 1 is the flat.

        Raises
        ------
        StorageError
            When the frame is not in the file (yet), or was never written: it reads zeros.
        """
        raw = self._raw(row.index)
        if not raw.any():
            raise StorageError(
                f"frame file {self._reader.path}: frame {row.index}: wanted counts, found zeros only; "
                "was it written, and is every file there that it is linked to?"
            )
        return self._repair(normalise(raw, self.dark, self._flat(row)))

    def _raw(self, index: int) -> np.ndarray:
        """Counts of a frame; whoever asked whether it is there takes it next, and it is not read twice."""
        if self._last is None or self._last[0] != index or not self._last[1].any():
            self._last = index, self._reader.frame(index)
        return self._last[1]

    def _flat(self, row: ScanRow) -> FloatArray:
        """Flat at a frame's time, between the flats before and after it."""
        if len(self.flats) == 1:
            return self.flats[0]
        other = int(np.clip(np.searchsorted(self._times_s, row.time_s), 1, len(self.flats) - 1))
        one = other - 1
        part = np.float32(np.interp(row.time_s, (self._times_s[one], self._times_s[other]), (0.0, 1.0)))
        return self.flats[one] + part * (self.flats[other] - self.flats[one])

    def close(self) -> None:
        """Close the file of projections."""
        self._reader.close()


def _reader(frames: FrameSet) -> FrameReader:
    return FrameReader.of_file(Path(frames.path), frames.dataset)
