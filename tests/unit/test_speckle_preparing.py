"""What is found once for a speckle scan: light, beta/delta, weight of the prior, and what is told of them."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from speckle_run import LENGTHS_UM, PIXEL_UM, SpeckleRun
from speckle_stand_in import LIGHT, know_the_light

from xsn_acq.analysis.pwf.ratio_search import RatioFit
from xsn_acq.errors import ReconstructionError
from xsn_acq.live import speckle_trial
from xsn_acq.live.scan import ScanRow
from xsn_acq.live.speckle_drift import images_of, still_reference
from xsn_acq.live.speckle_frames import SpeckleFrames
from xsn_acq.live.speckle_light import light_of
from xsn_acq.live.speckle_preparing import Prepared, prepare
from xsn_acq.live.speckle_scan import free_warnings, speckle_scan, views_of
from xsn_acq.live.speckle_settings import UNKNOWN_RATIO, SpeckleChoices, settings_from
from xsn_acq.live.speckle_trial import middle
from xsn_acq.storage.run import RunRecord

SMALL = (16, 24)
PLACES = ((0.0, 0.0), (0.1, 0.0), (0.2, 0.0))
PIXEL_M = PIXEL_UM * 1e-6


def scan_of(folder, *, positions=1, lost=None, **options):
    """A scan of some positions, five angles; ``lost`` targets are not in the file of the second one."""
    records = []
    for number in range(positions):
        given = {
            "shape": SMALL,
            "projections": 5,
            "seed": number,
            "positions_mm": PLACES[:positions],
        } | options
        if lost is not None and number == 1:
            given |= {"lost": lost, "retake": False}
        run = SpeckleRun(number=number, position_mm=PLACES[number], **{"seed": number} | given)
        records.append(RunRecord.from_documents(run.play(folder)))
    return speckle_scan(records)


def prepared(scan, views, **choices):
    frames = [SpeckleFrames(each) for each in scan.positions]
    try:
        return prepare(scan.start, frames, views, SpeckleChoices(**{"mu": 30.0} | choices))
    finally:
        for each in frames:
            each.close()


@pytest.fixture
def known_light(monkeypatch):
    know_the_light(monkeypatch)


def test_light_of_a_simulated_reference(tmp_path):
    """The simulator's lengths, from frames of 64 x 96."""
    scan, _ = scan_of(tmp_path, shape=(64, 96), projections=2, references=20)
    with SpeckleFrames(scan.positions[0]) as frames:
        light = light_of(scan.start, frames.references[0].image, frames.noise)
    # some 600 grains: their chance is 2 % of the lengths, the fit's own error tells it
    for found, error, true in zip(light.lengths_m, light.errors_m, LENGTHS_UM, strict=True):
        assert abs(found * 1e6 - true) < 3 * error * 1e6
        assert error * 1e6 < 0.06 * true
    assert light.photons == pytest.approx(20_000, rel=0.1)  # from two flats of 6000 pixels
    assert light.warnings(PIXEL_M) == []
    assert "resolution 2." in light.line()


def test_what_is_wrong_with_the_light_is_told():
    (faint,) = replace(LIGHT, contrast=0.04).warnings(PIXEL_M)
    assert faint.startswith("speckle contrast: wanted 5% or more, found 4.0%")
    (coarse,) = LIGHT.warnings(2 * PIXEL_M)
    assert coarse == (
        "resolution: the light resolves 2.29 um, less than two pixels of 1.30 um; take less binning"
    )


def test_faint_speckle_of_a_full_camera_is_not_blamed_on_a_short_exposure():
    (faint,) = replace(LIGHT, contrast=0.04).warnings(PIXEL_M, saturated=True)
    assert faint.startswith("speckle contrast: wanted 5% or more, found 4.0%")
    assert "exposure" not in faint


FULL = "of the pixels are at 65535, full scale; take a shorter exposure"


def saturated(images, columns):
    """Frames with some columns at full scale."""
    return lambda *which: np.where(np.arange(SMALL[1]) < columns, 65535.0, images(*which))


def scan_of_full(folder, **columns):
    run = SpeckleRun(shape=SMALL, projections=5)
    for name, count in columns.items():
        setattr(run, name, saturated(getattr(run, name), count))
    return speckle_scan([RunRecord.from_documents(run.play(folder))])


@pytest.mark.usefixtures("known_light")
@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"reference": 6}, [f"references: 25.0% {FULL}"]),
        (
            {"flat": 6, "reference": 3, "projection": 3},
            [f"flats: 25.0% {FULL}", f"references: 12.5% {FULL}"],
        ),
        ({"projection": 12}, [f"projections: 50.0% {FULL}"]),
        ({}, []),
    ],
)
def test_frames_at_full_scale_are_told(tmp_path, columns, said):
    """Pixels that are bad already, by flat or reference, are not counted again in the projections."""
    found = prepared(*scan_of_full(tmp_path, **columns))
    assert list(found.warnings) == said
    bad = max(columns.get("flat", 0), columns.get("reference", 0)) * SMALL[0]
    assert found.bad_pixels == bad


@pytest.mark.parametrize("kind", ["flat", "reference"])
def test_frames_mostly_at_full_scale_are_refused(tmp_path, kind):
    scan, _ = scan_of_full(tmp_path, **{kind: 13})
    said = f"run {scan.uid[:8]}: {kind}s: wanted pixels below 65535 counts, found 54.2% at it, full scale"
    with pytest.raises(ReconstructionError, match=said):
        SpeckleFrames(scan.positions[0])


def test_a_diffuser_that_is_out_is_told(tmp_path):
    scan, views = scan_of(tmp_path, shape=(64, 96), projections=1)
    flat = replace(scan.positions[0], references=(replace(scan.positions[0].flats[0], spans=((0, 2),)),))
    with pytest.raises(ReconstructionError, match="is the diffuser in the beam"):
        prepared(replace(scan, positions=(flat,)), views)


@pytest.mark.usefixtures("known_light")
def test_what_is_given_is_taken(tmp_path):
    scan, views = scan_of(tmp_path, beta_over_delta=0.004)
    found = prepared(scan, views)
    assert (found.settings.beta_over_delta, found.settings.mu) == (0.004, 30.0)
    assert (found.found, found.warnings, found.drift_px, found.seen) == ((), (), (0.0,), ((),))
    assert (found.settings.reference_frames, found.settings.flat_frames) == (4, 3)
    assert found.settings.optics.shape == SMALL
    assert prepared(scan, views, beta_over_delta=0.02).settings.beta_over_delta == 0.02
    again = Prepared.from_plain(json.loads(json.dumps(found.plain())))
    assert again == found
    assert settings_from(json.loads(json.dumps(found.plain()))["settings"]) == found.settings


@pytest.mark.usefixtures("known_light")
def test_a_ratio_that_is_not_to_be_trusted_is_told(tmp_path, monkeypatch):
    fits = iter([RatioFit(0.006, 1e-4, 1.31, 4, ("the field is small",)), RatioFit(0.006, 1e-4, 1.02, 4)])
    monkeypatch.setattr(speckle_trial, "search_ratio", lambda retrieval, angles: next(fits))
    scan, views = scan_of(tmp_path, beta_over_delta=0.0)
    found = prepared(scan, views)
    (warning,) = found.warnings
    assert warning.startswith("beta/delta 0.00600 +- 0.00010, found from the images, is not to be trusted")
    assert "to be trusted: the field is small; give --beta-over-delta" in warning
    trusted = prepared(scan, views)
    assert trusted.warnings == ()
    assert trusted.found == ("beta/delta 0.00600",)
    assert trusted.settings.beta_over_delta == 0.006


@pytest.mark.usefixtures("known_light")
@pytest.mark.parametrize(("positions", "lost", "mode"), [(3, None, "free"), (2, None, "tied")])
def test_three_positions_find_the_ratio_with_free_absorption(tmp_path, monkeypatch, positions, lost, mode):
    used = []

    def free(retrieval, images, *, shifts):
        used.append((retrieval.settings.mode, images.shape))
        return 0.005

    def tied(retrieval, angles):
        used.append(("tied", angles[0][0].shape))
        return RatioFit(0.005, 1e-4, 1.0, 4)

    monkeypatch.setattr(speckle_trial, "fitted_ratio", free)
    monkeypatch.setattr(speckle_trial, "search_ratio", tied)
    scan, views = scan_of(tmp_path, positions=positions, lost=lost, beta_over_delta=0.0)
    found = prepared(scan, views)
    assert used == [(mode, (positions, *SMALL))]
    assert (found.settings.beta_over_delta, found.warnings) == (0.005, ())


@pytest.mark.usefixtures("known_light")
def test_mode_free_seeks_no_ratio(tmp_path):
    scan, views = scan_of(tmp_path, positions=3, beta_over_delta=0.0)
    found = prepared(scan, views, mode="free")
    assert (found.settings.mode, found.settings.beta_over_delta) == ("free", UNKNOWN_RATIO)
    assert found.found == ()


def test_mode_free_tells_of_angles_with_too_few_projections():
    three = [[ScanRow(index, float(index), 0.0) for index in range(5)] for _ in range(3)]
    assert free_warnings(views_of(three, 1.0)) == []
    (said,) = free_warnings(views_of([three[0], three[1][1:], three[2]], 1.0))
    assert said.startswith("mode free: 1 of 5 angles have fewer than 3 projections")
    with pytest.raises(ReconstructionError, match="wanted 3 diffuser positions or more, found 2"):
        free_warnings(views_of([*three[:2], three[2][3:]], 1.0))


@pytest.mark.usefixtures("known_light")
def test_the_weight_is_chosen_at_one_of_the_trial_angles(tmp_path, monkeypatch):
    asked = []

    class Weighed:
        def __init__(self, settings, references, **rest):
            asked.append((settings.beta_over_delta, references.shape))

        def like(self, settings):
            return self

        def retrieve(self, images, *, shifts):
            asked.append(images.mean())
            return SimpleNamespace(mu=100.0)

    monkeypatch.setattr(speckle_trial, "Retrieval", Weighed)
    scan, views = scan_of(tmp_path, beta_over_delta=0.004)
    found = prepared(scan, views, mu=None)
    assert found.settings.mu == 100.0
    assert found.found == ("weight of the prior 100",)
    with SpeckleFrames(scan.positions[0]) as frames:
        images, _ = images_of(views[3], [frames], [still_reference(frames.references)])
    assert asked == [(0.004, (1, *SMALL)), images.mean()]


@pytest.mark.parametrize(
    ("shape", "axis", "rows", "columns"),
    [
        ((64, 96), 48, (0, 64), (0, 96)),
        ((1000, 1200), 600, (308, 692), (408, 792)),
        ((1000, 1200), 700, (308, 692), (508, 892)),
        ((1000, 1200), 30, (308, 692), (0, 384)),
        ((1000, 1200), 1190, (308, 692), (816, 1200)),
    ],
)
def test_settings_are_tried_in_the_middle_about_the_axis(shape, axis, rows, columns):
    assert middle(shape, axis) == (slice(*rows), slice(*columns))


def test_a_projection_that_was_lost_is_not_a_number(tmp_path):
    scan, views = scan_of(tmp_path, positions=2, lost=(2,))
    frames = [SpeckleFrames(each) for each in scan.positions]
    references = [still_reference(each.references) for each in frames]
    images, shifts = images_of(views[2], frames, references)
    for each in frames:
        each.close()
    assert np.isfinite(images[0]).all()
    assert np.isnan(images[1]).all()
    assert shifts == [(0.0, 0.0)] * 2
