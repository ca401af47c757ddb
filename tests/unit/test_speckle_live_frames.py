"""References and projections of a run with a diffuser, as a reconstruction reads them."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from documents import SyntheticRun
from speckle_run import SpeckleRun

from xsn_acq.live.frames import time_of
from xsn_acq.live.scan import FrameSet, Scan, good_rows, references_of, scan_of_run, scan_row, span_of
from xsn_acq.live.speckle_frames import SpeckleFrames
from xsn_acq.storage.run import RunRecord

SHAPE = (12, 40)
SPECKLE = 1 + 0.2 * np.random.default_rng(5).standard_normal(SHAPE)


@pytest.fixture
def record(tmp_path):
    """Dark 100, flat 1000 above it; the beam falls by a quarter from left to right and by 10 % with time."""
    fall = np.linspace(1, 0.75, SHAPE[1])
    run = SyntheticRun(projections=6, shape=SHAPE, references=3, references_after=2)
    run.dark = lambda index: np.full(SHAPE, 100.0)
    run.flat = lambda index: np.full(SHAPE, 10100.0)
    run.reference = lambda index: 100 + 10000 * SPECKLE
    run.projection = lambda index, theta: 100 + 10000 * SPECKLE * 0.9 * fall
    return RunRecord.from_documents(run.play(tmp_path))


def test_references_before_and_after_have_the_times_of_their_own_frames(record):
    rows = [scan_row(row) for row in good_rows(record.ledger)]
    scan = scan_of_run(record, span_of(rows))
    with SpeckleFrames(scan) as frames:
        assert [each.frames for each in frames.references] == [3, 2]
        before, after = (each.time_s for each in frames.references)
        assert before < rows[0].time_s < rows[-1].time_s < after
        for each in frames.references:
            # rounded to whole counts of 10000
            np.testing.assert_allclose(each.image, SPECKLE, atol=1e-4)


def test_a_projection_is_as_bright_as_its_reference(record):
    row = scan_row(good_rows(record.ledger)[0])
    with SpeckleFrames(scan_of_run(record)) as frames:
        image = frames.projection(row, frames.references[0].image)
    # the air is two columns at either end, in which the fall of the beam itself is 0.6 %
    np.testing.assert_allclose(image, SPECKLE, rtol=0.02)
    with SpeckleFrames(scan_of_run(record), air_fraction=0) as frames:
        raw = frames.projection(row, frames.references[0].image)
    assert raw.mean() == pytest.approx(0.9 * 0.875 * SPECKLE.mean(), rel=0.02)


def test_where_the_reference_is_not_known_a_projection_is_not(record):
    row = scan_row(good_rows(record.ledger)[0])
    with SpeckleFrames(scan_of_run(record)) as frames:
        reference = frames.references[0].image.copy()
        whole = frames.projection(row, reference)
        reference[:, :3] = reference[-1] = np.nan  # speckle moved in from the left and from below
        image = frames.projection(row, reference)
    assert np.isnan(image[:, :3]).all()
    assert np.isnan(image[-1]).all()
    # air is looked for beside it, where the beam has fallen by another percent
    np.testing.assert_allclose(image[:-1, 3:], whole[:-1, 3:], rtol=0.02)


@pytest.fixture
def full(tmp_path):
    """Seen in a run: the left border of the projections, and one pixel of one reference, at full scale."""
    run = SyntheticRun(projections=6, shape=SHAPE, references=3)
    run.dark = lambda index: np.full(SHAPE, 100.0)
    run.flat = lambda index: np.full(SHAPE, 60100.0)
    run.reference = lambda index: np.where(
        (INDEX == (4, 7)).all(-1) & (index == 1), 1e6, 100 + 30000 * SPECKLE
    )
    run.projection = lambda index, theta: np.where(INDEX[..., 1] < 1, 1e6, 100 + 27000 * SPECKLE)
    return RunRecord.from_documents(run.play(tmp_path))


INDEX = np.stack(np.indices(SHAPE), axis=-1)


def test_pixels_at_full_scale_do_not_count(full):
    row = scan_row(good_rows(full.ledger)[0])
    with SpeckleFrames(scan_of_run(full)) as frames:
        assert np.argwhere(frames.bad).tolist() == [[4, 7]]
        assert frames.full_share(row) == 1 / SHAPE[1]
        reference = frames.references[0].image
        image = frames.projection(row, reference)
    assert np.isnan(image[:, 0]).all()
    assert np.isfinite(image[:, 1:]).all()
    # the air that is left is as bright as the same pixels of the reference; whole counts of 27000
    good = ~frames.bad[:, 1:]
    np.testing.assert_allclose(image[:, 1:][good], reference[:, 1:][good], rtol=1e-4)


def test_air_at_full_scale_leaves_the_other_border_to_tell_the_brightness(full):
    row = scan_row(good_rows(full.ledger)[0])
    with SpeckleFrames(scan_of_run(full), air_fraction=1 / SHAPE[1]) as frames:
        image, reference = frames.projection(row, frames.references[0].image), frames.references[0].image
        good = ~frames.bad[:, 1:]
        np.testing.assert_allclose(image[:, 1:][good], reference[:, 1:][good], rtol=1e-4)


def test_frames_without_time_stamps_have_the_time_they_are_said_to_have(tmp_path):
    path = tmp_path / "references.h5"
    with h5py.File(path, "w") as file:
        file["entry/data/data"] = np.ones((2, 8, 8), np.uint16)
    assert time_of(FrameSet(str(path), "entry/data/data", ((0, 2),), 12.5)) == 12.5


def test_references_between_are_frames_of_the_projections_file(record):
    rows = good_rows(record.ledger)
    middle = {"first_frame": 2, "frames": 2, "time_s": rows[3]["frame_time"]}
    record._rows["reference_spans"] = [middle]
    found = references_of(record, (rows[0]["frame_time"], rows[-1]["frame_time"]))
    assert [each.spans for each in found] == [((0, 3),), ((2, 4),), ((0, 2),)]
    assert found[1].path.endswith("projections.h5")


@pytest.mark.parametrize(("taken", "to_come"), [([], 6 + 3 + 2), ([[0, 3]], 2 + 2)])
def test_frames_to_come_count_references_between_and_not_what_was_taken(tmp_path, taken, to_come):
    """Three darks, four flats and three references have come."""
    run = SyntheticRun(projections=6, darks=3, flats=4, references=3, shape=SHAPE, per_flush=1)
    expected = {"darks": 3, "flats": 4, "references": 3, "projections": 6, "references_after": 2}
    run.acquisition |= {"expected": expected, "references_between": 3}
    documents = []
    for name, doc in run.play(tmp_path):
        documents.append((name, doc))
        if name == "stream_datum" and len([each for each, _ in documents if each == name]) == 4:
            break
    start = documents[0][1]
    start["params"] |= {"references_every": 3}
    start["speckle"] = {"taken": taken}
    record = RunRecord.from_documents(documents)
    assert record.streams["projections"].n_frames == 1
    assert scan_of_run(record).frames_to_come == to_come - 1


def test_a_scan_with_references_travels_as_json(record):
    scan = scan_of_run(record)
    again = Scan.from_plain(json.loads(json.dumps(scan.plain())))
    assert again == replace(scan, start={"uid": scan.uid}, frames_to_come=0)
    assert isinstance(again.references[0], FrameSet)


def test_references_that_are_not_whole_are_left_out(tmp_path):
    """Those after the projections: two of three are there, or all, and interrupted."""
    record = RunRecord.from_documents(SpeckleRun(references=3, references_after=3).play(tmp_path))
    assert len(references_of(record)) == 2
    record.stop["exit_status"] = "abort"
    assert len(references_of(record)) == 2
    record.start["acquisition"]["expected"]["references"] = 4
    assert references_of(record) == ()
    record.stop["exit_status"] = "success"
    assert len(references_of(record)) == 2
    record._rows["spoilt"] = [{"stream": "references_after"}]
    (first,) = references_of(record)
    assert "references_after" not in first.path
