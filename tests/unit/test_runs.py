"""The list of runs says how each ended."""

import pytest
from documents import T0, SyntheticRun

from xsn_acq.cli import main
from xsn_acq.storage.journal import Journal
from xsn_acq.storage.layout import DataFolder

ENDINGS = [
    ({"exit_status": "success", "reason": ""}, "complete"),
    (
        {"exit_status": "success", "reason": "incomplete: 3 of 36 projections missing"},
        "INCOMPLETE   3 of 36 projections missing",
    ),
    (
        {"exit_status": "abort", "reason": "broken off: 41 of 180 projections good, 3 more flagged"},
        "ABORTED      broken off: 41 of 180 projections good, 3 more flagged",
    ),
    (
        {"exit_status": "fail", "reason": "camera: lost;\n  look at it"},
        "FAILED       camera: lost; look at it",
    ),
    ({"exit_status": "fail"}, "FAILED"),
]


def begun(data, **changes):
    """The journal of a run that has no stop document yet, and that document."""
    *documents, (_, stop) = SyntheticRun(**changes).play(data.frames_root)
    journal = Journal(data.journal)
    for name, doc in documents:
        journal(name, doc)
    return journal, stop


def listed(data, capsys):
    assert main(["runs", "--data", str(data.root)]) == 0
    return [line.split("xsn_tomography", 1)[1].strip() for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(("ending", "words"), ENDINGS, ids=[words for _, words in ENDINGS])
def test_how_a_run_ended(tmp_path, capsys, ending, words):
    data = DataFolder(tmp_path)
    journal, stop = begun(data)
    journal("stop", stop | ending)
    assert listed(data, capsys) == [words]


def test_a_folder_that_is_not_there_is_refused(tmp_path, capsys):
    assert main(["runs", "--data", str(tmp_path / "nowhere")]) == 2
    assert "nowhere: wanted a data folder, found none" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


def test_a_run_without_an_end_is_running_or_was_interrupted(tmp_path, capsys):
    data = DataFolder(tmp_path)
    begun(data, seed=1, time_s=T0)[0].close()
    journal, _ = begun(data, seed=2, time_s=T0 + 3600)
    assert listed(data, capsys) == ["INTERRUPTED", "running"]
    journal.close()
    assert listed(data, capsys) == ["INTERRUPTED", "INTERRUPTED"]
