"""Live is offline, frame by frame; a worker that dies or lags changes nothing in the result."""

import json
import threading
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from documents import T0
from recorder import Recorder
from xsn_run import frame_at, xsn_run

from xsn_acq.analysis.tomography import volume
from xsn_acq.analysis.xsn_stream import reconstruct_pairs
from xsn_acq.errors import ReconstructionError, StorageError
from xsn_acq.live import reconstruction
from xsn_acq.live.offline import reconstruct
from xsn_acq.live.reconstruction import SPARE_PAIRS
from xsn_acq.live.results import Status, decode, read_status, write_status
from xsn_acq.live.settings import expected_pairs, xsn_settings
from xsn_acq.live.tomogram_job import TomogramJob
from xsn_acq.live.volume import VolumeFile
from xsn_acq.live.volume_writing import slab_rows
from xsn_acq.live.worker import LiveWorker
from xsn_acq.storage.journal import Journal, JournalLine, list_runs
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

# FINUFFT adds in an order that depends on its threads: equal to the rounding of float32.
ROUNDING = 2e-6


@pytest.fixture(autouse=True)
def _without_report(monkeypatch):
    """Drawing a page takes longer than these reconstructions; `test_report` looks at it."""
    monkeypatch.setattr(reconstruction, "report_on", lambda path, record: None)


def line(name, doc):
    return JournalLine(None, 0, 0, name, doc, b"")


def job_of(run, tmp_path, publisher, *, publish_every_s=0.0):
    """A job, and the documents that come after its start document."""
    documents = run.play(tmp_path / "frames")
    record = RunRecord.from_documents([next(documents)])
    return TomogramJob(record, tmp_path / "live", publisher, publish_every_s=publish_every_s), documents


def play(job, documents):
    for name, doc in documents:
        job.take(line(name, doc))
        while job.step():
            pass


def values(folder):
    with VolumeFile(folder / "reconstruction.h5") as file:
        return file.delta[()], file.beta[()]


def assert_same(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=ROUNDING * np.abs(other).max())


def test_settings_are_those_of_the_start_document():
    made = xsn_run(6)
    settings = xsn_settings({"uid": "u", **made.run.start_metadata()})
    want = replace(made.tomogram.settings, knife_edge=settings.knife_edge)
    # NA goes through the wavelength and back
    assert settings.aperture_per_m == pytest.approx(want.aperture_per_m, rel=1e-12)
    assert replace(settings, aperture_per_m=want.aperture_per_m) == want
    assert expected_pairs(made.run.start_metadata()) == 6


@pytest.mark.parametrize(
    ("change", "says"),
    [({"cutoff_per_m": None}, "acquisition"), ({"knife_edge": {}}, "missing"), ({"step_deg": 0}, "division")],
)
def test_a_start_document_that_lacks_something_is_refused(change, says):
    start = xsn_run().run.start_metadata()
    start["acquisition"] |= change
    with pytest.raises(ReconstructionError, match=says):
        xsn_settings(start)


def test_other_techniques_are_refused():
    with pytest.raises(ReconstructionError, match="wanted xsn, found 'nxsci'"):
        xsn_settings({"technique": "nxsci"})


def test_streamed_equals_batch(tmp_path):
    """The worker's volume is that of the batch functions on all frames at once."""
    made = xsn_run()
    job, documents = job_of(made.run, tmp_path, Recorder())
    play(job, documents)
    assert job.status.state == "done"
    assert job.status.pairs == job.status.expected_pairs == 6

    tomogram = made.tomogram
    frames = np.round(tomogram.frames)
    dark, flat = np.round(tomogram.dark), np.round(tomogram.flat)
    settings = xsn_settings(job.record.start)
    pairs = reconstruct_pairs(frames, tomogram.theta_deg, settings, dark, flat)
    theta = np.deg2rad([pair.theta_deg for pair in pairs])
    sizes = {"pixel_size_m": settings.pixel_size_m, "wavelength_m": settings.wavelength_m}
    delta = volume(np.stack([pair.field.phi for pair in pairs]), theta, **sizes)
    beta = volume(np.stack([pair.field.alpha for pair in pairs]), theta, **sizes)
    # the flat is divided out before the background is multiplied in: rounding, through 7 iterations
    for found, wanted in zip(values(tmp_path / "live"), (delta, beta), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-4 * np.abs(wanted).max())


def test_live_equals_offline(tmp_path):
    made = xsn_run(lost=(1, 7), flagged=(4,))
    job, documents = job_of(made.run, tmp_path, Recorder())
    play(job, documents)
    done = []
    paths = reconstruct(job.record, tmp_path / "offline", progress=lambda *count: done.append(count))
    assert_same(values(tmp_path / "live"), values(tmp_path / "offline"))
    assert paths.volume == tmp_path / "offline" / "reconstruction.h5"
    assert done[-1] == ("volume", 16, 16)
    assert [count for stage, *count in done if stage == "retrieval"] == [[n, 6] for n in range(7)]


def test_a_lost_frame_taken_again_comes_to_its_place(tmp_path):
    records = [RunRecord.from_documents(xsn_run(lost=lost).run.play(tmp_path / name)) for name, lost in
               (("whole", ()), ("lossy", (2, 9)))]  # fmt: skip
    found = []
    for number, record in enumerate(records):
        reconstruct(record, tmp_path / str(number))
        found.append(values(tmp_path / str(number)))
    assert_same(*found)


def test_a_job_that_is_cut_and_begun_anew_ends_the_same(tmp_path):
    made = xsn_run()
    documents = list(made.run.play(tmp_path / "frames"))
    pages = [number for number, (name, _) in enumerate(documents) if name == "event_page"]
    cut = pages[1] + 1  # in the middle of the second half turn: some pairs are made, some wait
    record = RunRecord.from_documents(documents[:1])
    first = TomogramJob(record, tmp_path / "live", Recorder())
    play(first, documents[1:cut])
    assert 0 < first.status.pairs < 6
    first.close()

    told = Recorder()
    second = TomogramJob(
        RunRecord.from_documents(documents[:1]), tmp_path / "live", told, publish_every_s=0.0
    )
    play(second, documents[1:])
    reconstruct(second.record, tmp_path / "offline")
    assert_same(values(tmp_path / "live"), values(tmp_path / "offline"))
    grown, final = [
        image
        for header, image in told.of("slice")
        if (header["quantity"], header["plane"], header["pairs"]) == ("delta", "xz", 6)
    ]
    # the growing slice counts all angles alike, the volume weighs them: two transforms, each within
    # 1e-4, and 3e-4 at the border of the grid
    np.testing.assert_allclose(grown, final, rtol=0, atol=5e-4 * final.max())


def test_fields_of_the_store_are_not_made_again(tmp_path, monkeypatch):
    record = RunRecord.from_documents(xsn_run().run.play(tmp_path / "frames"))
    reconstruct(record, tmp_path / "out")
    whole = values(tmp_path / "out")
    monkeypatch.setattr("xsn_acq.analysis.retrieval.XsnRetrieval.pair", lambda *_: pytest.fail("made again"))
    reconstruct(record, tmp_path / "out")
    assert_same(values(tmp_path / "out"), whole)


def test_previews_come_at_once_and_only_of_the_newest_frame(tmp_path):
    made = xsn_run(per_flush=4)
    told = Recorder()
    job, documents = job_of(made.run, tmp_path, told)
    play(job, documents)
    previews = told.of("preview")
    # of pages of 4 rows the newest frame, unless it makes a pair: frame 3; 7 and 11 make pairs
    assert [round((header["theta_deg"] - made.run.theta_mid_deg(0)) / 30) for header, _ in previews] == [3]
    header, image = previews[0]
    assert image.shape == made.run.shape
    assert (header["unit"], header["quantity"], header["run"]) == ("rad", "phi", job.record.uid)


def test_slices_grow_and_end_as_the_volume(tmp_path):
    told = Recorder()
    job, documents = job_of(xsn_run().run, tmp_path, told)
    play(job, documents)
    slices = [(header, image) for header, image in told.of("slice") if header["plane"] == "xz"]
    assert [header["pairs"] for header, _ in slices if header["quantity"] == "delta"] == [1, 2, 3, 4, 5, 6, 6]
    delta, _ = values(tmp_path / "live")
    np.testing.assert_array_equal(slices[-2][1], delta[8])


def test_slices_are_published_no_more_often_than_asked(tmp_path):
    told = Recorder()
    job, documents = job_of(xsn_run().run, tmp_path, told, publish_every_s=60.0)
    play(job, documents)
    assert {header["pairs"] for header, _ in told.of("slice")} == {1, 6}


def test_flats_after_are_used_at_the_end(tmp_path):
    """A flat that grows brighter in one half: with flats of both ends each frame has its own."""
    made = xsn_run(flats_after=3)
    tomogram, run = made.tomogram, made.run
    tilt = 1 + 0.2 * (np.arange(48) > 20)
    flats = iter([tomogram.flat] * 3 + [100 + (tomogram.flat - 100) * tilt] * 3)
    run.flat = lambda index: next(flats)

    def brighter(index, theta):
        part = index / (run.projections - 1)
        return 100 + (frame_at(run, tomogram, theta) - 100) * (1 + part * (tilt - 1))

    run.projection = brighter
    job, documents = job_of(run, tmp_path, Recorder())
    play(job, documents)
    assert job.status.state == "done"

    steady = RunRecord.from_documents(xsn_run().run.play(tmp_path / "steady"))
    reconstruct(steady, tmp_path / "wanted")
    wanted = values(tmp_path / "wanted")[0]
    # rounding to counts differs: photon noise of single frames, far below the sample
    np.testing.assert_allclose(values(tmp_path / "live")[0], wanted, rtol=0, atol=0.02 * wanted.max())


def test_a_run_cut_short_is_reconstructed_in_part(tmp_path):
    made = xsn_run()
    documents = [(name, doc) for name, doc in made.run.play(tmp_path / "frames") if name != "stop"]
    pages = [number for number, (name, _) in enumerate(documents) if name == "event_page"]
    documents = documents[: pages[1] + 1]
    stop = {"uid": "s", "time": 0.0, "run_start": made.run.uid, "exit_status": "abort", "reason": "beam dump"}
    job = TomogramJob(RunRecord.from_documents(documents[:1]), tmp_path / "live", Recorder())
    play(job, [*documents[1:], ("stop", stop)])
    assert (job.status.state, job.status.pairs) == ("partial", 4)
    assert "beam dump" in job.status.message


def test_a_run_without_pairs_fails_in_words(tmp_path):
    made = xsn_run()
    documents = [doc for doc in made.run.play(tmp_path / "frames") if doc[0] != "event_page"]
    job = TomogramJob(RunRecord.from_documents(documents[:1]), tmp_path / "live", Recorder())
    play(job, documents[1:])
    assert job.status.state == "failed"
    assert "half a turn apart" in read_status(tmp_path / "live").message


def test_an_error_in_the_run_is_mended_at_its_end(tmp_path, monkeypatch):
    made = xsn_run()
    job, documents = job_of(made.run, tmp_path, Recorder())

    def broken(*_):
        raise StorageError("disk full")

    with monkeypatch.context() as context:
        context.setattr("xsn_acq.live.fields.FieldStore.append", broken)
        documents = list(documents)
        play(job, documents[:-1])
        assert job.status.message == "disk full"
        assert job.status.state == "waiting"
    play(job, documents[-1:])
    assert (job.status.state, job.status.pairs, job.status.message) == ("done", 6, "")


def test_live_results_leave_room_for_the_frames_to_come(tmp_path, monkeypatch):
    made = xsn_run()
    ny, nx = made.run.shape
    results = 8 * ny * nx * ((made.run.projections + 1) // 2 + SPARE_PAIRS + nx)
    frames = 2 * ny * nx * made.run.projections
    monkeypatch.setattr(reconstruction, "disk_usage", lambda _: SimpleNamespace(free=results + frames // 2))
    job, documents = job_of(made.run, tmp_path, Recorder())
    documents = list(documents)
    play(job, documents[:-1])
    assert job.status.state == "waiting"
    assert "for frames still to come" in job.status.message
    play(job, documents[-1:])  # the run is over: what is free is for its results
    assert (job.status.state, job.status.message) == ("done", "")


def test_worker_reconstructs_one_run_and_returns(tmp_path):
    data = DataFolder(tmp_path)
    stop = threading.Event()
    worker = LiveWorker(data, None)
    thread = threading.Thread(target=worker.run, args=(stop,), kwargs={"one_run": True})
    thread.start()
    try:
        journal = Journal(data.journal)
        other = {"uid": "0" * 8 + "-other", "time": 1.0, "technique": "nxsci", "plan_name": "x"}
        journal("start", other)  # never ends: no run of ours, and no reason to stop
        made = xsn_run()
        made.run.journal(data.frames_root, journal)
        thread.join(20)
        assert not thread.is_alive()
    finally:
        stop.set()
        thread.join()
    assert read_status(data.results(made.run.uid)).state == "done"


def test_a_worker_of_one_run_says_why_it_cannot_be_reconstructed(tmp_path):
    data = DataFolder(tmp_path)
    made = xsn_run()
    _, start = next(iter(made.run.play(tmp_path / "frames")))
    with closing(Journal(data.journal)) as journal:
        journal("start", start | {"acquisition": start["acquisition"] | {"knife_edge": {}}})
        with pytest.raises(ReconstructionError, match="frequency_per_m"):
            LiveWorker(data, None).run(threading.Event(), one_run=True)


def test_worker_finishes_what_an_earlier_one_left(tmp_path):
    data = DataFolder(tmp_path)
    made = xsn_run()
    made.run.journal(data.frames_root, Journal(data.journal))
    folder = data.results(made.run.uid)
    write_status(folder, Status(made.run.uid, state="volume"))
    stop = threading.Event()
    worker = LiveWorker(data, None)
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    deadline = threading.Event()
    while not read_status(folder).ended and thread.is_alive():
        deadline.wait(0.01)
    stop.set()
    thread.join()
    assert read_status(folder).state == "done"


def test_volume_file_says_what_it_is(tmp_path):
    made = xsn_run(8)
    record = RunRecord.from_documents(made.run.play(tmp_path / "frames"))
    paths = reconstruct(record, tmp_path / "out")
    with h5py.File(paths.volume) as file:
        entry = file[file.attrs["default"]]
        delta = entry[entry.attrs["default"]]
        assert delta.attrs["NX_class"] == "NXdata"
        assert list(delta.attrs["axes"]) == ["y", "z", "x"]
        assert delta["x"].attrs["units"] == "m"
        assert delta["x"][0] == pytest.approx(-23.5 * 40e-9)
        assert entry["source_run"].asstr()[()] == record.uid
        assert json.loads(entry["process/parameters"].asstr()[()])["iterations"] == 7
    with VolumeFile(paths.volume) as file:
        summary = file.summary()
        np.testing.assert_array_equal(summary.slices["delta"]["zy"], file.delta[:, :, 24])
        np.testing.assert_array_equal(summary.slices["beta"]["xy"], file.beta[:, 24])
    assert summary.residual.shape == (8, 7)
    assert summary.correlation.correlation[0] > 0.4  # four angles in each half: little to compare
    assert set(summary.halves.curves) == {"delta", "beta"}
    # of so few angles each voxel's delta is uncertain by streaks; the spheres have 7e-6 to 2e-5
    assert 1e-7 < summary.halves.noise["delta"] < 2e-5
    with pytest.raises(StorageError, match="wanted a reconstruction"):
        VolumeFile(tmp_path / "none.h5")


def test_slabs_bound_the_memory():
    assert slab_rows(180, 192) == 32
    # 900 angles of 3200 columns: sinograms and slices of a slab stay under 128 MiB
    assert slab_rows(900, 3200) * 3200 * 3200 * 8 <= 128 * 2**20
    assert slab_rows(100_000, 3200) == 1


@pytest.mark.parametrize(
    "parts",
    [
        [b"{}", b""],
        [b"not json", b""],
        [b'{"kind": "slice"}'],
        [b'{"kind": "slice", "dtype": "object", "shape": [1]}', b"1234"],
        [b'{"kind": "slice", "dtype": "float32", "shape": [2, 2]}', b"1234"],
        [b'{"kind": "slice", "dtype": "float32", "shape": [-1, -1]}', b"1234"],
        [b'{"kind": "slice", "dtype": "float32", "shape": 3}', b"1234"],
        [b'{"kind": "' + b"x" * 5000 + b'"}', b""],
        [b"[1]", b""],
    ],
)
def test_malformed_results_are_refused(parts):
    with pytest.raises(StorageError, match="not a message of the live worker"):
        decode(parts)


def test_status_is_whole_or_absent(tmp_path):
    assert read_status(tmp_path) is None
    write_status(tmp_path, Status("u", state="done", pairs=3))
    assert read_status(tmp_path) == Status("u", state="done", pairs=3)
    (tmp_path / "live.json").write_text('{"run": "u", "sta')
    assert read_status(tmp_path) is None


def test_a_run_that_ended_before_the_worker_listened_counts_when_it_started_since(tmp_path):
    made = xsn_run()
    data = DataFolder(tmp_path)
    journal = Journal(data.journal)
    for name, document in made.run.play(tmp_path / "frames"):
        journal(name, document)
    started = list_runs(data.journal)[0].start_time
    never = threading.Event()
    watchdog = threading.Timer(20.0, never.set)  # a worker that waits for ever fails here instead of hanging
    watchdog.start()
    LiveWorker(data, None).run(never, one_run=True, since=started)
    watchdog.cancel()
    assert not never.is_set()
    assert (data.results(list_runs(data.journal)[0].uid) / "reconstruction.h5").exists()


def test_a_worker_of_one_run_ends_when_the_session_dies(tmp_path):
    made = xsn_run()
    data = DataFolder(tmp_path)
    journal = Journal(data.journal)
    documents = list(made.run.play(data.frames_root))
    for name, document in documents[: len(documents) // 2]:
        journal(name, document)
    never = threading.Event()
    worker = LiveWorker(data, None)
    since = list_runs(data.journal)[0].start_time
    arguments = {"one_run": True, "since": since}
    thread = threading.Thread(target=worker.run, args=(never,), kwargs=arguments, daemon=True)
    thread.start()
    try:
        journal.close()  # as the end of the process that held it
        thread.join(20)
        assert not thread.is_alive()
    finally:
        never.set()
    status = read_status(data.results(made.run.uid))
    assert (status.state, "interrupted" in status.message) == ("partial", True)


def ended():
    """A session that is over."""
    over = threading.Event()
    over.set()
    return over


def test_a_worker_whose_session_is_over_does_what_is_left_of_all_its_runs(tmp_path):
    data, uids = DataFolder(tmp_path), []
    journal = Journal(data.journal)
    for hour in range(3):
        made = xsn_run(8, seed=hour + 1, time_s=T0 + 3600 * hour)
        uids.append(made.run.journal(data.frames_root, journal))
    LiveWorker(data, None).run(ended(), to_the_end=True, since=T0 + 1800)
    found = [read_status(data.root / "results" / uid[:8]) for uid in uids]
    assert found[0] is None
    assert [status.state for status in found[1:]] == ["done", "done"]


def test_a_worker_says_what_failed_after_all_the_rest(tmp_path):
    data = DataFolder(tmp_path)
    journal = Journal(data.journal)
    broken = xsn_run(8, seed=5, time_s=T0)
    for name, doc in broken.run.play(data.frames_root):
        journal(name, doc)
        if name == "stream_resource" and "projections" in doc["uri"]:
            break
    whole = xsn_run(8, seed=6, time_s=T0 + 3600)
    whole.run.journal(data.frames_root, journal)
    stop = {"uid": "stop", "time": T0, "run_start": broken.run.uid, "exit_status": "fail", "reason": ""}
    journal("stop", stop)
    with pytest.raises(ReconstructionError, match=f"run {broken.run.uid[:8]}: wanted projections"):
        LiveWorker(data, None).run(ended(), to_the_end=True, since=T0)
    assert read_status(data.results(whole.run.uid)).state == "done"


def test_a_run_that_goes_on_with_another_is_not_reconstructed_alone(tmp_path):
    data = DataFolder(tmp_path)
    made = xsn_run(8)
    journal = Journal(data.journal)
    for name, doc in made.run.play(data.frames_root):
        journal(name, {**doc, "hyperspectral": {"resumes": ["earlier"]}} if name == "start" else doc)
    LiveWorker(data, None).run(ended(), to_the_end=True, since=0.0)
    assert read_status(data.root / "results" / made.run.uid[:8]) is None
