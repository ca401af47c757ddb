"""The reference of a position whose speckle drifts in the course of the scan."""

from dataclasses import replace

import numpy as np
import pytest
from speckle_run import PIXEL_UM, SpeckleRun

from xsn_acq.analysis.shift import shift_image
from xsn_acq.live.scan import good_rows, scan_of_run, scan_row, span_of
from xsn_acq.live.speckle_drift import SEEN_PX, StillReference, images_of, still_reference
from xsn_acq.live.speckle_frames import Reference, SpeckleFrames
from xsn_acq.live.speckle_scan import View
from xsn_acq.storage.run import RunRecord

SHAPE = (48, 64)
DRIFT_UM = 0.975
"""One and a half pixels over half a turn."""


def played(folder, **options):
    run = SpeckleRun(shape=SHAPE, projections=5, noisy=False, references_after=2, **options)
    record = RunRecord.from_documents(run.play(folder))
    rows = [scan_row(row) for row in good_rows(record.ledger)]
    return run, scan_of_run(record, span_of(rows)), rows


def drift_px(row):
    return DRIFT_UM / PIXEL_UM * row.theta_deg / 180


@pytest.fixture(scope="module")
def drifting(tmp_path_factory):
    return played(tmp_path_factory.mktemp("drift"), drift_um=DRIFT_UM)


def middle(image):
    """Without the borders, which a moved image does not know."""
    return np.asarray(image)[8:-8, 8:-8]


def test_the_reference_is_where_it_stood_at_any_time(drifting):
    run, scan, rows = drifting
    with SpeckleFrames(scan) as frames:
        still = still_reference(frames.references)
        first, last = (each.time_s for each in frames.references)
    whole_px = drift_px(rows[-1])
    assert (still.frames, "the speckle moved by 1.3 pixels" in still.said) == (6, True)
    for part in (0.0, 0.4, 1.0):
        time_s = first + part * (last - first)
        # the sheet moves to larger x, and its speckles with it; interpolation takes hundredths of a pixel
        assert still.shift_at(time_s) == pytest.approx((0, part * whole_px), abs=0.02)
        true = run.image(None, part * whole_px * PIXEL_UM)
        moved, left = (np.std(middle(image - true)) for image in (still.at(time_s), still.image))
        assert moved < 0.1 * max(left, 0.05)  # what is left is of interpolation between pixels


def test_the_air_of_a_projection_is_as_bright_as_the_moved_reference_there(drifting):
    _, scan, rows = drifting
    with SpeckleFrames(scan, air_fraction=0.1) as frames:
        still = still_reference(frames.references)
        (image,), (shift,) = images_of(View(rows[-1].theta_deg, (rows[-1],)), [frames], [still])
    reference = still.at(rows[-1].time_s)
    assert shift == still.shift_at(rows[-1].time_s)
    assert 0.9 < shift[1] < 1.3
    assert np.isnan(image[:, 0]).all()  # it came in over the border, unseen in the references
    assert np.isfinite(image[:, 1:]).all()
    for border in (np.s_[:, 1:8], np.s_[:, -7:]):
        # the gain is linear in x, the means are those of its middle
        assert image[border].mean() == pytest.approx(reference[border].mean(), rel=1e-3)
        assert abs(reference[border].mean() - still.image[border].mean()) > 2e-3


def test_a_drift_that_cannot_be_seen_is_left_in(drifting):
    _, scan, rows = drifting
    with SpeckleFrames(scan) as frames:
        first, last = frames.references
    near = shift_image(first.image, 0.0, 0.5 * SEEN_PX)
    same = still_reference([first, replace(first, image=near, time_s=last.time_s)])
    assert 0.25 * SEEN_PX < same.largest_px < SEEN_PX
    assert same.shift_at(rows[-1].time_s) == (0.0, 0.0)
    assert same.at(rows[-1].time_s) is same.image
    assert same.frames == 8


def test_references_of_other_speckle_are_told_and_the_first_stands_alone(drifting, tmp_path):
    _, scan, rows = drifting
    _, elsewhere, _ = played(tmp_path, position_mm=(0.3, 0.0))
    with SpeckleFrames(scan) as frames, SpeckleFrames(elsewhere) as others:
        first, other = frames.references[0], others.references[1]
    still = still_reference([first, other])
    assert still.said.startswith("references: speckle shift: wanted the same speckle in both images")
    assert still.image is first.image
    assert (still.frames, still.largest_px, still.shift_at(rows[-1].time_s)) == (4, 0.0, (0.0, 0.0))


def test_one_set_of_references_stands_still(drifting):
    _, scan, _ = drifting
    with SpeckleFrames(scan) as frames:
        (first, last) = frames.references
    assert still_reference([first]).image is first.image
    at_once = still_reference([first, replace(last, time_s=first.time_s)])
    assert (at_once.frames, at_once.drift, at_once.said) == (4, None, "")


def test_many_references_are_smoothed_and_begin_where_the_first_one_stands():
    """A smooth path does not go through its first shift: the image stands where the path begins."""
    rng = np.random.default_rng(3)
    speckle = np.random.default_rng(1).standard_normal((64, 64))
    waves = np.fft.fft2(speckle) * np.exp(-30 * np.add.outer(*(np.fft.fftfreq(64) ** 2,) * 2))
    u = np.fft.fftfreq(64)
    references = []
    for time in range(8):
        moved = np.fft.ifft2(waves * np.exp(-2j * np.pi * u * (0.1 * time + 0.03 * rng.standard_normal())))
        references.append(Reference((1 + 0.2 * moved.real / moved.real.std()).astype(np.float32), 1, time))
    still = still_reference(references)
    assert isinstance(still, StillReference)
    assert still.drift.path.at(0.0) != (0.0, 0.0)
    assert still.shift_at(0.0) == (0.0, 0.0)
    # 0.03 px of jitter at each of eight references
    assert still.shift_at(7.0)[1] == pytest.approx(0.7, abs=0.08)
