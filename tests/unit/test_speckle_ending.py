"""How a scan of several positions ended."""

from types import SimpleNamespace

import pytest

from xsn_acq.live.speckle_ending import ending_of, missing_positions, with_warnings

SUCCESS, BROKEN = {"exit_status": "success"}, {"exit_status": "abort", "reason": "beam lost"}


def run(number, stop=SUCCESS, *, count=2, summary=None):
    start = {"speckle": {"number": number, "count": count}}
    return SimpleNamespace(start=start, stop=stop, ledger_summary=lambda: summary or {"complete": 1})


LACKING = {"complete": 0, "message": "3 of 5 targets"}
ABORTED = "the run ended early: abort: beam lost"


@pytest.mark.parametrize(
    ("runs", "state", "message"),
    [
        ([run(0), run(1)], "done", ""),
        ([run(1), run(0)], "done", ""),
        ([run(0, BROKEN), run(1)], "partial", ABORTED),
        ([run(0, BROKEN), run(0), run(1)], "done", ""),
        ([run(0), run(0, BROKEN), run(1)], "partial", ABORTED),
        ([run(0, None), run(1, BROKEN)], "partial", f"the run was interrupted; {ABORTED}"),
        ([run(0, BROKEN), run(1, BROKEN)], "partial", ABORTED),
        ([run(0, summary=LACKING), run(1)], "partial", "3 of 5 targets"),
        ([run(1)], "partial", "1 of 2 diffuser positions are there"),
        ([run(0, count=1)], "done", ""),
    ],
)
def test_the_last_run_of_each_position_tells_how_it_ended(runs, state, message):
    assert ending_of(runs) == {"state": state, "message": message}


def test_a_run_of_no_series_is_one_position():
    alone = SimpleNamespace(start={}, stop=SUCCESS, ledger_summary=lambda: {})
    assert ending_of([alone]) == {"state": "done", "message": ""}


def test_positions_without_a_run_are_missing():
    assert missing_positions([run(2, count=4), run(0, count=4)], 4) == [1, 3]


def test_warnings_are_told_with_the_ending():
    assert with_warnings({"state": "done", "message": ""}, []) == {"state": "done", "message": ""}
    told = with_warnings({"state": "partial", "message": "early"}, ["faint", "coarse"])
    assert told == {"state": "partial", "message": "early; faint; coarse"}
