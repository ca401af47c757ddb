"""Patterns are assessed while a sweep goes on; whatever goes wrong with that ends no sweep."""

import logging
import math
import threading
from contextlib import closing

import numpy as np
import pytest
from speckle_frames import patterns
from sweep_run import SweepRun

from xsn_acq.analysis.nxsci.information import RunningInformation, smooth_prior
from xsn_acq.analysis.nxsci.problem import Sweep
from xsn_acq.live import assessment
from xsn_acq.live.assessment import Informed, SweepAssessor
from xsn_acq.plans.pattern_rows import AssessmentRow

PATIENCE_S = 20.0
BLOCKS = {"lines": 6, "per_line": 8, "blocks": 6, "references": False}
"""Of 8 patterns."""


def asked(assessor):
    """Its verdict; the plan waits in the same way."""
    pause = threading.Event()
    for _ in range(round(PATIENCE_S / 0.01)):
        if (verdict := assessor.verdict()) is not None:
            return verdict
        pause.wait(0.01)
    raise AssertionError("no verdict came")


def verdicts(run, root, *, library_of=lambda record: None):
    """What is said after each block; the documents of one are all there is then."""
    with closing(SweepAssessor(library_of)) as assessor:
        found = []
        for name, doc in run.play(root):
            assessor(name, doc)
            if name == "event_page":
                found.append(asked(assessor))
    return found


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """A sweep that is content with maps that are half wrong, and with new patterns that are a third new."""
    adaptive = {"quality": 0.5, "least": 12, "least_gain": 0.3}
    run = SweepRun(**BLOCKS, per_flush=16, more={"adaptive": adaptive})
    return verdicts(run, tmp_path_factory.mktemp("sample"))


def test_verdicts_grow_with_the_patterns(sample):
    assert [each.patterns for each in sample] == [8, 16, 24, 32, 40, 48]
    ranks = [each.effective_rank for each in sample]
    assert (np.diff(ranks) > 0).all()
    assert all(0 < rank <= each.patterns for rank, each in zip(ranks, sample, strict=True))
    assert all(0 < each.mean_dependence < 1 for each in sample)


def test_the_error_is_known_after_the_third_reconstruction(sample):
    """At 16, 24 and 40 patterns: a third more each time; before 12 nothing is reconstructed."""
    errors = [each.expected_error for each in sample]
    assert all(math.isnan(error) for error in errors[:3])
    assert not math.isnan(errors[-1])
    assert 0 < errors[-1] < 0.5


def test_enough_is_said_when_the_error_is_small_enough(sample):
    for each in sample:
        assert each.enough == (each.expected_error < 0.5)
    assert sample[-1].enough


def test_verdicts_can_be_recorded(sample):
    rows = [AssessmentRow.of(each) for each in sample]
    assert [row.enough for row in rows] == [int(each.enough) for each in sample]


def test_a_block_that_told_little_new_is_stale(tmp_path):
    """The second block shows the patterns of the first once more."""
    again = {("shown", kind, n + 8): n for kind in ("in", "out") for n in range(8)}
    more = {"adaptive": {"quality": 0.01, "least": 12, "least_gain": 0.3}}
    run = SweepRun(lines=2, per_line=8, references=False, per_flush=16, faults=again, more=more)
    first, second = verdicts(run, tmp_path)
    assert not first.stale  # there was nothing before
    assert second.stale
    assert second.effective_rank < first.effective_rank + 0.3 * 8


def test_a_block_of_new_patterns_is_not_stale(sample):
    assert not any(each.stale for each in sample[:3])


def test_without_the_sample_the_patterns_alone_are_judged(tmp_path):
    adaptive = {"quality": 0.9, "least": 12, "least_gain": 0.0}
    run = SweepRun(**BLOCKS, passes="out", per_flush=8, more={"adaptive": adaptive})
    found = verdicts(run, tmp_path)
    assert [each.patterns for each in found] == [8, 16, 24, 32, 40, 48]
    errors = [each.expected_error for each in found]
    assert (np.diff(errors) < 0).all()
    assert [each.enough for each in found] == [
        each.patterns >= 12 and each.expected_error < 0.9 for each in found
    ]
    assert not any(each.stale for each in found)


def test_a_first_look_before_maps_can_be_made_is_none(tmp_path, caplog):
    """Maps are made of 12 patterns or more, also when the least wanted are fewer."""
    more = {"adaptive": {"quality": 0.5, "least": 4}}
    run = SweepRun(lines=4, per_line=4, references=False, per_flush=16, more=more)
    with caplog.at_level(logging.WARNING):
        found = verdicts(run, tmp_path)
    assert [each.patterns for each in found] == [8, 16]
    assert not caplog.messages


def test_references_and_flagged_rows_of_a_rehearsal_do_not_count(tmp_path):
    faults = {("out", 1): "flagged", ("out", 5): "no frame"}
    more = {"adaptive": {"quality": 0.5}}
    run = SweepRun(lines=2, per_line=4, passes="out", per_flush=4, faults=faults, more=more)
    assert [each.patterns for each in verdicts(run, tmp_path)] == [4, 7]


@pytest.mark.parametrize(
    ("error", "told"), [(OSError("disk gone"), "disk gone"), (KeyError("roi"), "KeyError: 'roi'")]
)
def test_an_error_is_told_and_ends_no_sweep(tmp_path, caplog, error, told):
    """It is tried again with all rows when the next block has come."""
    failures = [error]

    def library_of(record):
        if failures:
            raise failures.pop()

    run = SweepRun(
        lines=4, per_line=8, references=False, per_flush=32, more={"adaptive": {"quality": 0.5, "least": 12}}
    )
    with caplog.at_level(logging.WARNING):
        first, second = verdicts(run, tmp_path, library_of=library_of)
    assert (first.patterns, first.enough, first.stale) == (0, False, False)
    assert math.isnan(first.expected_error)
    assert f"patterns are not assessed: {told}" in caplog.messages
    assert second.patterns == 32


def test_frames_that_do_not_come_are_waited_for_but_not_for_ever(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(assessment, "LATE_S", 0.2)
    run = SweepRun(lines=2, per_line=4, references=False, per_flush=8, more={"adaptive": {"quality": 0.5}})
    with closing(SweepAssessor(lambda record: None)) as assessor, caplog.at_level(logging.WARNING):
        for name, doc in run.play(tmp_path):
            if name == "event_page":
                doc["data"]["frame"] = [number + 100 for number in doc["data"]["frame"]]
            assessor(name, doc)
        found = asked(assessor)
    assert found.patterns == 0
    assert any("found them missing" in message for message in caplog.messages)


def test_a_pattern_that_comes_back_into_use_is_taken_once():
    """Number 2 was left out at first: a fit with more spectra finds it sound."""
    light = patterns(8, 24, 3)[:, :16, :16]
    prior = smooth_prior((16, 16))
    whole, growing = (Informed(RunningInformation(prior, 0.01)) for _ in range(2))
    first, second = (0, 1, 3, 4), tuple(range(8))
    growing.take(first, light[list(first)])
    assert growing.take(second, light) == whole.take(second, light)


def test_another_plan_is_not_assessed(caplog):
    with closing(SweepAssessor(lambda record: None)) as assessor, caplog.at_level(logging.WARNING):
        assessor("start", {"uid": "0123456789", "plan_name": "focus_scan"})
        assert not asked(assessor).enough
    assert "wanted a run of structured illumination" in caplog.text


def test_a_new_run_begins_anew(tmp_path):
    more = {"adaptive": {"quality": 0.5}}
    with closing(SweepAssessor(lambda record: None)) as assessor:
        for seed in (1, 2):
            run = SweepRun(lines=2, per_line=4, passes="out", per_flush=8, seed=seed, more=more)
            for name, doc in run.play(tmp_path):
                assessor(name, doc)
                found = asked(assessor) if name == "event_page" else None
                assert found is None or found.patterns == 8


def judged(elements, blocks, root):
    """Verdicts at 12, 24 and 36 patterns: of three reconstructions, where there is something to judge."""
    more = {"adaptive": {"quality": 0.5, "least": 12}, "elements": elements}
    run = SweepRun(lines=blocks, per_line=12, blocks=blocks, references=False, per_flush=24, more=more)
    return verdicts(run, root)


def test_an_element_that_is_not_there_does_not_spoil_the_verdict(tmp_path):
    """Chromium is asked for, the sample holds none."""
    last = judged(("Mn", "Co", "Ni", "Cr"), 3, tmp_path)[-1]
    assert 0 < last.expected_error < 0.5
    assert last.enough


def test_elements_none_of_which_is_there_are_never_enough(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        (found,) = judged(("Cr",), 1, tmp_path)
    assert not found.enough
    assert math.isnan(found.expected_error)
    assert "lines of Cr do not stand out of their noise" in caplog.text


def test_an_element_stands_out_by_its_error_and_beside_the_strongest():
    counts = np.array([[1e4] * 25, [30.0] * 25, [200.0] * 25, [0.0] * 25, [200.0] * 25])
    sigma = np.array([[100.0] * 25, [1.0] * 25, [199.0] * 25, [10.0] * 25, [201.0] * 25])
    found = assessment.stands_out(Sweep(np.ones((25, 8, 8)), counts, sigma))
    assert found.tolist() == [True, False, True, False, False]  # 0.3 % is what overlap may make
