"""Runs of several positions of the diffuser as one scan."""

import json
from dataclasses import replace

import pytest
from speckle_run import SpeckleRun

from xsn_acq.errors import ReconstructionError
from xsn_acq.live.scan import ScanRow
from xsn_acq.live.speckle_scan import SpeckleScan, speckle_scan, views_of
from xsn_acq.storage.run import RunRecord

POSITIONS = ((0.0, 0.0), (0.1, 0.0))


def records(folder, **options):
    """Two positions, frames of a few pixels: what they show is no matter here."""
    for number, place in enumerate(POSITIONS):
        run = SpeckleRun(shape=(6, 8), number=number, position_mm=place, positions_mm=POSITIONS, seed=number)
        for name, value in (options if number else {}).items():
            setattr(run, name, value)
        yield RunRecord.from_documents(run.play(folder))


def rows(*angles):
    return [ScanRow(index, angle, 10.0 * index) for index, angle in enumerate(angles)]


def test_projections_at_one_angle_are_one_view(tmp_path):
    first, second = records(tmp_path)
    scan, views = speckle_scan([second, first])
    assert scan.uid == first.uid
    assert [len(each.references) for each in scan.positions] == [1, 1]
    assert [view.rows[0].index for view in views] == list(range(9))
    assert all(one.theta_deg == other.theta_deg for one, other in (view.rows for view in views))
    again = SpeckleScan.from_plain(json.loads(json.dumps(scan.plain())))
    assert again.positions[1] == replace(scan.positions[1], start={"uid": second.uid})


def test_a_projection_that_was_lost_leaves_the_others_of_its_angle():
    views = views_of([rows(0.0, 1.0, 2.0), rows(0.02, 2.01)], 1.0)
    assert [[row and row.index for row in view.rows] for view in views] == [[0, 0], [1, None], [2, 1]]
    assert [view.index for view in views_of([[], rows(5.0)], 1.0)] == [0]


def test_angles_further_apart_than_a_tenth_of_a_step_are_two():
    assert len(views_of([rows(0.0), rows(0.09)], 1.0)) == 1
    assert len(views_of([rows(0.0), rows(0.11)], 1.0)) == 2


def test_an_angle_taken_twice_counts_once():
    (view,) = views_of([rows(3.0, 3.0)], 1.0)
    assert view.rows[0].index == 0


def test_runs_that_are_not_of_one_scan_are_refused(tmp_path):
    first, second = records(tmp_path, series="another")
    with pytest.raises(ReconstructionError, match="wanted one series, found two"):
        speckle_scan([first, second])


def test_runs_taken_otherwise_are_refused(tmp_path):
    first, second = records(tmp_path, mode="free")
    with pytest.raises(ReconstructionError, match="mode: wanted single_material, found free"):
        speckle_scan([first, second])


def test_a_count_of_the_monochromators_encoder_is_no_other_energy(tmp_path):
    usual = 1.239841984e-10
    first, second = records(
        tmp_path, more={"wavelength_m": usual * (1 + 1e-6), "pixel_size_m": 0.65000001e-6}
    )
    scan, _ = speckle_scan([first, second])
    assert len(scan.positions) == 2
    first, second = records(tmp_path / "other", more={"wavelength_m": usual * 1.01})
    with pytest.raises(ReconstructionError, match="wavelength_m: wanted"):
        speckle_scan([first, second])


def test_a_run_without_references_says_so(tmp_path):
    run = SpeckleRun(shape=(6, 8), references=0)
    with pytest.raises(ReconstructionError, match="wanted references, found none"):
        speckle_scan([RunRecord.from_documents(run.play(tmp_path))])
