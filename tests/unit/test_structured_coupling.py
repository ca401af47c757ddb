"""Each part that shapes the light, the image or the spectrum does so, by as much as its geometry says."""

from dataclasses import replace

import numpy as np
import pytest
import xraydb
from structured_scope import (
    BARE,
    BEAMLINE,
    BLOCK,
    CAMERA,
    CO_KA_EV,
    DOT,
    OPEN,
    OUT,
    SAMPLE_OUT,
    STILL,
    at_energy,
    line,
    photons,
)

from xsn_acq.sim.boxes import Box
from xsn_acq.sim.cathodes import COBALT
from xsn_acq.sim.phantoms import Phantom
from xsn_acq.sim.structured_microscope import StructuredMicroscope

WALL = Phantom("wall", (Box((5.0, 0.0, 0.0), (10.0, 20.0, 1.0), COBALT),))
"""Right of the axis."""
HALF_A_TURN = {"theta_start_deg": 170.0, "theta_end_deg": 190.0}
STEP_UM = 0.4 / (1 + 1 / 15)
"""The light is demagnified 15 times: a condenser moved by this moves it by 0.4 um, 8 pixels."""


@pytest.fixture(scope="module")
def dot():
    return StructuredMicroscope(BEAMLINE, DOT, STILL)


@pytest.fixture(scope="module")
def block():
    return StructuredMicroscope(BEAMLINE, BLOCK, BARE)


def taken(scope, state):
    """Photons that the sample takes out of the frame: blur moves them and takes none."""
    return (photons(scope, replace(state, **SAMPLE_OUT)) - photons(scope, state)).sum()


def shone(scope, state):
    return line(scope.arriving(state), CO_KA_EV)


def more_light(scope, state):
    """How many times as much light meets the dot as usual; camera and spectrometer agree about it."""
    camera, detector = (seen(scope, state) / seen(scope, OPEN) for seen in (taken, shone))
    # a dot of 0.4 um on grids of 25 and of 50 nm
    assert detector == pytest.approx(camera, rel=0.05)
    return camera


@pytest.mark.parametrize(
    "change",
    [
        {"condenser_x_um": 0.4},
        {"condenser_y_um": 0.4},
        {"condenser_pitch_urad": 400.0},
        {"condenser_yaw_urad": 400.0},
        {"pinhole_x_um": 15.6},
        {"pinhole_y_um": 15.4},
        {"sample_x_um": -0.5},
        {"sample_y_um": 0.5},
        {"sample_z_um": 150.0},
        {"coarse_x_mm": 1.0},
        {"coarse_y_mm": 1.0},
        {"fine_x_start_mm": 0.3, "fine_x_end_mm": 0.3},
        {"fine_y_mm": 1.0},
        HALF_A_TURN,
    ],
    ids=lambda change: next(iter(change)),
)
def test_other_light_on_the_dot_shows_in_frame_and_spectrum_alike(dot, change):
    assert abs(more_light(dot, replace(OPEN, **change)) - 1) > 0.07


@pytest.mark.parametrize("what", ["pattern_shift_nm", "sample_return_nm"])
def test_after_a_move_camera_and_spectrometer_see_the_same_displacement(what):
    """The light on the dot changes from move to move; it is where the camera sees it."""
    scope = StructuredMicroscope(BEAMLINE, DOT, replace(STILL, **{what: 300.0}))
    light = [more_light(scope, replace(OPEN, sample_moves=moves)) for moves in range(5)]
    assert np.ptp(light) > 0.3


def test_what_stands_around_meets_the_displaced_light_too():
    scope = StructuredMicroscope(BEAMLINE, DOT, replace(STILL, pattern_shift_nm=500.0))
    field = replace(
        CAMERA, min_x=1600 - 72, min_y=1600 - 72, size_x=144, size_y=144
    )  # as far as the sample's
    moved = [replace(OUT, sample_moves=moves) for moves in range(5)]
    seen = np.array([photons(scope, state, field).sum() for state in moved])
    ratio = np.array([scope.arriving(state).sum() for state in moved]) / seen
    assert np.ptp(seen) > 0.08 * seen.mean()
    assert ratio == pytest.approx(
        np.full(5, ratio.mean()), rel=0.01
    )  # the sensor's structure, the border's blur


def test_the_sample_comes_back_not_quite_to_where_it_was():
    """The displacement, from the image's own slopes: drawn with a standard deviation of 20 nm."""
    scope = StructuredMicroscope(BEAMLINE, BLOCK, replace(BARE, sample_return_nm=20.0))
    still = photons(StructuredMicroscope(BEAMLINE, BLOCK, BARE), OPEN)
    slopes = np.stack([slope.ravel() / 50.0 for slope in np.gradient(still)], axis=1)  # per nm
    found = []
    for moves in range(12):
        image = photons(scope, replace(OPEN, sample_moves=moves))
        found.append(np.linalg.lstsq(slopes, (still - image).ravel(), rcond=None)[0])
    assert len({tuple(shift) for shift in np.round(found, 3)}) == 12
    for along in np.std(found, axis=0):
        # 12 draws: their rms is known to 20 %; slopes of a coarse image take 10 %
        assert 10.0 < along < 32.0


@pytest.mark.parametrize(
    ("change", "rows", "columns"),
    [
        ({"condenser_x_um": STEP_UM}, 0, 8),
        ({"condenser_y_um": STEP_UM}, 8, 0),
        ({"condenser_pitch_urad": 400.0}, 8, 0),  # 1 nm for each
        ({"condenser_yaw_urad": 400.0}, 0, 8),
        ({"zone_plate_x_um": 0.4 / (1 + 1 / 26)}, 0, -8),  # magnified 26 times
        ({"zone_plate_y_um": 0.4 / (1 + 1 / 26)}, -8, 0),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_the_image_of_the_light_moves(dot, change, rows, columns):
    before, after = photons(dot, OUT), photons(dot, replace(OUT, **change))
    inner = (slice(8, -8), slice(8, -8))
    there = np.corrcoef(np.roll(before, (rows, columns), (0, 1))[inner].ravel(), after[inner].ravel())[0, 1]
    back = np.corrcoef(np.roll(before, (-rows, -columns), (0, 1))[inner].ravel(), after[inner].ravel())[0, 1]
    assert there > 0.98  # the outline of the spot stays, or leans
    assert back < 0.7


def test_the_image_turns_with_the_stage(block):
    before, turned = through(block, OPEN), through(block, replace(OPEN, **HALF_A_TURN))
    assert turned == pytest.approx(before[:, ::-1], rel=2e-3)  # the light slopes a little
    assert np.abs(turned / before - 1).max() > 0.15


def through(scope, state):
    return photons(scope, state) / photons(scope, replace(state, **SAMPLE_OUT))


def steepest(image):
    """Of the middle row, over the bright side less the dark one, for each pixel."""
    row = image[32]
    return np.abs(np.diff(row)).max() / np.ptp(row)


def test_a_sample_along_the_beam_is_out_of_focus_until_the_zone_plate_follows(block):
    further = replace(OPEN, sample_z_um=90.0)
    followed = replace(further, zone_plate_z_mm=OPEN.zone_plate_z_mm + 0.09)
    sharp, soft, again = (steepest(through(block, state)) for state in (OPEN, further, followed))
    # a disc of 0.21 um; sharp, a step of 67 nm (FWHM) in pixels of 50 nm
    assert soft < 0.5 * sharp
    assert again == pytest.approx(sharp, rel=0.02)


def test_light_of_another_energy_excites_and_scatters_as_it_should(dot):
    """Cobalt's edge is at 7709 eV."""
    below, above = (dot.arriving(at_energy(OPEN, energy_ev)) for energy_ev in (7650.0, 8200.0))
    assert abs(line(below, CO_KA_EV)) < 0.01 * line(above, CO_KA_EV)
    for spectrum, elastic_bin in ((below, 765), (above, 820)):
        # K-beta of cobalt is at 7650 eV, where it is not excited; the truth's gain is 6 eV off
        assert abs(int(np.argmax(spectrum[740:1000])) + 740 - elastic_bin) <= 1


@pytest.mark.parametrize("energy_ev", [7650.0, 10_000.0])
def test_the_sample_lets_through_what_the_table_says_at_another_energy(block, energy_ev):
    middle = through(block, at_energy(OPEN, energy_ev))[26:30, 36:40].mean()
    attenuation_per_cm = xraydb.material_mu("Co", energy_ev, density=8.90)
    # the block is at +0.3, -0.2 um, pixels are 42 to 56 nm; 2 % of halo
    assert middle == pytest.approx(np.exp(-attenuation_per_cm * 1e-4), rel=0.02)


def test_light_of_another_energy_is_another_pattern(dot):
    x = 0.05 * np.arange(64)
    usual, other = (dot.illumination(state, x, x).ravel() for state in (OUT, at_energy(OUT, 8000.0)))
    assert np.corrcoef(usual, other)[0, 1] < 0.95


def test_smaller_pixels_get_less_light_each(block):
    """The zone plate magnifies q / f - 1 times, f = 43.6 mm: 50 mm more make 26 into 27.1."""
    near, far = (photons(block, replace(OUT, detector_z_mm=z_mm)).mean() for z_mm in (0.0, 50.0))
    assert far / near == pytest.approx((26.0 / (26.0 + 50 / 43.55)) ** 2, rel=5e-3)


def test_the_scintillators_blur_is_smaller_at_the_sample_where_the_image_is_larger():
    """It stays the same in pixels; at 300 nm there is hardly another."""
    broad = BEAMLINE.detection.model_copy(update={"scintillator_psf_fwhm_nm": 300.0})
    beamline = BEAMLINE.model_copy(update={"detection": broad})
    scope = StructuredMicroscope(beamline, WALL, replace(BARE, scintillator_tail=0.0))
    usual, larger = (steepest(through(scope, at_energy(OPEN, energy_ev))) for energy_ev in (9000.0, 7600.0))
    # a Gaussian's height is 0.94 over its FWHM: 6 pixels of 50 nm; lens and pixels take 4 % of it
    assert usual == pytest.approx(0.94 / 6, rel=0.05)
    assert larger == pytest.approx(usual, rel=0.02)


def test_the_sensors_structure_is_in_every_frame():
    flat, rough = (
        StructuredMicroscope(BEAMLINE, BLOCK, replace(BARE, pattern_white=white, pattern_smooth=0.0))
        for white in (0.0, 0.05)
    )
    seen = [photons(rough, state) / photons(flat, state) for state in (OPEN, OUT)]
    assert seen[0] == pytest.approx(seen[1], rel=1e-4)
    # means of 2 x 2 pixels; 4096 of them: 1.1 %
    assert seen[0].std() == pytest.approx(0.05 / 2, rel=0.05)
    moved = replace(CAMERA, min_x=CAMERA.min_x + 20)
    beside = photons(rough, OPEN, moved) / photons(flat, OPEN, moved)
    assert beside[:, :-10] == pytest.approx(seen[0][:, 10:], rel=1e-4)
