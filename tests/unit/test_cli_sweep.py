"""What the command line makes of runs of structured illumination."""

from contextlib import closing
from types import SimpleNamespace

import pytest
from sweep_run import SweepRun

from xsn_acq.cli import conclude, main, run, status
from xsn_acq.errors import ReconstructionError
from xsn_acq.live import offline, rehearsal, sweep_files
from xsn_acq.live.assessment import SweepAssessor
from xsn_acq.live.results import Status, write_status
from xsn_acq.live.sweep_maps import Solving
from xsn_acq.storage.journal import Journal
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

UID = "0123cdef-0000-4000-8000-000000000000"


@pytest.fixture
def made(monkeypatch):
    """Runs whose maps were made, and those that were taken for rehearsals."""
    seen = []

    def evaluates(name):
        def evaluate(record, data, *how):
            seen.append((name, record.uid))
            return SimpleNamespace(lines=(f"{name} of {record.uid[:8]}",))

        return evaluate

    monkeypatch.setattr(sweep_files, "evaluate_sweep", evaluates("maps"))
    monkeypatch.setattr(rehearsal, "evaluate_rehearsal", evaluates("choice"))
    return seen


@pytest.fixture
def journalled(tmp_path):
    """Journals a run that is soon over; its uid."""

    def written(**settings):
        journal, played = Journal(DataFolder(tmp_path).journal), SweepRun(lines=2, per_line=1, **settings)
        for name, doc in played.play(tmp_path / "frames"):
            journal(name, doc)
        return played.uid

    return written


@pytest.mark.parametrize(("passes", "what"), [("pairs", "maps"), ("out", "choice")])
def test_a_run_that_ended_is_evaluated(made, journalled, tmp_path, capsys, passes, what):
    uid = journalled(passes=passes)
    assert conclude.conclude([uid], None, {}, DataFolder(tmp_path)) == status.WELL
    assert made == [(what, uid)]
    assert capsys.readouterr().out == f"run {uid}\n{what} of {uid[:8]}\n"


def test_one_that_was_broken_off_is_not(made, journalled, tmp_path):
    uid = journalled(exit_status="abort")
    assert conclude.conclude([uid], None, {}, DataFolder(tmp_path)) == status.BROKEN_OFF
    assert made == []


def test_maps_that_cannot_be_made_are_told(journalled, tmp_path, capsys, monkeypatch):
    def refused(record, data, how):
        raise ReconstructionError("no pattern is good")

    monkeypatch.setattr(sweep_files, "evaluate_sweep", refused)
    assert conclude.conclude([journalled()], None, {}, DataFolder(tmp_path)) == status.FAILED
    assert capsys.readouterr().err == "xsn-acq run: no element maps: no pattern is good\n"


@pytest.mark.parametrize(("passes", "what"), [("pairs", "maps"), ("out", "choice")])
def test_reconstruct_does_it_again(made, journalled, tmp_path, capsys, passes, what):
    uid = journalled(passes=passes, exit_status="abort")
    assert main(["reconstruct", "last", "--data", str(tmp_path)]) == status.WELL
    assert made == [(what, uid)]
    assert capsys.readouterr().out == f"{what} of {uid[:8]}\n"


def test_the_journal_of_a_tomogram_is_read_once(tmp_path, capsys, monkeypatch):
    data, read, volumes = DataFolder(tmp_path), [], []
    with closing(Journal(data.journal)) as journal:
        journal("start", {"uid": UID, "time": 0.0, "plan_name": "xsn_tomography"})
    from_journal = RunRecord.from_journal
    monkeypatch.setattr(RunRecord, "from_journal", lambda path: read.append(path) or from_journal(path))

    def reconstructed(record, folder, **_):
        volumes.append((record.uid, folder))
        return SimpleNamespace(volume=folder / "volume.h5")

    monkeypatch.setattr(offline, "reconstruct", reconstructed)
    assert main(["reconstruct", "last", "--data", str(tmp_path), "--quiet"]) == status.WELL
    assert volumes == [(UID, data.results(UID))]
    assert capsys.readouterr().out == f"{data.results(UID) / 'volume.h5'}\n"
    assert len(read) == 1


def test_maps_of_the_live_worker_are_not_made_again(made, journalled, tmp_path, capsys):
    uid = journalled()
    folder = DataFolder(tmp_path).results(uid)
    write_status(folder, Status(uid, state="done"))
    (folder / sweep_files.SUMS_NAME).write_text('{"lines": ["40 of 40 patterns used"]}')
    assert conclude.conclude([uid], None, {}, DataFolder(tmp_path)) == status.WELL
    assert made == []
    assert capsys.readouterr().out == f"run {uid}\n40 of 40 patterns used\n"


def test_the_solver_is_chosen(made, journalled, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        sweep_files,
        "evaluate_sweep",
        lambda record, data, how: asked.append(how) or SimpleNamespace(lines=()),
    )
    journalled()
    options = ["--solver", "total_variation", "--check-strength"]
    assert main(["reconstruct", "last", "--data", str(tmp_path), *options]) == status.WELL
    assert asked == [Solving("total_variation", held_out=True)]


def test_only_an_adaptive_sweep_is_assessed(tmp_path):
    data = DataFolder(tmp_path)
    assert run._assessor(SweepRun().params, data) is None
    assert run._assessor(SimpleNamespace(projections=36), data) is None
    with run._assessor(SweepRun(more={"adaptive": {"quality": 0.1}}).params, data) as assessor:
        assert isinstance(assessor, SweepAssessor)
