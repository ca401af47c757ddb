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
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from xsn_acq.errors import StorageError
from xsn_acq.storage.journal import encode
from xsn_acq.storage.nexus import iso_time, nxfields, nxgroup, nxroot, nxvalue, whole_file
from xsn_acq.storage.nxtomo_frames import FrameSource, frame_sources, of_all, reference_sources
from xsn_acq.storage.run import Row, RunRecord
from xsn_acq.storage.same_scan import require_same_scan
from xsn_acq.storage.sources import check_sources

_DATA: Final = "entry/instrument/detector/data"
_REFERENCES: Final = "entry/references"


def write_nxtomo(run: RunRecord | Sequence[RunRecord], path: Path) -> Path:
    """Write a run as an NXtomo file; an earlier export of the same name is replaced.

    Frames stand in order of acquisition. ``image_key`` is 0 for a projection, 1 for a flat, 2 for a dark
    and 3 for a frame that must not be used: flagged in the ledger, without a row in it, or a second one at
    an angle (the first good one counts). ``rotation_angle`` is the ledger's angle in mid-exposure. The
    reference speckle of a diffuser, which NXtomo has no key for, stands in ``references`` beside it.

    Parameters
    ----------
    run : RunRecord, or several
        The run; an interrupted one is written as far as it goes. Several are parts of one scan, as a run that
        was killed and the one that went on with it: darks, flats and projections of all of them, under the
        uid and the start document of the first.
    path : Path
        File to write, ``.nx`` by custom.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StorageError
        When a frame file is missing or has fewer frames than announced, when frames differ in shape, when
        there are none, or when runs are not of one scan.
    """
    path = Path(path).absolute()
    runs = [run] if isinstance(run, RunRecord) else sorted(run, key=lambda each: float(each.start["time"]))
    if not runs:
        raise StorageError(f"NXtomo {path}: wanted one run or more, found none")
    require_same_scan(runs)
    sources = frame_sources(runs)
    if path in {source.path for source in sources}:
        raise StorageError(f"NXtomo {path}: is a frame file of the run; choose another name")
    with whole_file(path, "NXtomo", check_nxtomo) as file:
        _write_entry(file, runs, sources, path.parent)
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
            if _REFERENCES in file:
                check_sources(file[_REFERENCES]["data"], f"NXtomo {path}: references")
            return check_sources(file[_DATA], f"NXtomo {path}")
    except (OSError, KeyError, RuntimeError) as error:
        raise StorageError(f"NXtomo {path}: cannot be read: {error}") from error


def _write_entry(
    file: h5py.File, runs: Sequence[RunRecord], sources: list[FrameSource], folder: Path
) -> None:
    start, stop = runs[0].start, runs[-1].stop
    nxroot(file, "entry")
    entry = nxgroup(file, "entry", "NXentry", default="data", version=2.1, definition="NXtomo")
    nxfields(
        entry,
        {
            "definition": "NXtomo",
            "title": start.get("note") or f"{start.get('plan_name', '')} {runs[0].uid[:8]}",
            "entry_identifier": runs[0].uid,
            "program_name": "xsn_acq",
            "start_time": iso_time(start["time"]),
            "end_time": iso_time((stop or runs[-1].start)["time"]),
        },
    )
    _write_instrument(entry, start)
    _write_detector(entry["instrument"], start["acquisition"], sources, folder)
    _write_sample(entry, start, sources)
    control = nxgroup(entry, "control", "NXmonitor")
    nxvalue(control, "data", of_all(sources, "ring_current_ma"), "mA")
    data = nxgroup(entry, "data", "NXdata", signal="data")
    for name in ("data", "image_key"):
        data[name] = h5py.SoftLink(f"/entry/instrument/detector/{name}")
    data["rotation_angle"] = h5py.SoftLink("/entry/sample/rotation_angle")
    _write_reconstruction(entry, runs, sources)
    _write_references(entry, reference_sources(runs), folder)
    note = nxgroup(entry, "start_document", "NXnote")
    note["type"] = "application/json"
    note["data"] = json.dumps(json.loads(encode("start", start))["doc"])


def _write_instrument(entry: h5py.Group, start: Row) -> None:
    beamline = start.get("beamline", {})
    instrument = nxgroup(entry, "instrument", "NXinstrument")
    instrument["name"] = beamline.get("title", "unknown")
    source = nxgroup(instrument, "source", "NXsource")
    name = beamline.get("name", "unknown")
    nxfields(source, {"name": name, "type": "Synchrotron X-ray Source", "probe": "x-ray"})
    beam = nxgroup(instrument, "beam", "NXbeam")
    nxvalue(beam, "incident_energy", start["acquisition"]["energy_ev"] / 1000, "keV")
    entry["beam"] = h5py.SoftLink("/entry/instrument/beam")


def _write_detector(
    instrument: h5py.Group, acquisition: Row, sources: list[FrameSource], folder: Path
) -> None:
    detector = nxgroup(instrument, "detector", "NXdetector")
    _write_frames(detector, sources, folder)
    keys = of_all(sources, "image_key")
    detector["image_key"] = keys
    detector["image_key_control"] = keys
    pixel_m = acquisition["pixel_size_m"]
    for axis in "xy":
        nxvalue(detector, f"{axis}_pixel_size", pixel_m, "m")
    nxvalue(detector, "count_time", np.full(len(keys), acquisition["exposure_s"]), "s")
    nxvalue(detector, "distance", acquisition["sample_to_scintillator_m"], "m")
    detector["field_of_view"] = "Full"
    offset = acquisition["axis_column"] - (sources[0].shape[1] - 1) / 2
    nxvalue(
        detector,
        "x_rotation_axis_pixel_position",
        offset,
        "pixel",
        long_name="column of the rotation axis minus frame centre",
    )


def _write_frames(detector: h5py.Group, sources: list[FrameSource], folder: Path) -> None:
    """Write the virtual dataset of all frames."""
    layout = h5py.VirtualLayout((sum(map(len, sources)), *sources[0].shape), sources[0].dtype)
    start = 0
    for source in sources:
        name = os.path.relpath(source.path, folder)
        frames = h5py.VirtualSource(name, source.dataset, (len(source), *source.shape), source.dtype)
        layout[start : start + len(source)] = frames[: len(source)]
        start += len(source)
    detector.create_virtual_dataset("data", layout)


def _write_references(entry: h5py.Group, sources: list[FrameSource], folder: Path) -> None:
    """Write the virtual dataset of the reference speckle, where there is any."""
    if sources:
        group = nxgroup(entry, "references", "NXdata", signal="data")
        _write_frames(group, sources, folder)
        nxvalue(group, "frame_time", of_all(sources, "time_s"), "s")


def _write_sample(entry: h5py.Group, start: Row, sources: list[FrameSource]) -> None:
    sample = nxgroup(entry, "sample", "NXsample")
    sample["name"] = start.get("sample_name") or start.get("note") or "sample"
    nxvalue(sample, "rotation_angle", of_all(sources, "rotation_angle_deg"), "degree")
    places = np.concatenate([np.tile(source.place_m, (len(source), 1)) for source in sources])
    for axis, place in zip("xyz", places.T, strict=True):
        nxvalue(sample, f"{axis}_translation", place, "m")
    for axis in "xy":
        nxvalue(sample, f"{axis}_pixel_size", start["acquisition"]["pixel_size_m"], "m")


def _write_reconstruction(entry: h5py.Group, runs: Sequence[RunRecord], sources: list[FrameSource]) -> None:
    """What ``xsn-acq reconstruct`` needs beyond NXtomo and the start document."""
    group = nxgroup(entry, "xsn_acq", "NXcollection")
    group["runs"] = [run.uid for run in runs]
    nxvalue(group, "frame_time", of_all(sources, "time_s"), "s")
    baseline = (runs[0].rows("baseline") or [{}])[0]
    if isinstance(baseline.get("cutoff_x"), float):
        nxvalue(group, "cutoff_x", baseline["cutoff_x"], "um")
