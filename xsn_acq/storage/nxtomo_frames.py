"""Frames of one or more runs as NXtomo wants them: one series, each frame with its key, angle and time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from xsn_acq.errors import StorageError
from xsn_acq.storage.frames import FrameReader
from xsn_acq.storage.run import Row, RunRecord

PROJECTION: Final = 0
FLAT: Final = 1
DARK: Final = 2
INVALID: Final = 3

_KEYS: Final = {"darks": DARK, "flats": FLAT, "flats_after": FLAT, "projections": PROJECTION}
_REFERENCES: Final = ("references", "references_after")
_UM: Final = 1e-6


@dataclass(frozen=True)
class FrameSource:
    """Frames of one file, n of them, with what is known of each (n values)."""

    path: Path
    dataset: str
    dtype: np.dtype
    shape: tuple[int, int]
    place_m: tuple[float, float, float]
    """Of the sample stage before the run, (x, y, z)."""
    image_key: np.ndarray
    rotation_angle_deg: np.ndarray
    ring_current_ma: np.ndarray
    time_s: np.ndarray

    def __len__(self) -> int:
        return len(self.image_key)


def frame_sources(runs: Sequence[RunRecord]) -> list[FrameSource]:
    """Frame files in order of acquisition, each with what is known of its frames.

    Parameters
    ----------
    runs : RunRecords
        Of one scan, in order of time. A projection counts once: the first good one of its angle.

    Raises
    ------
    StorageError
        When a frame file is missing or has fewer frames than announced, when frames differ in shape, or
        when there are none.
    """
    done: set[int] = set()
    sources = [
        _source(run, name, _KEYS[name], done)
        for run in runs
        for name, stream in run.streams.items()
        if name in _KEYS and stream.n_frames
    ]
    where = _named(runs)
    if not sources:
        raise StorageError(f"{where}: wanted frames for an NXtomo file, found none")
    if len({(source.shape, source.dtype) for source in sources}) > 1:
        found = ", ".join(f"{source.path.name} {source.shape} {source.dtype}" for source in sources)
        raise StorageError(f"{where}: wanted frames of one shape and type, found {found}")
    return sources


def reference_sources(runs: Sequence[RunRecord]) -> list[FrameSource]:
    """Files of the diffuser's speckle without the sample, in order of acquisition; often none.

    Their ``image_key`` is that of frames that are neither projection, flat nor dark.

    Raises
    ------
    StorageError
        When a file is missing or has fewer frames than announced.
    """
    return [
        _source(run, name, INVALID, set())
        for run in runs
        for name in _REFERENCES
        if name in run.streams and run.streams[name].n_frames and name not in run.spoilt
    ]


def of_all(sources: Sequence[FrameSource], column: str) -> np.ndarray:
    """Values of all frames, one after the other."""
    return np.concatenate([getattr(source, column) for source in sources])


def _named(runs: Sequence[RunRecord]) -> str:
    return " and ".join(f"run {run.uid[:8]}" for run in runs)


def _source(run: RunRecord, name: str, key: int, done: set[int]) -> FrameSource:
    stream = run.streams[name]
    n = stream.n_frames
    with FrameReader(stream.resource) as frames:
        if len(frames) < n:
            raise StorageError(f"frame file {frames.path}: wanted {n} frames, found {len(frames)}")
        path, dataset, shape, dtype = frames.path, frames.dataset, frames.shape, frames.dtype
    columns = _of_projections(run, n, done) if key == PROJECTION else _of_others(run, name, key, n)
    return FrameSource(path, dataset, dtype, shape, _place_m(run), *columns)


def _of_projections(run: RunRecord, n: int, done: set[int]) -> tuple[np.ndarray, ...]:
    """Image key, angle, ring current and time of n projections, from the ledger.

    ``done`` are the targets that have their frame; those that get it here are added.
    """
    keys = np.full(n, INVALID, np.int64)
    angles, currents, times = np.full((3, n), np.nan)
    for row in run.ledger:
        index = row["frame_index"]
        if not 0 <= index < n:
            continue
        angles[index] = row["theta_mid_deg"]
        currents[index] = row.get("ring_current_ma", np.nan)
        times[index] = row["frame_time"]
        if row["status"] == "ok" and row["target"] not in done:
            keys[index] = PROJECTION
            done.add(row["target"])
    return keys, *map(_without_gaps, (angles, currents, times))


def _without_gaps(values: np.ndarray) -> np.ndarray:
    """Fill NaN from its neighbours: readers refuse NaN; the frames concerned are marked invalid."""
    known = np.flatnonzero(np.isfinite(values))
    return np.interp(np.arange(len(values)), known, values[known]) if len(known) else np.zeros(len(values))


def _of_others(run: RunRecord, name: str, key: int, n: int) -> tuple[np.ndarray, ...]:
    """Image key, angle, ring current and time of darks and flats: those of the projection next in time."""
    rows = list(reversed(run.ledger)) if name.endswith("_after") else run.ledger
    columns = {"theta_deg": 0.0, "ring_current_ma": 0.0, "frame_time": run.start["time"]}
    return np.full(n, key), *(np.full(n, _first_known(rows, *column)) for column in columns.items())


def _first_known(rows: list[Row], column: str, otherwise: float) -> float:
    """First value of a column that is a number; ``otherwise`` where no pulse is known."""
    values = (float(row.get(column, np.nan)) for row in rows)
    return next((value for value in values if np.isfinite(value)), float(otherwise))


def _place_m(run: RunRecord) -> tuple[float, float, float]:
    """Sample stage before the run, metres; 0 where the baseline does not tell."""
    baseline = (run.rows("baseline") or [{}])[0]
    x, y, z = (_finite(baseline.get(f"sample_{axis}", 0.0)) * _UM for axis in "xyz")
    return x, y, z


def _finite(value: object) -> float:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else 0.0
