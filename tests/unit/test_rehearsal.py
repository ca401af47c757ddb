"""A sweep without the sample: which of its patterns are worth a dose."""

import numpy as np
import pytest
from sweep_run import SweepRun, played

from xsn_acq.errors import ReconstructionError
from xsn_acq.live import rehearsal
from xsn_acq.live.rehearsal import LEAST, NAME, evaluate_rehearsal
from xsn_acq.params import StructuredIllumination
from xsn_acq.params.library import library_faults
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

SETTINGS = {"regions": {"middle": (4, 4, 20, 20)}, "note": "rehearsal", "elements": ("Ni", "Co")}


def rehearsed(tmp_path, run):
    record = played(run, tmp_path / "frames")
    return evaluate_rehearsal(record, DataFolder(tmp_path / "data")), record


def read_back(found):
    return StructuredIllumination.from_yaml(found.parameters)


def test_the_parameters_of_the_sweep_are_read_back(tmp_path):
    run = SweepRun(lines=4, per_line=8, passes="out", more=SETTINGS | {"adaptive": {"quality": 0.7}})
    found, record = rehearsed(tmp_path, run)
    assert found.parameters == DataFolder(tmp_path / "data").results(record.uid) / NAME
    params = read_back(found)
    assert (params.passes, params.library) == ("in", record.uid)
    assert params.chosen == found.chosen
    assert LEAST <= len(found.chosen) < 32
    assert params.adaptive is None
    for name in ("lines", "per_line", "sheets", "settings", "exposure_s", "regions", "elements", "note"):
        assert getattr(params, name) == getattr(run.params, name)


def test_those_chosen_tell_enough(tmp_path):
    """Nine tenths of what all tell; with a wanted quality as many as reach that."""
    whole, _ = rehearsed(tmp_path / "all", SweepRun(lines=4, per_line=8, passes="out"))
    rms = whole.choice.relative_rms
    number = len(whole.chosen)
    assert 1 - rms[number - 1] >= 0.9 * (1 - rms[-1])
    assert 1 - rms[number - 2] < 0.9 * (1 - rms[-1])
    more = {"adaptive": {"quality": 0.8}}
    some, _ = rehearsed(tmp_path / "some", SweepRun(lines=4, per_line=8, passes="out", more=more))
    assert some.choice.relative_rms[len(some.chosen) - 1] <= 0.8 or len(some.chosen) == number
    assert len(some.chosen) <= number


def test_a_pattern_that_is_there_twice_is_chosen_once(tmp_path):
    """Of twelve patterns the second six are the first once more."""
    faults = {("shown", "out", n): n - 6 for n in range(6, 12)}
    found, _ = rehearsed(tmp_path, SweepRun(lines=2, per_line=6, passes="out", faults=faults))
    first = {number % 6 for number in found.choice.order[:6]}
    assert first == set(range(6))


def test_patterns_without_a_frame_are_not_chosen(tmp_path, monkeypatch):
    monkeypatch.setattr(rehearsal, "NEARLY_ALL", 1.0)
    faults = {("out", 2): "no frame", ("out", 3): "flagged"}
    found, _ = rehearsed(tmp_path, SweepRun(lines=2, per_line=4, passes="out", faults=faults))
    assert found.chosen == (0, 1, 3, 4, 5, 6, 7)
    assert read_back(found).chosen == found.chosen


def test_all_patterns_are_written_as_none_chosen(tmp_path, monkeypatch):
    monkeypatch.setattr(rehearsal, "NEARLY_ALL", 1.0)
    found, _ = rehearsed(tmp_path, SweepRun(lines=2, per_line=4, passes="out"))
    assert found.chosen == tuple(range(8))
    assert read_back(found).chosen == ()


def broken_off(run, root, rows):
    """The record of a run of which only the first rows came, as they were announced: five at a time."""
    return RunRecord.from_documents(
        (name, doc) for name, doc in run.play(root) if name != "event_page" or doc["seq_num"][-1] <= rows
    )


def test_all_patterns_of_a_rehearsal_that_ended_early_are_not_the_whole_sweep(tmp_path, monkeypatch):
    monkeypatch.setattr(rehearsal, "NEARLY_ALL", 1.0)
    run = SweepRun(lines=4, per_line=5, passes="out")
    found = evaluate_rehearsal(broken_off(run, tmp_path, 10), DataFolder(tmp_path / "data"))
    assert found.chosen == tuple(range(10))
    assert read_back(found).chosen == found.chosen
    assert read_back(found).lines == 4


def test_lines_that_were_not_rehearsed_are_not_flown(tmp_path):
    """Of four lines two; patterns of lines at the begin of a library have the numbers of the library's."""
    run = SweepRun(lines=4, per_line=5, passes="out", more={"mode": "fly"})
    record = broken_off(run, tmp_path, 10)
    params = read_back(evaluate_rehearsal(record, DataFolder(tmp_path / "data")))
    assert (params.lines, params.per_line, params.chosen) == (2, 5, ())
    assert library_faults(params.model_dump(mode="json"), {}, record.start) == []


@pytest.mark.parametrize(("rows", "settings", "lines"), [(5, 1, 1), (15, 2, 2)])
def test_settings_that_were_not_rehearsed_are_not_flown(tmp_path, rows, settings, lines):
    """Here there are ten patterns a setting; the lines stay when there is a second one."""
    more = {"mode": "fly", "lines": 2, "settings": ({}, {"x_um": 5.0}, {"x_um": 9.0})}
    run = SweepRun(lines=4, per_line=5, passes="out", more=more)
    record = broken_off(run, tmp_path, rows)
    params = read_back(evaluate_rehearsal(record, DataFolder(tmp_path / "data")))
    assert (len(params.settings), params.lines) == (settings, lines)
    assert library_faults(params.model_dump(mode="json"), {}, record.start) == []


def test_lines_are_flown_whole(tmp_path):
    run = SweepRun(lines=4, per_line=8, passes="out", more={"mode": "fly"})
    found, _ = rehearsed(tmp_path, run)
    assert len(found.chosen) < 32
    assert read_back(found).chosen == ()
    assert read_back(found).mode == "fly"


def test_what_is_told(tmp_path):
    found, _ = rehearsed(tmp_path, SweepRun(lines=2, per_line=4, passes="out"))
    first, back, second, third = found.lines
    assert first.startswith(f"8 patterns: effective rank {found.rank:.0f}, mean |r| of pixels ")
    assert 0 < float(back.split()[1].rstrip(":")) < 1
    assert second.startswith(f"chosen: {len(found.chosen)} patterns, expected error ")
    assert third.endswith(str(found.parameters))
    assert 1 < found.rank <= 8
    assert np.isfinite(found.choice.relative_rms).all()


def test_too_few_patterns_and_other_plans_are_refused(tmp_path):
    few = played(SweepRun(lines=2, per_line=1, passes="out"), tmp_path / "frames")
    with pytest.raises(ReconstructionError, match="wanted 4 patterns, found 2"):
        evaluate_rehearsal(few, DataFolder(tmp_path / "data"))
    few.start["plan_name"] = "focus_scan"
    with pytest.raises(ReconstructionError, match="found another plan"):
        evaluate_rehearsal(few, DataFolder(tmp_path / "data"))
