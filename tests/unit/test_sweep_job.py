"""The live worker's part of a sweep: maps that refine while it goes on, and are those made from the files."""

import json
from dataclasses import asdict

import h5py
import numpy as np
import pytest
from nxsci_truth import ELEMENTS
from recorder import Recorder
from sweep_run import SweepRun, played
from sweep_scene import SIDE

from xsn_acq.errors import StorageError
from xsn_acq.live import sweep_files, sweep_job
from xsn_acq.live.results import read_status
from xsn_acq.live.sweep_files import MAPS_NAME, SUMS_NAME, UNIT, evaluate_sweep
from xsn_acq.live.sweep_job import SweepJob
from xsn_acq.live.worker import LiveWorker, _is_ours
from xsn_acq.storage.frames import path_of
from xsn_acq.storage.journal import Journal, JournalLine
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord


@pytest.fixture(autouse=True)
def _without_picture(monkeypatch):
    """Drawing takes longer than all the rest; `test_sweep_files` looks at it."""
    monkeypatch.setattr(sweep_files, "draw_sweep", lambda path, *_, **__: path)


def worked(run, root, publisher, *, until=None):
    """A job that was given the documents of a run, or those before one, and did all there was to do."""
    documents = run.play(root / "frames")
    job = SweepJob(RunRecord.from_documents([next(documents)]), DataFolder(root / "data"), publisher)
    for name, doc in documents:
        if name == until:
            return job
        job.take(JournalLine(None, 0, 0, name, doc, b""))
        while job.step():
            pass
    return job


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep_files, "draw_sweep", lambda path, *_, **__: path)
        starts, solve = [], sweep_job.make_maps

        def noted(work, start, **rest):
            starts.append(start)
            return solve(work, start, **rest)

        patch.setattr(sweep_job, "make_maps", noted)
        root, publisher = tmp_path_factory.mktemp("live"), Recorder()
        yield root, worked(SweepRun(faults={("in", 7): "scalers"}), root, publisher), publisher, starts


def test_it_is_done_and_says_so(live):
    root, job, publisher, _ = live
    assert job.ended
    status = job.status
    assert (status.state, status.message) == ("done", "")
    assert (status.pairs, status.expected_pairs, status.behind) == (40, 40, 0)
    assert status.frames == 82
    assert asdict(read_status(DataFolder(root / "data").results(job.record.uid))) == asdict(status)
    states = [header["state"] for header, _ in publisher.of("status")]
    assert states == ["waiting", "retrieving", "retrieving", "volume", "done"]


def test_maps_are_published_after_each_block(live):
    _, job, publisher, _ = live
    maps = publisher.of("map")
    quantities = [header["quantity"] for header, _ in maps]
    assert quantities == [*ELEMENTS, "transmission"] * 2
    assert [header["patterns"] for header, _ in maps] == [19] * 4 + [39] * 4  # one is left out
    for header, values in maps:
        assert values.shape == (SIDE, SIDE)
        assert header["run"] == job.record.uid
        assert header["pixel_size_m"] == 30e-9
        assert header["unit"] == ("" if header["quantity"] == "transmission" else UNIT)


def test_the_fitted_spectrum_and_the_dependence_are_published(live):
    _, _, publisher, _ = live
    for header, (energies, total, fitted) in publisher.of("spectrum"):
        assert header["unit"] == "counts"
        assert (np.diff(energies) > 0).all()
        assert abs(fitted.sum() / total.sum() - 1) < 0.01
    curves = [array for _, array in publisher.of("curve")]
    assert [list(curve[0]) for curve in curves] == [[19], [19, 39]]


def test_maps_are_refined_from_those_of_fewer_patterns(live):
    starts = live[3]
    assert starts[0] is None
    assert len(starts) == 3  # two blocks, and the end
    assert all(start is not None for start in starts[1:])


def test_live_is_offline(live, tmp_path):
    """The same patterns and counts; the solver comes from another start to the same maps."""
    root, job, _, _ = live
    there = DataFolder(root / "data").results(job.record.uid)
    evaluate_sweep(job.record, DataFolder(tmp_path))
    here = DataFolder(tmp_path).results(job.record.uid)
    one, other = (json.loads((folder / SUMS_NAME).read_text()) for folder in (there, here))
    for name in ("used", "left_out", "regions", "pattern_shift_px", "sample_shift_px"):
        assert one[name] == other[name]
    with h5py.File(there / MAPS_NAME) as first, h5py.File(here / MAPS_NAME) as second:
        for name in ELEMENTS:
            a, b = (file[f"entry/{name}/{name}"][()] for file in (first, second))
            # both stop when steps are small, at either side of the best map
            assert np.sqrt(np.mean((a - b) ** 2)) < 0.02 * np.sqrt(np.mean(b**2))


def test_a_run_that_ended_early_is_partial(tmp_path):
    job = worked(SweepRun(lines=4, per_line=4, exit_status="abort"), tmp_path, Recorder())
    assert (job.status.state, job.status.pairs) == ("partial", 16)
    assert "ended early: abort" in job.status.message
    assert (DataFolder(tmp_path / "data").results(job.record.uid) / MAPS_NAME).exists()


def test_an_interrupted_run_is_partial(tmp_path):
    job = worked(SweepRun(lines=4, per_line=4), tmp_path, Recorder(), until="stop")
    assert not job.ended
    assert job.status.state == "retrieving"
    job.abandon()
    assert (job.ended, job.status.state) == (True, "partial")
    assert "reconstruct" in job.status.message
    assert not job.step()


def test_too_few_patterns_fail(tmp_path):
    job = worked(SweepRun(lines=2, per_line=4), tmp_path, Recorder())
    assert job.status.state == "failed"
    assert "wanted 12 good patterns or more, found 8" in job.status.message


def test_frames_that_never_come_fail_when_the_run_is_over(tmp_path):
    """What was announced is not in the file: that is told, and nobody waits for ever."""
    run = SweepRun(lines=4, per_line=4)
    record = played(run, tmp_path / "frames")
    path = path_of(record.streams["patterns"].resource)
    with h5py.File(path, "r+") as file:
        file["entry/data/data"].resize(25, axis=0)
    job = SweepJob(RunRecord.from_documents([("start", record.start)]), DataFolder(tmp_path), Recorder())
    for line in lines_of(record):
        job.take(line)
        while job.step():
            pass
    assert job.status.state == "failed"
    assert "patterns.h5: wanted frames" in job.status.message


def test_frames_that_are_late_are_waited_for(tmp_path):
    """Rows came before their frames could be read: nothing is made of zeros."""
    record = played(SweepRun(lines=4, per_line=4), tmp_path / "frames")
    path = path_of(record.streams["patterns"].resource)
    with h5py.File(path, "r+") as file:
        frames = file["entry/data/data"][()]
        file["entry/data/data"].resize(10, axis=0)
    job = SweepJob(RunRecord.from_documents([("start", record.start)]), DataFolder(tmp_path), Recorder())
    for line in lines_of(record):
        if line.name != "stop":
            job.take(line)
    assert not job.step()
    assert job.status.state == "waiting"
    with h5py.File(path, "r+") as file:
        file["entry/data/data"].resize(len(frames), axis=0)
        file["entry/data/data"][()] = frames
    assert job.step()
    assert (job.status.state, job.status.pairs) == ("retrieving", 8)
    job.close()


def lines_of(record):
    """Documents of a whole record once more: descriptors, files and frames, then rows, then the stop."""
    for stream in record.streams.values():
        yield from (JournalLine(None, 0, 0, "descriptor", doc, b"") for doc in stream.descriptors)
        for resource in stream.resources:
            yield JournalLine(None, 0, 0, "stream_resource", resource, b"")
            datum = {
                "stream_resource": resource["uid"],
                "descriptor": stream.descriptor["uid"],
                "indices": {"start": 0, "stop": stream._frames[resource["uid"]]},
            }
            yield JournalLine(None, 0, 0, "stream_datum", datum, b"")
    points = record.streams["points"].descriptor["uid"]
    for row in record.rows("points"):
        event = {"descriptor": points, "time": 0.0, "seq_num": 1, "data": row}
        yield JournalLine(None, 0, 0, "event", event, b"")
    yield JournalLine(None, 0, 0, "stop", record.stop, b"")


def test_a_library_that_is_not_there_is_refused(tmp_path):
    start = SweepRun(passes="in", library="deadbeef").start() | {"uid": "0123456789", "time": 0.0}
    with pytest.raises(StorageError, match="deadbeef"):
        SweepJob(RunRecord.from_documents([("start", start)]), DataFolder(tmp_path), Recorder())


def test_the_worker_takes_sweeps_with_the_sample_only():
    assert _is_ours(SweepRun().start())
    assert not _is_ours(SweepRun(passes="out").start())


def test_the_worker_makes_maps_of_a_run_that_has_ended(tmp_path):
    data, run = DataFolder(tmp_path / "data"), SweepRun(lines=4, per_line=4)
    journal = Journal(data.journal)
    for name, doc in run.play(tmp_path / "frames"):
        journal(name, doc)
    LiveWorker(data, None).run(one_run=True, since=0.0)
    assert read_status(data.results(run.uid)).state == "done"
