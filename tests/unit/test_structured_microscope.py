"""The simulated microscope with structured light: frame and spectrum follow the state of the beamline."""

from dataclasses import replace

import numpy as np
import pytest
import xraydb
from structured_scope import BEAMLINE, BLOCK, CAMERA, CO_KA_EV, DOT, FE_KA_EV, OPEN, OUT, STILL, line, photons

from xsn_acq.optics.xspress3 import column
from xsn_acq.sim.phantoms import empty
from xsn_acq.sim.structured_microscope import StructuredMicroscope


def at(state, fine_x_mm, to_mm=None):
    """With the fine sheet there, or on its way there."""
    end = fine_x_mm if to_mm is None else to_mm
    return replace(state, fine_x_start_mm=fine_x_mm, fine_x_end_mm=end)


@pytest.fixture(scope="module")
def scope():
    """Sheets and the sample's yields are made once."""
    made = StructuredMicroscope(BEAMLINE, BLOCK, STILL, seed=5)
    made.photons(OPEN, CAMERA)
    made.arriving(OPEN)
    return made


def test_an_image_is_that_of_the_light_times_what_the_sample_lets_through(scope):
    through = photons(scope, OPEN) / photons(scope, OUT)
    attenuation_per_cm = xraydb.material_mu("Co", 9000.0, density=8.90)
    middle = through[24:32, 34:42]  # the block is at +0.3, -0.2 um, pixels are 50 nm
    assert middle.mean() == pytest.approx(np.exp(-attenuation_per_cm * 1e-4), rel=0.02)  # 2 % of halo
    moved = photons(scope, replace(OPEN, sample_x_um=0.5)) / photons(scope, OUT)
    assert moved[24:32, 44:52].mean() == pytest.approx(middle.mean(), rel=0.01)
    assert through[:, :8].mean() == pytest.approx(1.0, abs=0.01)


def test_light_follows_ring_current_exposure_and_the_crystals(scope):
    image, arriving = photons(scope, OPEN), scope.arriving(OPEN)
    half = replace(OPEN, ring_current_ma=OPEN.ring_current_ma / 2)
    assert photons(scope, half) == pytest.approx(image / 2, rel=1e-5)
    assert scope.arriving(half) == pytest.approx(arriving / 2, rel=1e-5)
    assert photons(scope, OPEN, replace(CAMERA, exposure_s=1.5)) == pytest.approx(image * 3, rel=1e-5)
    detuned = replace(OPEN, feedback_on=False, pitch_urad=STILL.pitch_optimum_urad + 200.0)
    assert photons(scope, detuned).max() < 1e-3 * image.max()


@pytest.mark.parametrize(
    "shut", [{"shutter_open": False}, {"front_end_open": False}, {"ring_current_ma": 0.0}], ids=str
)
def test_no_light_no_frame_no_spectrum(scope, shut):
    dark = replace(OPEN, **shut)
    assert photons(scope, dark).max() == 0
    mode = STILL.modes["1"]
    assert scope.frame(dark, CAMERA, 3).mean() == pytest.approx(
        mode.offset_adu, abs=0.1
    )  # 5 standard errors of 1.2 ADU over 4096 pixels
    spectrum, scalers = scope.spectrum(dark, 3)
    assert spectrum.sum() == 0
    assert scalers[0] == pytest.approx(0.5 * 80e6, rel=1e-6)  # ticks go on


def test_without_sample_only_what_stands_around_shines(scope):
    within, out = scope.arriving(OPEN), scope.arriving(OUT)
    assert line(within, CO_KA_EV) > 1000 * abs(line(out, CO_KA_EV))
    assert line(out, FE_KA_EV) > 1.0
    argon = slice(280, 310)  # 2957 eV: the sample sends nothing there but cobalt's shelf
    assert out[argon].sum() == pytest.approx(within[argon].sum(), rel=0.2)
    assert 0.0 < out.sum() < 0.1 * within.sum()


def test_an_empty_sample_changes_nothing():
    scene = StructuredMicroscope(BEAMLINE, empty(), STILL, seed=5)
    assert photons(scene, OPEN) == pytest.approx(photons(scene, OUT))
    np.testing.assert_allclose(scene.arriving(OPEN), scene.arriving(OUT), rtol=1e-6)  # float32 sums
    assert line(scene.arriving(OPEN), CO_KA_EV) == pytest.approx(0, abs=1)


def test_a_dot_shines_as_much_as_it_is_lit():
    """Nothing but the light where the dot is changes from pattern to pattern, or when it is moved."""
    scope = StructuredMicroscope(BEAMLINE, DOT, STILL)
    fine = 0.02 * np.arange(100) + 0.01
    on_it = (slice(40, 60), slice(40, 60))  # 0.4 um wide, in the middle of 2 um
    lit, shone = [], []
    for place, x_um in ((0.0, 0.0), (0.3, 0.0), (1.1, 0.0), (2.7, 0.4), (-3.0, 0.4), (-4.4, -0.4)):
        state = replace(at(OPEN, place), sample_x_um=x_um)
        lit.append(scope.illumination(state, fine - 0.4 + x_um, fine - 0.6)[on_it].mean())
        shone.append(line(scope.arriving(state), CO_KA_EV))
    assert np.ptp(lit) > 0.2 * np.mean(lit)
    ratio = np.array(shone) / np.array(lit)
    # light is 2 % another when it is worked out for another region
    assert ratio == pytest.approx(np.full(6, ratio.mean()), rel=0.04)


def test_a_sheet_that_moves_blurs_the_pattern(scope):
    """Ten grains wash it out; half a grain is the mean of two places."""
    standing, far = photons(scope, at(OUT, 1.0)), photons(scope, at(OUT, 0.975, 1.025))
    assert far.std() < 0.8 * standing.std()
    assert far.mean() == pytest.approx(standing.mean(), rel=0.05)
    near = photons(scope, at(OUT, 1.0, 1.0025))
    two = 0.5 * (photons(scope, at(OUT, 1.000625)) + photons(scope, at(OUT, 1.001875)))
    assert near == pytest.approx(two, rel=1e-4)


def test_other_places_other_patterns(scope):
    image = photons(scope, OUT).ravel()
    for name in ("fine_y_mm", "coarse_x_mm", "coarse_y_mm"):
        other = photons(scope, replace(OUT, **{name: 1.0})).ravel()
        assert np.corrcoef(image, other)[0, 1] < 0.7
    assert photons(scope, OUT).ravel() == pytest.approx(image, rel=1e-6)


def test_the_pattern_is_displaced_anew_after_each_move_of_the_sample():
    """The displacement, from the image's own slopes: drawn with a standard deviation of 20 nm."""
    camera = replace(CAMERA, min_x=1600 - 32, min_y=1600 - 32, size_x=64, size_y=64)
    moving = StructuredMicroscope(BEAMLINE, BLOCK, replace(STILL, pattern_shift_nm=20.0))
    still = photons(StructuredMicroscope(BEAMLINE, BLOCK, STILL), OUT, camera)
    slopes = np.stack([slope.ravel() / 50.0 for slope in np.gradient(still)], axis=1)  # per nm
    found = []
    for moves in range(12):
        image = photons(moving, replace(OUT, sample_moves=moves), camera)
        found.append(np.linalg.lstsq(slopes, (still - image).ravel(), rcond=None)[0])
    assert len({tuple(shift) for shift in np.round(found, 3)}) == 12
    for along in np.std(found, axis=0):
        # 12 draws: their rms is known to 20 %; slopes of a coarse image take 10 %
        assert 10.0 < along < 32.0
    again = photons(moving, replace(OUT, sample_moves=3), camera)
    assert np.array_equal(again, photons(moving, replace(OUT, sample_moves=3), camera))


def test_same_state_and_number_same_frame_and_spectrum(scope):
    assert np.array_equal(scope.frame(OPEN, CAMERA, 7), scope.frame(OPEN, CAMERA, 7))
    assert not np.array_equal(scope.frame(OPEN, CAMERA, 7), scope.frame(OPEN, CAMERA, 8))
    (one, scalers), (same, same_scalers) = scope.spectrum(OPEN, 7), scope.spectrum(OPEN, 7)
    assert np.array_equal(one, same)
    assert np.array_equal(scalers, same_scalers)
    assert not np.array_equal(one, scope.spectrum(OPEN, 8)[0])


def test_counts_are_those_of_the_exposure_less_dead_time(scope):
    rate = scope.arriving(OPEN).sum()
    spectrum, scalers = scope.spectrum(OPEN, 7)
    assert spectrum.shape == (1, 4096)
    assert spectrum.dtype == np.uint32
    assert scalers.shape == (11,)
    dead_s = 1.02 * BEAMLINE.vortex.dead_time_s  # the hidden truth's
    # not paralysable: n / (1 + n dead); resets cost another per cent, chance a few tenths
    assert spectrum.sum() == pytest.approx(0.5 * rate / (1 + rate * dead_s), rel=0.02)


def test_a_high_rate_saturates_and_piles_up(scope):
    """Truth: the fault's meaning: so many times as many photons, all else as it is."""
    usual, high = scope.spectrum(OPEN, 7)[0][0], scope.spectrum(OPEN, 7, 50.0)[0][0]
    rate, dead_s = 50 * scope.arriving(OPEN).sum(), 1.02 * BEAMLINE.vortex.dead_time_s
    assert high.sum() == pytest.approx(0.5 * rate / (1 + rate * dead_s), rel=0.1)  # resets
    pairs = slice(1340, 1430)  # two cobalt K-alpha photons as one: 13.85 keV
    assert high[pairs].sum() / high.sum() > 20 * usual[pairs].sum() / usual.sum()


def test_the_dead_time_is_not_the_one_that_the_processor_is_set_to(scope):
    slow = StructuredMicroscope(BEAMLINE, BLOCK, replace(STILL, dead_time_ratio=1.5), seed=5)
    rate, dead_s = scope.arriving(OPEN).sum(), BEAMLINE.vortex.dead_time_s
    spectrum, scalers = slow.spectrum(OPEN, 7)
    # chance is a few tenths of a per cent, resets one
    assert spectrum.sum() == pytest.approx(0.5 * rate / (1 + 1.5 * rate * dead_s), rel=0.02)
    assert scalers[column("event_width")] == pytest.approx(80e6 * dead_s - 1)


def test_a_detector_drawn_back_sees_less(scope):
    """From 20 to 60 mm: a ninth by distance, and 40 mm of air more."""
    near, far = scope.arriving(OPEN), scope.arriving(replace(OPEN, vortex_x_mm=40.0))
    air_per_cm = xraydb.material_mu("N1.56O0.42Ar0.009", 7000.0, density=1.2e-3)
    assert far.sum() / near.sum() == pytest.approx(np.exp(-4 * air_per_cm) / 9, rel=0.02)


def test_what_all_spectra_need_is_made_beforehand():
    scope = StructuredMicroscope(BEAMLINE, DOT, STILL)
    scope.prepare(replace(OPEN, shutter_open=False, front_end_open=False))
    assert scope._shining.cache_info().currsize == 1
    scope.arriving(OPEN)
    assert scope._shining.cache_info().hits == 1
