"""Drift between the references, seen in the air beside the sample."""

import math

import numpy as np
import pytest
from speckle_run import PIXEL_UM, SpeckleRun

from xsn_acq.live.scan import ScanRow, good_rows, scan_of_run, scan_row, span_of
from xsn_acq.live.speckle_drift import still_reference
from xsn_acq.live.speckle_following import Followed, follow
from xsn_acq.live.speckle_frames import SpeckleFrames
from xsn_acq.storage.run import RunRecord


def followed(folder, **options):
    """What is known of a run of twelve angles; its rows, and the way of the speckle at each, pixels."""
    run = SpeckleRun(**{"projections": 12, "flats": 6, "references": 6} | options)
    record = RunRecord.from_documents(run.play(folder))
    rows = [scan_row(row) for row in good_rows(record.ledger)]
    with SpeckleFrames(scan_of_run(record, span_of(rows))) as frames:
        found = follow(frames, rows)
    truth = [run.drifted_um(row.theta_deg) / PIXEL_UM for row in rows]
    return found, rows, truth


def way(found, rows):
    return np.array([found.reference.shift_at(row.time_s) for row in rows])


def test_a_jump_there_and_back_is_seen(tmp_path):
    """Both references stand in one place, the projections between them a pixel away."""

    def jump(theta_deg):
        return PIXEL_UM * (40 < theta_deg < 140)

    found, rows, truth = followed(tmp_path, references_after=6, drift_way=jump)
    assert np.ptp(truth) == pytest.approx(1)
    dy, dx = way(found, rows).T
    # a spline through twelve places cannot jump; in the middle and at the ends it has arrived
    for place in (0, 5, 6, 11):
        assert dx[place] == pytest.approx(truth[place], abs=0.3)
    assert np.abs(dy).max() < 0.1
    assert found.drift_px == pytest.approx(1, abs=0.35)
    (said,) = found.warnings
    assert said.startswith("the speckle moved by")


def test_a_drift_is_seen_where_there_is_one_set_of_references(tmp_path):
    found, rows, truth = followed(tmp_path, drift_um=2 * PIXEL_UM)
    _, dx = way(found, rows).T
    # 0.02 of a strip of 24 columns; the reference was taken before the first projection
    np.testing.assert_allclose(dx, truth, atol=0.06)
    assert len(found.seen) == 12


def test_where_nothing_moves_the_references_are_believed(tmp_path):
    for after in (0, 6):
        found, _, _ = followed(tmp_path / str(after), references_after=after)
        assert (found.seen, found.warnings) == ((), [])
        assert found.drift_px < 0.02


def test_an_even_drift_that_two_references_tell_needs_no_air(tmp_path):
    found, rows, truth = followed(tmp_path, references_after=6, drift_um=0.6 * PIXEL_UM)
    assert found.seen == ()
    # the diffuser stands still here while references are taken, as it would not
    np.testing.assert_allclose(way(found, rows)[:, 1], truth, atol=0.15)


def test_a_sample_in_both_strips_leaves_the_drift_unknown(tmp_path):
    found, _, _ = followed(tmp_path, shape=(48, 48))
    assert (found.seen, found.drift_px) == ((), None)
    (said,) = found.warnings
    assert said.startswith("references: wanted a second set, or air beside the sample, found neither")


def test_a_time_that_is_no_number_is_left_out(tmp_path):
    run = SpeckleRun(projections=4, flats=6, references=6, references_after=6)
    record = RunRecord.from_documents(run.play(tmp_path))
    rows = [scan_row(row) for row in good_rows(record.ledger)]
    lost = [ScanRow(rows[0].index, rows[0].theta_deg, math.nan), *rows[1:]]
    with SpeckleFrames(scan_of_run(record, span_of(rows))) as frames:
        found = follow(frames, lost)
        reference = still_reference(frames.references)
    assert isinstance(found, Followed)
    assert found.drift_px == reference.largest_px
