from dataclasses import replace

import numpy as np
import pytest

from xsn_acq.analysis.frc import fourier_ring_correlation
from xsn_acq.config import load_beamline
from xsn_acq.optics.knife_edge import KnifeEdge
from xsn_acq.sim.alignment import Alignment
from xsn_acq.sim.detector import blur
from xsn_acq.sim.microscope import Microscope
from xsn_acq.sim.nominal import nominal_state
from xsn_acq.sim.phantoms import COPPER, Phantom, phantom
from xsn_acq.sim.shapes import Ellipsoid
from xsn_acq.sim.state import CameraSettings
from xsn_acq.sim.truth import Truth

BEAMLINE = load_beamline("pls2-7c-xni")
OPEN = replace(nominal_state(BEAMLINE), shutter_open=True)
OUT = replace(OPEN, sample_x_um=BEAMLINE.geometry.sample_out_um)
CAMERA = CameraSettings(2.0, 1604 - 64, 1600 - 32, 128, 64, 2)
WIDE = CameraSettings(2.0, 1604 - 192, 1600 - 96, 384, 192, 2)


def microscope(name="empty", **truth):
    return Microscope(BEAMLINE, phantom(name, 1), Truth(**truth), seed=5)


def light(state, camera=CAMERA, name="empty"):
    return float(microscope(name).photons(state, camera).mean(dtype=float))


def test_the_aligned_state_is_aligned():
    for energy in (7800.0, 8300.0, 8350.0, 9400.0):
        alignment = Alignment(BEAMLINE, Truth(), nominal_state(BEAMLINE, energy))
        assert alignment.energy_ev == pytest.approx(energy)
        assert abs(alignment.defocus_m) < 1e-9
        assert alignment.pixel_um * 1e-6 == pytest.approx(BEAMLINE.pixel_size_m(energy, 1))
        assert alignment.cutoff_per_m(np.zeros(1)) == 0
        axes, state = BEAMLINE.axes, alignment.state
        assert axes.zone_plate_z.low < state.zone_plate_z_mm < axes.zone_plate_z.high
        assert axes.bragg.low < state.bragg_deg < axes.bragg.high
        assert BEAMLINE.undulator.gap_low_mm < state.gap_mm < BEAMLINE.undulator.gap_high_mm


def test_a_binned_pixel_has_5000_photons_in_2_s():
    assert light(OUT) == pytest.approx(5000, rel=0.02)
    frame = microscope().frame(OUT, CAMERA, 1)
    mode = Truth().modes["1"]
    assert frame.mean() == pytest.approx(mode.offset_adu + mode.gain_adu * 5000, rel=0.02)


@pytest.mark.parametrize(
    "shut", [{"shutter_open": False}, {"front_end_open": False}, {"ring_current_ma": 0.0}]
)
def test_no_light_is_dark(shut):
    scope, state = microscope("nmc_graded"), replace(OPEN, **shut)
    assert scope.photons(state, CAMERA).max() == 0
    dark = scope.frame(state, CAMERA, 3)
    mode = scope.truth.modes["1"]
    assert dark.mean() == pytest.approx(
        mode.offset_adu, abs=0.15
    )  # 5 standard errors of 1.2 ADU over 2048 pixels
    assert dark.std() == pytest.approx(np.hypot(mode.read_noise_adu, 12**-0.5), rel=0.08)


def test_variance_against_mean_gives_the_gain():
    scope, mode = microscope(), Truth().modes["1"]
    frames = np.array([scope.frame(OUT, CAMERA, k) for k in range(64)], float)
    mean = frames.mean(axis=0) - mode.offset_adu
    noise = frames.var(axis=0, ddof=1).mean() - mode.read_noise_adu**2 - 1 / 12
    assert noise / mean.mean() == pytest.approx(mode.gain_adu, rel=0.02)  # 64 x 2048 samples: 0.4 % rms
    assert mean == pytest.approx(scope.expected(OUT, CAMERA) - mode.offset_adu, rel=0.01)


def test_same_inputs_same_frame():
    scope = microscope("microparticles")
    assert np.array_equal(scope.frame(OPEN, CAMERA, 7), microscope("microparticles").frame(OPEN, CAMERA, 7))
    assert not np.array_equal(scope.frame(OPEN, CAMERA, 7), scope.frame(OPEN, CAMERA, 8))


@pytest.mark.parametrize(("port", "top"), [("1", 4095), ("2", 255), ("3", 65535), ("4", 65535)])
def test_ports_saturate_at_their_depth(port, top):
    frame = microscope().frame(OUT, replace(CAMERA, exposure_s=1000.0, readout_port=port), 1)
    assert frame.dtype == (np.uint8 if top == 255 else np.uint16)
    assert frame.max() == top


def test_light_grows_with_current_exposure_and_binning():
    full = light(OUT)
    assert light(replace(OUT, ring_current_ma=200.0)) == pytest.approx(full / 2)
    assert light(OUT, replace(CAMERA, exposure_s=0.5)) == pytest.approx(full / 4)
    assert light(OUT, replace(CAMERA, binning=1)) == pytest.approx(full / 4, rel=1e-4)


def test_gap_follows_the_energy():
    aligned = light(OUT)
    elsewhere = nominal_state(BEAMLINE, 8340.0)
    tracked = replace(elsewhere, shutter_open=True, sample_x_um=60.0)
    # the magnification, and with it the area of a pixel, changes by 1 % too
    assert light(tracked) == pytest.approx(aligned, rel=0.02)
    # 40 eV are the first zero of the third harmonic of 70 periods, 8300 / 210
    assert light(replace(tracked, gap_mm=OUT.gap_mm)) < 0.05 * aligned
    # the paper's widest scan, 20 eV off
    at_20 = replace(nominal_state(BEAMLINE, 8320.0), shutter_open=True, gap_mm=OUT.gap_mm, sample_x_um=60.0)
    assert 0.3 < light(at_20) / aligned < 0.55  # sinc^2 at half the first zero is 0.405


@pytest.mark.parametrize(
    "off",
    [
        {"pitch_urad": OPEN.pitch_urad + 30, "feedback_on": False},
        {"condenser_x_um": 60.0},
        {"condenser_y_um": -60.0},
        {"pinhole_x_um": 40.0},
        {"pinhole_y_um": 40.0},
        {"second_crystal_gap_mm": OPEN.second_crystal_gap_mm + 0.04},
    ],
    ids=lambda off: next(iter(off)),
)
def test_misalignment_costs_light(off):
    assert light(replace(OUT, **off)) < 0.6 * light(OUT)


def test_feedback_follows_a_small_detuning():
    assert light(replace(OUT, pitch_urad=OPEN.pitch_urad + 30)) == pytest.approx(light(OUT))
    assert light(replace(OUT, pitch_urad=OPEN.pitch_urad + 200)) < 0.01 * light(OUT)


def test_a_sample_out_of_view_leaves_the_flat():
    with_sample = microscope("microparticles").photons(OUT, CAMERA)
    assert np.array_equal(with_sample, microscope().photons(OPEN, CAMERA))


def test_frame_of_the_full_region_contains_the_small_one():
    scope = microscope("nmc_graded")
    wide, part = scope.photons(OPEN, WIDE), scope.photons(OPEN, CAMERA)
    rows, columns = (96 - 32) // 2, (192 - 64) // 2
    same = wide[rows : rows + 32, columns : columns + 64]
    # the region's edge cuts the sample; what lies beyond its margin is bent and speaks softly into it
    assert np.abs(part - same)[:, 4:-4].max() < 0.01 * same.max()


def test_knife_edge_table_is_what_a_scan_of_the_cutoff_gives():
    scope, table = microscope(), BEAMLINE.calibration.knife_edge
    curve = KnifeEdge(np.array(table.frequency_per_um) * 1e6, np.array(table.transmitted))
    whole = light(replace(OUT, cutoff_x_um=-100.0))
    for cutoff_x in np.linspace(-42.0, 42.0, 29):
        found = scope.photons(replace(OUT, cutoff_x_um=cutoff_x), CAMERA).mean(dtype=float) / whole
        wanted = float(curve(BEAMLINE.cutoff_frequency_per_m(cutoff_x, 8300.0)))
        assert found == pytest.approx(wanted, abs=0.005)  # 0.1 % noise was added to the table


@pytest.mark.parametrize("binning", [1, 2, 4])
def test_the_axis_is_where_it_should_be_and_moves_with_the_sample_stage(binning):
    ball = Phantom("ball", (Ellipsoid.sphere((0.0, 0.0, 0.0), 0.4, COPPER),))
    scope = Microscope(BEAMLINE, ball, Truth(runout_nm=0.0), seed=1)
    camera = replace(WIDE, binning=binning)
    column = camera.min_x + np.arange(camera.shape[1]) * binning + (binning - 1) / 2

    def centre(state):
        # without the cutoff the image is symmetric
        state = replace(state, cutoff_x_um=-100.0)
        far = replace(state, sample_x_um=state.sample_x_um + 100.0)
        shadow = (1 - scope.photons(state, camera) / scope.photons(far, camera)).sum(axis=0, dtype=float)
        return (shadow * column).sum() / shadow.sum()

    # unbinned pixels; the rest is float32 far from the ball
    assert centre(OPEN) == pytest.approx(Truth().axis_column, abs=0.05)
    pixel_um = BEAMLINE.pixel_size_m(8300.0, 1) * 1e6
    assert centre(replace(OPEN, sample_x_um=1.0)) - centre(OPEN) == pytest.approx(1 / pixel_um, abs=0.05)


def ball_at(state=OPEN, centre=(0.0, 0.0, 0.0), **truth):
    """Row and column of a ball, binned pixels, without the cutoff."""
    ball = Phantom("ball", (Ellipsoid.sphere(centre, 0.4, COPPER),))
    scope = Microscope(BEAMLINE, ball, Truth(runout_nm=0.0, **truth), seed=1)
    state = replace(state, cutoff_x_um=-100.0)
    far = replace(state, sample_x_um=state.sample_x_um + 100.0)
    shadow = 1 - scope.photons(state, WIDE) / scope.photons(far, WIDE)
    rows, columns = np.indices(shadow.shape)
    return np.array([(shadow * rows).sum(), (shadow * columns).sum()]) / shadow.sum(dtype=float)


def test_a_leaning_axis_moves_what_is_away_from_the_origin():
    pixel_um = BEAMLINE.pixel_size_m(8300.0, 2) * 1e6
    up, forward = (0.0, 1.5, 0.0), (0.0, 0.0, 1.5)
    lean = {"rotation_roll_deg": 2.0, "rotation_tilt_deg": 3.0}
    roll, tilt = np.sin(np.deg2rad([2.0, 3.0]))
    moved = (ball_at(centre=up, **lean) - ball_at(centre=up)) * pixel_um
    assert moved[1] == pytest.approx(1.5 * roll, abs=0.003)  # a tenth of a pixel; cosines are 0.2 % of 1.5 um
    moved = (ball_at(centre=forward, **lean) - ball_at(centre=forward)) * pixel_um
    assert moved[0] == pytest.approx(-1.5 * tilt, abs=0.003)  # downstream and down


def test_the_sample_drifts_and_jitters():
    pixel_um = BEAMLINE.pixel_size_m(8300.0, 2) * 1e6
    later = replace(OPEN, time_s=1000.0)
    drift = (ball_at(later, drift_x_nm=200.0, drift_y_nm=300.0) - ball_at(later)) * pixel_um
    phase = 2 * np.pi * 1000.0 / Truth().drift_period_s
    wanted = (0.3 * np.sin(0.9 * phase + 1.3), 0.2 * np.sin(0.6 * phase + 0.4))
    assert drift == pytest.approx(wanted, abs=0.003)  # a tenth of a pixel
    here, again = (ball_at(replace(OPEN, time_s=7.0), jitter_nm=200.0) for _ in range(2))
    assert np.array_equal(here, again)
    places = [
        Alignment(BEAMLINE, Truth(jitter_nm=50.0, runout_nm=0.0), replace(OPEN, time_s=t)).axis_um(0.0)
        for t in np.arange(400.0)
    ]
    assert np.std(places, axis=0) == pytest.approx([0.05, 0.05], rel=0.15)  # 400 draws: 3.5 % rms


def test_scintillator_blur_has_the_width_of_the_beamline_file():
    point = np.zeros((96, 96), np.float32)
    point[48, 48] = 1
    spot = blur(point, 0.01, 0.072, Truth(scintillator_tail=0.0))
    assert spot.sum() == pytest.approx(1.0, abs=1e-5)  # float32
    across = spot[48, 48:] / spot[48, 48]
    half = np.interp(-0.5, -across[:10], np.arange(10) * 0.01)
    assert half == pytest.approx(0.036, abs=0.0005)  # linear between samples of 10 nm


def test_frames_are_blurred_by_the_scintillator():
    grainy = BEAMLINE.model_copy(
        update={"detection": BEAMLINE.detection.model_copy(update={"scintillator_psf_fwhm_nm": 1.0})}
    )
    spread = [
        np.abs(np.diff(Microscope(b, phantom("nmc_graded", 1)).photons(OPEN, WIDE), axis=1)).max()
        for b in (BEAMLINE, grainy)
    ]
    assert spread[0] < 0.8 * spread[1]


def likeness(state, name, frequency_per_m):
    """Fourier ring correlation with the aligned image at one frequency."""
    scope = microscope(name)
    flat = scope.photons(OUT, WIDE)
    # a square that holds most of the sample
    images = [(scope.photons(s, WIDE) / flat)[:, 48:144] for s in (OPEN, state)]
    curve = fourier_ring_correlation(*images, BEAMLINE.pixel_size_m(8300.0, 2))
    return float(np.interp(frequency_per_m, curve.frequency_per_m, curve.correlation))


def displaced(micrometres):
    return replace(OPEN, zone_plate_z_mm=OPEN.zone_plate_z_mm + 1e-3 * micrometres)


@pytest.mark.parametrize("name", ["microparticles", "nmc_graded"])
def test_out_of_focus_details_go_first(name):
    # well inside the depth of focus, 24 um
    assert likeness(displaced(2.0), name, 8e6) > 0.98
    assert likeness(displaced(60.0), name, 1e6) > 0.9
    for far in (100.0, -100.0, 290.0):
        assert likeness(displaced(far), name, 5e6) < 0.6


def test_leaving_the_zone_plate_behind_spoils_an_energy_scan():
    moved = replace(nominal_state(BEAMLINE, 8340.0), shutter_open=True)
    left = replace(moved, zone_plate_z_mm=OPEN.zone_plate_z_mm)
    # 7.26 um/eV of focal length: 40 eV are a dozen depths of focus
    assert abs(Alignment(BEAMLINE, Truth(), left).defocus_m) == pytest.approx(40 * 7.26e-6, rel=0.15)
    assert likeness(moved, "nmc_graded", 4e6) > 0.9
    assert likeness(left, "nmc_graded", 4e6) < 0.5


def test_far_out_of_focus_is_blurred_along_y_too():
    ball = Phantom("ball", (Ellipsoid.sphere((0.0, 0.0, 0.0), 0.2, COPPER),))
    scope = Microscope(BEAMLINE, ball, Truth(), seed=1)
    clear = replace(displaced(1000.0), cutoff_x_um=-100.0)
    flat = scope.photons(replace(clear, sample_x_um=60.0), WIDE)
    ring = scope.photons(clear, WIDE) / flat - 1
    # nothing of the 0.4 um ball's outline is left: its diffraction spreads over a micrometre and is weak
    assert np.abs(ring).max() < 0.5 * np.abs(scope.photons(OPEN, WIDE) / flat / 0.553 - 1).max()


def test_focus_fast_form_and_mode_sum_meet():
    scope = microscope("microparticles")
    # 0.4 um is within the in-focus band, 0.6 um outside it; both are far below the depth of focus, 24 um
    fast = scope.photons(replace(OPEN, zone_plate_z_mm=OPEN.zone_plate_z_mm + 0.0004), CAMERA)
    summed = scope.photons(replace(OPEN, zone_plate_z_mm=OPEN.zone_plate_z_mm + 0.0006), CAMERA)
    assert np.abs(fast - summed).max() < 0.01 * fast.max()


def test_off_the_pupil_a_shadow_crosses_the_field():
    camera = CameraSettings(2.0, 700, 1568, 1800, 64, 4)

    def slope(cutoff_z_mm):
        state = replace(OUT, cutoff_z_mm=cutoff_z_mm)
        clear = replace(state, cutoff_x_um=-200.0)
        row = (microscope().photons(state, camera) / microscope().photons(clear, camera)).mean(axis=0)
        return float(row[-1] - row[0])

    assert slope(0.0) == pytest.approx(0.0, abs=1e-4)
    assert slope(8.0) < -0.05
    assert slope(-8.0) > 0.05


def test_strips_join_the_fast_form_smoothly():
    scope = microscope("microparticles")
    aligned = scope.photons(OPEN, WIDE)
    nearly = scope.photons(replace(OPEN, cutoff_z_mm=0.02), WIDE)
    strips = scope.photons(replace(OPEN, cutoff_z_mm=2.0), WIDE)
    assert np.abs(nearly - aligned).max() < 0.005 * aligned.max()
    assert np.abs(strips - aligned).max() < 0.1 * aligned.max()


def test_a_still_diffuser_makes_speckle_and_no_diffuser_less_spread():
    still = microscope().photons(replace(OUT, diffuser_rotating=False), WIDE)
    turning = microscope().photons(OUT, WIDE)
    ratio = still / turning
    # the field holds about 500 speckles
    assert ratio.std() == pytest.approx(Truth().speckle_contrast, rel=0.15)
    assert ratio.mean() == pytest.approx(1.0, abs=0.1)
    bare = replace(OUT, diffuser_x_mm=15.0)
    edge_out = replace(bare, cutoff_x_um=12.0)
    # 12 um is a third of the pupil's light with the diffuser and beyond all light without
    assert light(edge_out) < 1e-3 * light(bare)
    assert light(replace(OUT, cutoff_x_um=12.0)) > 0.3 * light(OUT)


def test_turning_blurs():
    off_axis = Phantom("ball", (Ellipsoid.sphere((0.0, 0.0, 2.5), 0.15, COPPER),))
    scope = Microscope(BEAMLINE, off_axis, Truth(), seed=1)
    still = scope.photons(OPEN, WIDE)
    swept = scope.photons(replace(OPEN, theta_start_deg=-3.0, theta_end_deg=3.0), WIDE)
    assert np.ptp(swept) < 0.95 * np.ptp(still)
    turned = scope.photons(replace(OPEN, theta_start_deg=30.0, theta_end_deg=30.0), WIDE)
    assert np.ptp(turned) == pytest.approx(
        np.ptp(still), rel=0.15
    )  # the flat's structure differs from place to place


def test_the_beam_drifts_slowly():
    now, later = light(OUT), light(replace(OUT, time_s=700.0))
    assert 1e-4 < abs(later / now - 1) < 0.02


def test_camera_settings_are_checked():
    assert CameraSettings(1.0, 0, 0, 129, 65, 2).shape == (32, 64)
    with pytest.raises(ValueError, match="holds no pixel"):
        CameraSettings(1.0, 0, 0, 1, 64, 2)
    with pytest.raises(ValueError, match="not possible"):
        CameraSettings(1.0, 0, 0, 64, 64, 1, "5")
