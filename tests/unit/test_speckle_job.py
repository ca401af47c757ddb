"""The live worker's part of a speckle tomogram: projections as they come, the volume after the last one."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from pixel_axes import axis
from recorder import Recorder
from speckle_run import PIXEL_UM, SpeckleRun
from speckle_stand_in import LIGHT, StandIn, know_the_light

from xsn_acq.errors import ReconstructionError
from xsn_acq.live import speckle_first, speckle_growing, speckle_reconstruction, speckle_trial
from xsn_acq.live.results import Status, read_status, write_status
from xsn_acq.live.speckle_job import SpeckleJob
from xsn_acq.live.volume import FILE_NAME
from xsn_acq.live.worker import LiveWorker
from xsn_acq.storage.journal import Journal, JournalLine
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

SHAPE, SMALL = (48, 64), (16, 24)
PLACES = ((0.0, 0.0), (0.1, 0.0))
AT_X_UM, AT_Y_UM = axis(SHAPE[1], PIXEL_UM), axis(SHAPE[0], PIXEL_UM)
SERIES = "5ca1ab1e-0000-4000-8000-000000000000"


class Quick:
    """In the place of the retrieval of reduced projections, and of the trial of weights: fields of noise."""

    wrong = None
    """What is raised instead."""
    starts, astray = [], ()
    """Where fields started from, and which of them, counted from 1, do not converge."""

    def __init__(self, settings, references, **_):
        self.shape = references.shape[1:]

    def like(self, settings):
        return self

    def retrieve(self, images, start=None, *, shifts=None):
        if shifts is not None:
            return SimpleNamespace(mu=30.0)
        if self.wrong is not None:
            raise self.wrong
        self.starts.append(start)
        phi = -np.random.default_rng(1).random(self.shape).astype(np.float32)
        rmse, converged = np.full(self.shape, 0.01, np.float32), len(self.starts) not in self.astray
        return SimpleNamespace(alpha=0.003 * phi, phi=phi, rmse=rmse, converged=converged)


@pytest.fixture
def quick(monkeypatch):
    know_the_light(monkeypatch)
    monkeypatch.setattr(speckle_growing, "Retrieval", Quick)
    monkeypatch.setattr(speckle_trial, "Retrieval", Quick)
    monkeypatch.setattr(Quick, "wrong", None)
    monkeypatch.setattr(Quick, "starts", [])
    volume = StandIn(SMALL)
    monkeypatch.setattr(speckle_reconstruction, "retrieve_views", volume)
    return volume


@pytest.fixture
def data(tmp_path):
    return DataFolder(tmp_path)


def follow(run, data, publisher=None, *, until=None, look=None, every_s=1e3):
    """A job that took a run's documents as they came, and did all there was to do.

    Slices take longer than all the rest: few are made where they are not looked at.
    """
    journal, job = Journal(data.journal), None
    for name, doc in run.play(data.frames_root):
        if name == until:
            break
        journal(name, doc)
        if job is None:
            record = RunRecord.from_documents([(name, doc)])
            job = SpeckleJob(record, data, publisher or Recorder(), publish_every_s=every_s)
            continue
        job.take(JournalLine(None, 0, 0, name, doc, b""))
        while job.step():
            pass
        if look is not None:
            look(name, job.status)
    return job


def small(**options):
    return SpeckleRun(**{"shape": SMALL, "projections": 5, "series": SERIES} | options)


def position(number, **options):
    later = {"seed": number, "time_s": 2e9 + number}
    return small(number=number, position_mm=PLACES[number], positions_mm=PLACES, **later, **options)


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A run of three angles, followed to its volume; retrieved live as it is in earnest."""
    root, publisher, seen = DataFolder(tmp_path_factory.mktemp("live")), Recorder(), []
    with pytest.MonkeyPatch.context() as patch:
        know_the_light(patch)
        patch.setattr(speckle_reconstruction, "retrieve_views", StandIn(SHAPE))
        patch.setattr(speckle_trial, "Retrieval", Quick)
        run = SpeckleRun(shape=SHAPE, projections=3, references=20, flats=20, per_flush=1, series=SERIES)
        job = follow(run, root, publisher, look=lambda name, status: seen.append(status), every_s=0.0)
    return SimpleNamespace(root=root, run=run, job=job, publisher=publisher, seen=seen)


def test_each_projection_is_shown_with_what_its_model_misses(live):
    shown = live.publisher.of("preview")
    assert [header["quantity"] for header, _ in shown] == ["phi", "rmse"] * 3
    angles = [header["theta_deg"] for header, _ in shown[::2]]
    assert angles == pytest.approx([live.run.theta_mid_deg(target) for target in range(3)])
    for header, image in shown:
        assert image.shape == SHAPE
        assert header["pixel_size_m"] == 0.65e-6
        assert header["unit"] == {"phi": "rad", "rmse": ""}[header["quantity"]]


def test_the_phase_shown_is_that_of_the_ball(live):
    """-k0 times delta times 18 um of glass, in the middle of its shadow."""
    ball = live.run.phantom
    for header, phi in live.publisher.of("preview")[::2]:
        delta_m, _ = ball.projection(10_000.0, header["theta_deg"], AT_X_UM, AT_Y_UM)
        true = -2 * np.pi / 1.2398e-10 * delta_m
        inside = true < 0.7 * true.min()
        # one plane, few gradients and 2.3 um of blur: a tenth
        assert phi[inside].mean() == pytest.approx(true[inside].mean(), rel=0.1)


def test_noise_is_what_the_model_misses(live):
    for _, rmse in live.publisher.of("preview")[1::2]:
        # 20,000 photons, 0.7 %; the ball reaches the air of so small a field, and the fit is short
        assert 0.005 < np.sqrt(np.mean(rmse**2)) < 0.012


def test_slices_grow(live):
    slices = live.publisher.of("slice")
    counts = [header["pairs"] for header, _ in slices]
    assert counts == [1] * 6 + [2] * 6 + [3] * 12  # at last those of the volume
    assert {(header["quantity"], header["plane"]) for header, _ in slices} == {
        (quantity, plane) for quantity in ("delta", "beta") for plane in ("xz", "xy", "zy")
    }
    (growing,) = [a for h, a in slices[12:18] if (h["quantity"], h["plane"]) == ("delta", "xy")]
    assert growing.shape == SHAPE
    assert growing.max() > 1e-6  # glass: 4.6e-6


def test_the_light_is_told_while_the_run_goes_on(live):
    (first, *_), (*_, last) = live.seen, live.seen
    assert (first.state, first.message) == ("waiting", "")
    during = [status for status in live.seen if status.state == "retrieving"]
    assert {status.message for status in during} == {LIGHT.line()}
    assert (last.state, last.message, last.pairs, last.behind) == ("done", "", 3, 0)


def test_speckle_that_moves_is_taken_out_and_told(data, monkeypatch):
    """By 2.9 um, a third of a grain."""
    know_the_light(monkeypatch)
    shape, publisher = (36, 48), Recorder()
    run = SpeckleRun(shape=shape, projections=1, references=20, flats=20, drift_um=9.0)
    job = follow(run, data, publisher, until="stop")
    (header, phi), _ = publisher.of("preview")
    at_um = axis(shape[1], PIXEL_UM), axis(shape[0], PIXEL_UM)
    delta_m, _ = run.phantom.projection(10_000.0, header["theta_deg"], *at_um)
    true = -2 * np.pi / 1.2398e-10 * delta_m
    inside = true < 0.7 * true.min()
    assert phi[inside].mean() == pytest.approx(true[inside].mean(), rel=0.1)  # as where nothing moves
    moved_px = 9.0 * header["theta_deg"] / 180 / PIXEL_UM
    said = f"{LIGHT.line()}; the speckle moved by up to {moved_px:.1f} pixels, which is taken out"
    assert job.status.message.startswith(said)


def test_it_is_told_how_far_the_volume_is(quick, data):
    publisher = Recorder()
    follow(small(), data, publisher, every_s=0.0)
    told = [header["pairs"] for header, _ in publisher.of("status") if header["state"] == "volume"]
    assert told[-6:] == [1, 2, 3, 4, 5, 5]  # and once with the slices


def test_bad_light_is_told(quick, data, monkeypatch):
    faint = SimpleNamespace(**{name: getattr(LIGHT, name) for name in ("resolution_m", "photons", "line")})
    faint.pooled_lengths, faint.warnings = (
        LIGHT.pooled_lengths,
        lambda pixel_m, saturated: ["speckle contrast: faint"],
    )
    monkeypatch.setattr(speckle_first, "light_of", lambda *_: faint)
    job = follow(small(), data, until="stop")
    assert job.status.message == f"{LIGHT.line()}; speckle contrast: faint"


def test_a_saturated_camera_is_told_before_the_first_projection(quick, data):
    run = small()
    run.reference = lambda index: np.where(np.arange(SMALL[1]) < 6, 65535.0, 20000.0) + np.zeros(SMALL)
    job = follow(run, data, until="event_page")
    said = "references: 25.0% of the pixels are at 65535, full scale; take a shorter exposure"
    assert job.status.message == f"{LIGHT.line()}; {said}"


def test_the_light_is_told_before_the_first_projection(quick, data):
    seen = []
    follow(small(), data, until="event_page", look=lambda name, status: seen.append((name, status)))
    told = [(status.state, status.message) for name, status in seen if name == "stream_datum"]
    # darks, flats and references, then projections, whose angles are still to come
    assert told == [("waiting", "")] * 2 + [("waiting", LIGHT.line())] * 2


def test_light_without_speckle_is_told_before_the_first_projection(quick, data, monkeypatch):
    def none(*_):
        raise ReconstructionError("no speckle")

    monkeypatch.setattr(speckle_first, "light_of", none)
    job = follow(small(), data, until="event_page")
    assert (job.status.state, job.status.message) == ("waiting", "no speckle")


def test_references_whose_counts_are_still_to_come_are_waited_for(quick, data):
    run = small(references=3)
    run.reference = lambda index: np.full(SMALL, 0.0 if index == 2 else 1000.0)
    job = follow(run, data, until="event_page")
    assert (job.status.state, job.status.message) == ("waiting", "")


@pytest.mark.parametrize(
    ("known", "said"), [(0, "; beta/delta taken for 0.003: to look at only"), (0.003, "")]
)
def test_a_ratio_that_nobody_knows_is_told(quick, data, known, said):
    job = follow(small(beta_over_delta=known), data, until="stop")
    assert (job.status.state, job.status.message) == ("retrieving", LIGHT.line() + said)


def test_it_waits_for_the_references(quick, data):
    """All of them come at the end: nothing is shown before, the volume is made after."""
    publisher, seen = Recorder(), []
    run = small(references=0, references_after=2)
    job = follow(run, data, publisher, look=lambda name, status: seen.append((name, status)))
    assert publisher.of("preview") == []
    assert {(status.state, status.message) for name, status in seen if name != "stop"} == {("waiting", "")}
    assert job.status.state == "done"
    assert (data.results(SERIES) / FILE_NAME).is_file()


def test_the_volume_is_made_after_the_last_position_only(quick, data):
    first = follow(position(0), data)
    said = "the volume waits for good projections at diffuser position 2 of 2"
    assert (first.status.state, first.status.message) == ("done", said)
    assert (quick.asked, (data.results(SERIES) / FILE_NAME).exists()) == ([], False)
    second = follow(position(1), data)
    assert (second.status.state, second.status.message) == ("done", "")
    assert [there for _, there in quick.asked] == [(True, True)] * 5
    assert (data.results(SERIES) / FILE_NAME).is_file()
    assert read_status(data.results(SERIES)).frames == 10


def begun(run, data):
    """Journal a run as far as its first page of projections, and no further; its session is alive."""
    journal = Journal(data.journal)
    for name, doc in run.play(data.frames_root):
        journal(name, doc)
        if name == "event_page":
            return journal
    raise AssertionError


def test_the_volume_waits_for_the_end_of_a_position_that_is_being_taken(quick, data):
    session = begun(position(1), data)
    first = follow(position(0), data)
    said = "the volume waits for the end of diffuser position 2 of 2"
    assert (first.status.state, first.status.message) == ("done", said)
    assert (quick.asked, (data.results(SERIES) / FILE_NAME).exists()) == ([], False)
    session.close()


def test_a_position_whose_session_died_is_not_waited_for(quick, data):
    begun(position(1, per_flush=3), data).close()
    first = follow(position(0), data)
    assert (first.status.state, first.status.message) == ("partial", "the run was interrupted")
    assert [there for _, there in quick.asked] == [(True, True)] * 3 + [(True, False)] * 2


def test_of_runs_that_have_ended_the_last_one_makes_the_volume(quick, data):
    """The worker is behind: both have ended before it comes to the end of the first."""
    documents, journal = list(position(1).play(data.frames_root)), Journal(data.journal)
    for name, doc in documents:
        journal(name, doc)
    second = SpeckleJob(RunRecord.from_documents(documents[:1]), data, Recorder())
    first = follow(position(0), data)
    assert first.status.message == "the volume waits for the end of diffuser position 2 of 2"
    assert quick.asked == []
    for name, doc in documents[1:]:
        second.take(JournalLine(None, 0, 0, name, doc, b""))
    while second.step():
        pass
    assert (second.status.state, second.status.message) == ("done", "")
    assert [there for _, there in quick.asked] == [(True, True)] * 5


def test_a_later_run_that_nobody_works_on_is_not_waited_for(quick, data):
    second, journal = position(1), Journal(data.journal)
    second.journal(data.frames_root, journal)
    write_status(data.results(second.uid), Status(second.uid, state="failed"))
    assert follow(position(0), data).status.state == "done"
    assert (data.results(SERIES) / FILE_NAME).is_file()


def test_a_position_that_lacks_projections_makes_the_whole_partial(quick, data):
    follow(position(0, lost=(3,), retake=False), data)
    second = follow(position(1), data)
    assert second.status.state == "partial"
    assert read_status(data.results(SERIES)).state == "partial"
    assert quick.asked[3][1] == (False, True)


def test_a_run_without_good_projections_says_which_position_is_missing(quick, data):
    job = follow(small(lost=tuple(range(5)), retake=False), data)
    assert job.status.state == "partial"
    assert job.status.message.endswith("waits for good projections at diffuser position 1 of 1")


def test_a_projection_starts_from_the_one_before_if_that_converged(quick, data, monkeypatch):
    monkeypatch.setattr(Quick, "astray", (2,))
    follow(small(), data, until="stop")
    assert [start is not None for start in Quick.starts] == [False, True, False, True, True]


def test_an_abandoned_run_says_what_to_do(quick, data):
    job = follow(small(), data, until="stop")
    assert not job.ended
    job.abandon()
    assert job.ended
    assert job.status.state == "partial"
    assert "the run was interrupted; xsn-acq reconstruct" in job.status.message
    assert read_status(data.results(job.record.uid)).state == "partial"


@pytest.mark.parametrize("wrong", [ReconstructionError("no speckle"), ValueError("no speckle")])
def test_an_error_in_a_projection_ends_the_live_view_alone(quick, data, monkeypatch, wrong):
    monkeypatch.setattr(Quick, "wrong", wrong)
    publisher, seen = Recorder(), []
    job = follow(small(), data, publisher, look=lambda name, status: seen.append(status))
    assert publisher.of("preview") == []
    failed = next(status for status in seen if "no speckle" in status.message)
    assert failed.state == "waiting"
    assert (job.status.state, job.status.message) == ("done", "")
    assert len(quick.asked) == 5


def test_warnings_of_the_volume_are_told_at_the_end(quick, data):
    quick.strain = 9.0
    job = follow(small(), data)
    assert job.status.state == "done"
    assert job.status.message.startswith("the sample is not of one material")
    assert read_status(data.results(job.record.uid)).message == job.status.message


def test_the_worker_takes_both_positions_and_goes_on_after_an_error(quick, data, monkeypatch):
    """All of them have ended before it listens."""
    monkeypatch.setattr(Quick, "wrong", ValueError("odd projection"))
    stop, journal = threading.Event(), Journal(data.journal)
    for number in range(2):
        position(number).journal(data.frames_root, journal)
    stop.set()
    LiveWorker(data, None).run(stop, to_the_end=True, since=0.0)
    assert len(quick.asked) == 5
    states = [read_status(data.results(uid)).state for uid in (position(0).uid, position(1).uid, SERIES)]
    assert states == ["done"] * 3
