"""Frames of the simulated beamline with a diffuser behind the sample."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from xsn_acq.config import load_microscope
from xsn_acq.sim.hidden import hidden_truth
from xsn_acq.sim.ioc.speckle_world import SpeckleWorld
from xsn_acq.sim.speckle_light import beam, energy_ev, outline
from xsn_acq.sim.speckle_microscope import SpeckleMicroscope
from xsn_acq.sim.speckle_samples import speckle_sample
from xsn_acq.sim.speckle_truth import SpeckleTruth
from xsn_acq.sim.state import CameraSettings

BEAMLINE = load_microscope("pls2-6c")
CAMERA = CameraSettings(0.1, 1232, 1032, 96, 96)
SHUT = SpeckleWorld(BEAMLINE, 0.0).state(0.0, 0.1)
OPEN = replace(SHUT, shutter_open=True, ring_current_ma=BEAMLINE.ring.nominal_current_ma)
REFERENCE = replace(OPEN, sample_x_um=BEAMLINE.geometry.sample_out_um)
FLAT = replace(REFERENCE, diffuser_x_mm=BEAMLINE.diffuser.x_out_mm)
CLEAN = {
    "pattern_white": 0.0,
    "pattern_smooth": 0.0,
    "stripes": 0.0,
    "dead_fraction": 0.0,
    "hot_fraction": 0.0,
    "runout_nm": 0.0,
    "band": 0.0,
}


def scope(name="few_spheres scale=0.35", **truth):
    return SpeckleMicroscope(BEAMLINE, speckle_sample(name, 1), SpeckleTruth(**truth), seed=3)


def test_everything_starts_aligned_and_counts_as_in_practice():
    assert energy_ev(BEAMLINE, SHUT) == pytest.approx(10_000.0, abs=0.1)
    assert beam(BEAMLINE, SpeckleTruth(), OPEN) == pytest.approx(1.0, abs=0.003)
    assert (SHUT.front_end_open, SHUT.shutter_open) == (True, False)
    flat = scope(**CLEAN).photons(FLAT, CAMERA)
    # 20,000 in 100 ms; the beam falls off by a thousandth over the region and drifts by two
    assert flat == pytest.approx(np.full(CAMERA.shape, 20_000.0), rel=0.005)
    assert scope().photons(SHUT, CAMERA).max() <= 5000.0  # what hot pixels count


def test_reference_and_projection_over_the_flat():
    clear, beads = scope("empty", **CLEAN), scope(**CLEAN)
    flat, reference = (clear.photons(state, CAMERA) for state in (FLAT, REFERENCE))
    speckle = reference / flat
    assert 0.15 < speckle.std() / speckle.mean() < 0.3
    assert speckle.mean() == pytest.approx(0.94, abs=0.02)
    assert np.array_equal(beads.photons(REFERENCE, CAMERA), reference)
    assert np.array_equal(clear.photons(OPEN, CAMERA), reference)
    projection = beads.photons(OPEN, CAMERA)
    # air at the border shows the reference, glass does not: it absorbs a few per cent and moves speckle
    assert projection[:3] == pytest.approx(reference[:3], rel=0.02)
    assert np.abs(projection / reference - 1).max() > 0.3
    assert 0.9 < projection.sum() / reference.sum() < 0.999


def test_the_truth_says_the_lengths_that_the_whole_gives():
    x_um, y_um = SpeckleTruth().coherence_lengths_um(BEAMLINE)
    # those of the paper
    assert (x_um, y_um) == pytest.approx((3.48, 4.31), rel=1e-3)
    binned_um = SpeckleTruth().coherence_lengths_um(BEAMLINE, binning=2)
    # a square of a is a Gaussian of a^2 / 12, and x_coh^2 is 4 pi times that
    assert binned_um[0] ** 2 - x_um**2 == pytest.approx(4 * math.pi * (1.3**2 - 0.65**2) / 12)
    optics = SpeckleTruth().optics(BEAMLINE, 10_000.0, sample_z_um=500.0)
    assert optics.sample_to_diffuser_m == pytest.approx(2.5e-3)
    assert optics.diffuser_to_scintillator_m == pytest.approx(20e-3)
    assert optics.bandwidth == pytest.approx(0.021)


def test_same_number_same_frame():
    first = scope().frame(OPEN, CAMERA, 7)
    assert first.dtype == np.uint16
    assert np.array_equal(first, scope().frame(OPEN, CAMERA, 7))
    difference = first.astype(float) - scope().frame(OPEN, CAMERA, 8)
    variance = 2 * 1.2**2 * scope().photons(OPEN, CAMERA) + 2 * 1.6**2
    # 9216 pixels: 1.5 % of chance
    assert np.mean(difference**2 / variance) == pytest.approx(1.0, abs=0.06)


def test_a_turning_sample_is_blurred_and_its_rim_most():
    still, turning = (
        scope(**CLEAN).photons(replace(OPEN, theta_start_deg=0.0, theta_end_deg=end), CAMERA)
        for end in (1e-9, 8.0)
    )
    middle = scope(**CLEAN).photons(replace(OPEN, theta_start_deg=4.0, theta_end_deg=4.0), CAMERA)
    ends = scope(**CLEAN).photons(replace(OPEN, theta_start_deg=8.0, theta_end_deg=8.0), CAMERA)
    assert np.abs(turning - middle).max() > 0.02 * middle.mean()
    # the mean over the turn is nearer to its middle than to its ends
    assert np.abs(turning - middle).mean() < 0.5 * np.abs(turning - still).mean()
    assert np.abs(turning - middle).mean() < 0.5 * np.abs(turning - ends).mean()


def test_each_energy_of_the_band_sees_as_much_of_the_turn():
    """One angle, or an even number of them: energies take turns."""
    turning, counts = scope(), set()
    for degrees in (0.0, 0.5, 1.0, 2.0, 3.0, 5.0):
        state = replace(OPEN, theta_start_deg=10.0, theta_end_deg=10.0 + degrees)
        counts.add(len(turning._angles_deg(state, CAMERA)))
    assert len(counts) > 2
    assert all(count == 1 or count % 2 == 0 for count in counts)


def test_the_sample_is_where_its_stage_is_and_nearer_the_diffuser_it_shows_less():
    ball = scope("few_spheres scale=0.35", **CLEAN)
    bare = replace(OPEN, diffuser_x_mm=BEAMLINE.diffuser.x_out_mm)
    here = ball.photons(bare, CAMERA)
    there = ball.photons(replace(bare, sample_x_um=6.5, sample_y_um=-3.25), CAMERA)
    assert there[:-5, 10:] == pytest.approx(here[5:, :-10], rel=5e-3)
    near, far = (ball.photons(replace(bare, sample_z_um=z), CAMERA).std() for z in (2500.0, -15_000.0))
    assert far > 1.2 * near  # rims of phase objects stand out with the distance


def test_the_diffuser_drifts_as_hidden():
    drifting = SpeckleMicroscope(
        BEAMLINE,
        speckle_sample("empty"),
        hidden_truth(["diffuser_drift_x_um_per_h=6.5"], SpeckleTruth(**CLEAN)),
    )
    begin, later = (drifting.photons(replace(REFERENCE, age_s=age), CAMERA) for age in (0.0, 3600.0))
    moved = ndimage.shift(begin.astype(float), (0, 10.0), order=3)
    assert later[:, 12:] == pytest.approx(moved[:, 12:], rel=0.02)


def test_a_part_of_the_sensor_sees_that_part_and_bins_add_up():
    beads = scope(**CLEAN)
    whole = beads.photons(OPEN, CAMERA)
    part = beads.photons(OPEN, CameraSettings(0.1, 1252, 1042, 40, 60))
    # rims of grains and balls on a grid that begins elsewhere
    assert part == pytest.approx(whole[10:70, 20:60], rel=0.02)
    binned = beads.photons(OPEN, replace(CAMERA, binning=2))
    assert binned.shape == (48, 48)
    summed = whole.reshape(48, 2, 48, 2).sum(axis=(1, 3))
    assert binned == pytest.approx(summed, rel=0.02)


def test_blocks_of_a_large_frame_fit_together(monkeypatch):
    beads = scope(**CLEAN)
    whole = beads.photons(OPEN, CAMERA)
    monkeypatch.setattr("xsn_acq.sim.speckle_microscope._BLOCK", 40)
    assert beads.photons(OPEN, CAMERA) == pytest.approx(whole, rel=0.02)


def test_dead_and_hot_pixels():
    truth = CLEAN | {"dead_fraction": 0.01, "hot_fraction": 0.01}
    flat, dark = (scope(**truth).photons(state, CAMERA) for state in (FLAT, SHUT))
    # of 9216 pixels: 92 +- 10 of each
    assert 60 < (flat == 0).sum() < 130
    assert 60 < (dark == 5000.0).sum() < 130
    assert set(np.unique(dark)) == {0.0, 5000.0}
    assert np.array_equal(dark > 0, flat > 22_000)
    binned = scope(**truth).photons(SHUT, replace(CAMERA, binning=2))
    assert (binned > 0).sum() > 2 * (dark > 0).sum() / 3


def test_light_of_the_multilayers():
    truth = SpeckleTruth()
    detuned = replace(OPEN, multilayer_2_deg=OPEN.multilayer_2_deg + 0.015)
    assert beam(BEAMLINE, truth, detuned) == pytest.approx(0.5 * beam(BEAMLINE, truth, OPEN))
    assert beam(BEAMLINE, truth, replace(OPEN, front_end_open=False)) == 0.0
    assert beam(BEAMLINE, truth, replace(OPEN, ring_current_ma=200.0)) == pytest.approx(0.5, abs=0.002)
    lower = replace(OPEN, multilayer_1_deg=BEAMLINE.multilayer.pitch_deg(16_000.0))
    assert energy_ev(BEAMLINE, lower) == pytest.approx(16_000.0)
    y = np.arange(-600.0, 600.0, 2.0)
    middle = outline(truth, 0.0, np.zeros(1), y)[:, 0]
    assert middle.std() / middle.mean() > 0.02
    later = outline(truth, truth.drift_period_s / 4, np.zeros(1), y)[:, 0]
    way = truth.beam_drift_um * math.sin(1.3 * math.pi / 2)
    assert np.interp(y[10:-10] + way, y, later) == pytest.approx(middle[10:-10], rel=2e-3)
