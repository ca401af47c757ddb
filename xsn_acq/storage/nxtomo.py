"""NXtomo: one file that nabu, tomoscan, httomo, algotom and others open; frames are never copied.

Written by hand after the NXtomo application definition
(https://manual.nexusformat.org/classes/applications/NXtomo.html) and what its readers expect beyond it.

NXtomo wants one dataset ``data[N, y, x]`` while darks, flats and projections lie in one file each, so
``data`` is a virtual dataset. A virtual dataset reads zeros where a source is missing, without an error:
every source and its number of frames is therefore checked before the file gets its name, and `check_nxtomo`
checks again at any time. Paths are relative, so that a data folder can be moved as a whole.
"""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from xsn_acq.errors import StorageError
from xsn_acq.storage.frames import FrameReader
from xsn_acq.storage.journal import encode
from xsn_acq.storage.run import Row, RunRecord
from xsn_acq.storage.sources import check_sources

PROJECTION: Final = 0
FLAT: Final = 1
DARK: Final = 2
INVALID: Final = 3

_KEYS: Final = {"darks": DARK, "flats": FLAT, "flats_after": FLAT, "projections": PROJECTION}
_DATA: Final = "entry/instrument/detector/data"
_UM: Final = 1e-6


@dataclass(frozen=True)
class _Source:
    """Frames of one file, n of them, with what is known of each (n values)."""

    path: Path
    dataset: str
    dtype: np.dtype
    shape: tuple[int, int]
    image_key: np.ndarray
    rotation_angle_deg: np.ndarray
    ring_current_ma: np.ndarray
    time_s: np.ndarray

    def __len__(self) -> int:
        return len(self.image_key)


def write_nxtomo(run: RunRecord, path: Path) -> Path:
    """Write a run as an NXtomo file; an earlier export of the same name is replaced.

    Frames stand in order of acquisition. ``image_key`` is 0 for a projection, 1 for a flat, 2 for a dark
    and 3 for a frame that must not be used: flagged in the ledger, without a row in it, or a second one at
    an angle (the first good one counts). ``rotation_angle`` is the ledger's angle in mid-exposure.

    Parameters
    ----------
    run : RunRecord
        The run; an interrupted one is written as far as it goes.
    path : Path
        File to write, ``.nx`` by custom.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StorageError
        When a frame file is missing or has fewer frames than announced, when frames differ in shape, or
        when the run has none.
    """
    path = Path(path).absolute()
    sources = _sources(run)
    if path in {source.path for source in sources}:
        raise StorageError(f"NXtomo {path}: is a frame file of the run; choose another name")
    partial = path.with_name(path.name + ".partial")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(partial, "w") as file:
            _write_entry(file, run, sources, partial.parent)
        check_nxtomo(partial)
        os.replace(partial, path)
    except OSError as error:
        raise StorageError(f"NXtomo {path}: cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def check_nxtomo(path: Path) -> int:
    """Check that every frame that an NXtomo file shows is there; the number of frames.

    Raises
    ------
    StorageError
        When a source of its virtual dataset is missing, too short or still being written, so that it
        would read zeros.
    """
    path = Path(path)
    try:
        with h5py.File(path, "r") as file:
            return check_sources(file[_DATA], f"NXtomo {path}")
    except (OSError, KeyError, RuntimeError) as error:
        raise StorageError(f"NXtomo {path}: cannot be read: {error}") from error


def _sources(run: RunRecord) -> list[_Source]:
    """Frame files in order of acquisition, each with what is known of its frames."""
    sources = [
        _source(run, name, _KEYS[name])
        for name, stream in run.streams.items()
        if name in _KEYS and stream.n_frames
    ]
    if not sources:
        raise StorageError(f"run {run.uid[:8]}: wanted frames for an NXtomo file, found none")
    if len({(source.shape, source.dtype) for source in sources}) > 1:
        found = ", ".join(f"{source.path.name} {source.shape} {source.dtype}" for source in sources)
        raise StorageError(f"run {run.uid[:8]}: wanted frames of one shape and type, found {found}")
    return sources


def _source(run: RunRecord, name: str, key: int) -> _Source:
    stream = run.streams[name]
    n = stream.n_frames
    with FrameReader(stream.resource) as frames:
        if len(frames) < n:
            raise StorageError(f"frame file {frames.path}: wanted {n} frames, found {len(frames)}")
        path, dataset, shape, dtype = frames.path, frames.dataset, frames.shape, frames.dtype
    columns = _of_projections(run, n) if key == PROJECTION else _of_others(run, name, key, n)
    return _Source(path, dataset, dtype, shape, *columns)


def _of_projections(run: RunRecord, n: int) -> tuple[np.ndarray, ...]:
    """Image key, angle, ring current and time of n projections, from the ledger."""
    keys = np.full(n, INVALID, np.int64)
    angles, currents, times = np.full((3, n), np.nan)
    done: set[int] = set()
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
    rows = list(reversed(run.ledger)) if name == "flats_after" else run.ledger
    columns = ("theta_deg", "ring_current_ma", "frame_time")
    return np.full(n, key), *(np.full(n, _first_known(rows, column)) for column in columns)


def _first_known(rows: list[Row], column: str) -> float:
    """First value of a column that is a number, 0 without any: frames no pulse is known for have none."""
    values = (float(row.get(column, np.nan)) for row in rows)
    return next((value for value in values if np.isfinite(value)), 0.0)


def _write_entry(file: h5py.File, run: RunRecord, sources: list[_Source], folder: Path) -> None:
    acquisition = run.start["acquisition"]
    file.attrs["default"] = "entry"
    entry = _group(file, "entry", "NXentry", default="data", version=2.1)
    entry.attrs["definition"] = "NXtomo"
    entry["definition"] = "NXtomo"
    entry["title"] = run.start.get("note") or f"{run.start.get('plan_name', '')} {run.uid[:8]}"
    entry["entry_identifier"] = run.uid
    entry["program_name"] = "xsn_acq"
    entry["start_time"] = _iso(run.start["time"])
    entry["end_time"] = _iso(run.stop["time"] if run.stop else run.start["time"])
    _write_instrument(entry, run, acquisition)
    _write_detector(entry["instrument"], acquisition, sources, folder)
    _write_sample(entry, run, acquisition, sources)
    control = _group(entry, "control", "NXmonitor")
    _value(control, "data", np.concatenate([source.ring_current_ma for source in sources]), "mA")
    data = _group(entry, "data", "NXdata", signal="data")
    for name, target in (("data", "detector/data"), ("image_key", "detector/image_key")):
        data[name] = h5py.SoftLink(f"/entry/instrument/{target}")
    data["rotation_angle"] = h5py.SoftLink("/entry/sample/rotation_angle")
    _write_reconstruction(entry, run, sources)
    note = _group(entry, "start_document", "NXnote")
    note["type"] = "application/json"
    note["data"] = json.dumps(json.loads(encode("start", run.start))["doc"])


def _write_instrument(entry: h5py.Group, run: RunRecord, acquisition: Row) -> None:
    beamline = run.start.get("beamline", {})
    instrument = _group(entry, "instrument", "NXinstrument")
    instrument["name"] = beamline.get("title", "unknown")
    source = _group(instrument, "source", "NXsource")
    source["name"] = beamline.get("name", "unknown")
    source["type"] = "Synchrotron X-ray Source"
    source["probe"] = "x-ray"
    beam = _group(instrument, "beam", "NXbeam")
    _value(beam, "incident_energy", acquisition["energy_ev"] / 1000, "keV")
    entry["beam"] = h5py.SoftLink("/entry/instrument/beam")


def _write_detector(instrument: h5py.Group, acquisition: Row, sources: list[_Source], folder: Path) -> None:
    detector = _group(instrument, "detector", "NXdetector")
    layout = h5py.VirtualLayout((sum(map(len, sources)), *sources[0].shape), sources[0].dtype)
    start = 0
    for source in sources:
        name = os.path.relpath(source.path, folder)
        frames = h5py.VirtualSource(name, source.dataset, (len(source), *source.shape), source.dtype)
        layout[start : start + len(source)] = frames[: len(source)]
        start += len(source)
    detector.create_virtual_dataset("data", layout)
    keys = np.concatenate([source.image_key for source in sources])
    detector["image_key"] = keys
    detector["image_key_control"] = keys
    pixel_m = acquisition["pixel_size_m"]
    for axis in "xy":
        _value(detector, f"{axis}_pixel_size", pixel_m, "m")
    _value(detector, "count_time", np.full(len(keys), acquisition["exposure_s"]), "s")
    _value(detector, "distance", acquisition["sample_to_scintillator_m"], "m")
    detector["field_of_view"] = "Full"
    nx = sources[0].shape[1]
    _value(detector, "x_rotation_axis_pixel_position", acquisition["axis_column"] - (nx - 1) / 2, "pixel")
    detector["x_rotation_axis_pixel_position"].attrs["long_name"] = (
        "column of the rotation axis minus frame centre"
    )


def _write_sample(entry: h5py.Group, run: RunRecord, acquisition: Row, sources: list[_Source]) -> None:
    sample = _group(entry, "sample", "NXsample")
    sample["name"] = run.start.get("sample_name") or run.start.get("note") or "sample"
    _value(
        sample, "rotation_angle", np.concatenate([source.rotation_angle_deg for source in sources]), "degree"
    )
    keys = np.concatenate([source.image_key for source in sources])
    baseline = (run.rows("baseline") or [{}])[0]
    for axis in "xyz":
        _value(sample, f"{axis}_translation", np.full(len(keys), _sample_um(baseline, axis) * _UM), "m")
    for axis in "xy":
        _value(sample, f"{axis}_pixel_size", acquisition["pixel_size_m"], "m")


def _write_reconstruction(entry: h5py.Group, run: RunRecord, sources: list[_Source]) -> None:
    """What ``xsn-acq reconstruct`` needs beyond NXtomo and the start document."""
    group = _group(entry, "xsn_acq", "NXcollection")
    _value(group, "frame_time", np.concatenate([source.time_s for source in sources]), "s")
    baseline = (run.rows("baseline") or [{}])[0]
    if isinstance(baseline.get("cutoff_x"), float):
        _value(group, "cutoff_x", baseline["cutoff_x"], "um")


def _sample_um(baseline: Row, axis: str) -> float:
    """Sample stage position before the run, micrometres; 0 when the baseline does not tell."""
    value = baseline.get(f"sample_{axis}", 0.0)
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else 0.0


def _group(parent: h5py.Group, name: str, nx_class: str, **attributes: Any) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = nx_class
    group.attrs.update(attributes)
    return group


def _value(group: h5py.Group, name: str, value: Any, units: str) -> None:
    group[name] = value
    group[name].attrs["units"] = units


def _iso(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat()
