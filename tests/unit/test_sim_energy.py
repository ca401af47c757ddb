"""What an energy change meets in the simulated optics: zone plate, crystals, undulator, light."""

from dataclasses import replace

import numpy as np
import pytest
import xraydb

from xsn_acq.analysis.frc import fourier_ring_correlation
from xsn_acq.config import load_beamline
from xsn_acq.sim.alignment import Alignment
from xsn_acq.sim.microscope import Microscope
from xsn_acq.sim.nominal import nominal_state
from xsn_acq.sim.phantoms import COPPER, Phantom, phantom
from xsn_acq.sim.shapes import Ellipsoid
from xsn_acq.sim.source import beam
from xsn_acq.sim.state import CameraSettings
from xsn_acq.sim.truth import Truth

BEAMLINE = load_beamline("pls2-7c-xni")
HC_EV_M = 1.239841984e-6
REFERENCE_EV = 8300.0
WIDE = CameraSettings(2.0, 1604 - 192, 1600 - 96, 384, 192, 2)
CAMERA = CameraSettings(2.0, 1604 - 128, 1600 - 64, 256, 128, 2)
BALL = Phantom("ball", (Ellipsoid.sphere((0.0, 0.0, 0.0), 0.4, COPPER),))


def at(energy_ev, **moved):
    return replace(nominal_state(BEAMLINE, energy_ev), **({"shutter_open": True} | moved))


def alignment(energy_ev, truth, **moved):
    return Alignment(BEAMLINE, truth, at(energy_ev, **moved))


def file_focal_length_m(energy_ev):
    """D dr / lambda with the beamline file's numbers."""
    return 300e-6 * 30e-9 * energy_ev / HC_EV_M


def test_the_focal_length_changes_as_often_as_the_ratio_says():
    truth = Truth(focus_rate_ratio=0.97)
    for energy in (7900.0, 8300.0, 8700.0):
        growth = file_focal_length_m(energy) - file_focal_length_m(REFERENCE_EV)
        wanted = file_focal_length_m(REFERENCE_EV) + 0.97 * growth
        assert alignment(energy, truth).focal_length_m == pytest.approx(wanted, rel=1e-9)


def test_with_another_rate_the_files_place_is_out_of_focus_away_from_the_reference():
    truth = Truth(focus_rate_ratio=0.9)
    assert abs(alignment(REFERENCE_EV, truth).defocus_m) < 1e-9
    # a tenth of 7.26 um/eV over 100 eV, larger by (1 + 2 / M) for the image is at a finite distance
    assert alignment(8400.0, truth).defocus_m == pytest.approx(72.6e-6, rel=0.15)
    z_mm = at(8400.0).zone_plate_z_mm - 1e3 * alignment(8400.0, truth).defocus_m
    # the first order of a Newton step: what is left is 1 / M^2 of it
    assert abs(alignment(8400.0, truth, zone_plate_z_mm=z_mm).defocus_m) < 1e-6


def likeness(truth, energy_ev=8400.0):
    """Fourier ring correlation at 4 per um with the image of the microscope as the file says it."""

    def image(truth):
        scope, state = Microscope(BEAMLINE, phantom("nmc_graded", 1), truth), at(energy_ev)
        flat = scope.photons(replace(state, sample_x_um=60.0), WIDE)
        return (scope.photons(state, WIDE) / flat)[:, 48:144]  # a square that holds most of the sample

    curve = fourier_ring_correlation(image(Truth()), image(truth), BEAMLINE.pixel_size_m(energy_ev, 2))
    return float(np.interp(4e6, curve.frequency_per_m, curve.correlation))


def test_a_zone_plate_that_does_not_follow_blurs():
    assert likeness(Truth(focus_rate_ratio=0.8)) < 0.5  # six depths of focus


def test_the_stage_runs_sideways_from_its_nominal_place():
    truth = Truth(
        zone_plate_runout_x_um_per_mm=2.0,
        zone_plate_runout_y_um_per_mm=-1.5,
        zone_plate_runout_bend_um_per_mm2=0.5,
    )
    z0 = at(REFERENCE_EV).zone_plate_z_mm
    assert alignment(REFERENCE_EV, truth).zone_plate_um == pytest.approx((0.0, 0.0), abs=1e-9)
    there = alignment(REFERENCE_EV, truth, zone_plate_z_mm=z0 - 2.0, zone_plate_x_um=0.3)
    assert there.zone_plate_um == pytest.approx((0.3 - 4.0 + 2.0, 3.0))


def test_runout_moves_view_and_pupil_as_a_displaced_zone_plate_does():
    truth = Truth(zone_plate_runout_x_um_per_mm=3.0, zone_plate_runout_y_um_per_mm=1.0)
    travel_mm = at(8400.0).zone_plate_z_mm - at(REFERENCE_EV).zone_plate_z_mm
    running = Microscope(BEAMLINE, BALL, truth)
    displaced = Microscope(BEAMLINE, BALL, Truth())
    same = at(8400.0, zone_plate_x_um=3.0 * travel_mm, zone_plate_y_um=1.0 * travel_mm)
    seen, wanted = running.photons(at(8400.0), CAMERA), displaced.photons(same, CAMERA)
    assert np.abs(seen - wanted).max() < 1e-5 * wanted.max()  # float32
    # 2.2 um of displacement: the ball has moved, and the edge cuts another part of the pupil
    assert np.abs(seen - displaced.photons(at(8400.0), CAMERA)).max() > 0.2 * wanted.max()
    assert abs(alignment(8400.0, truth).cutoff_per_m(np.zeros(1))[0]) > 1e5


def sinc2(harmonic, line_ev, energy_ev):
    """Line shape of 70 periods; np.sinc is sin(pi x) / (pi x)."""
    return float(np.sinc(harmonic * 70 * (energy_ev / line_ev - 1)) ** 2)


def line_ev(harmonic, gap_mm):
    """The X-ray Data Booklet's numbers for the undulator of the beamline file, 20 mm and 1.9 T."""
    k = 0.934 * 1.9 * 2.0 * np.exp(-3.2 * gap_mm / 20.0)
    return 949.8 * harmonic * 3.0**2 / (2.0 * (1 + k**2 / 2))


@pytest.mark.parametrize("off_mm", [0.0, 0.01, -0.01, 0.03, 0.08, -0.5])
def test_a_wrong_gap_loses_what_the_line_shape_says(off_mm):
    truth = Truth(undulator_background=0.0)
    state = at(REFERENCE_EV, gap_mm=at(REFERENCE_EV).gap_mm + off_mm)
    found = beam(BEAMLINE, truth, state) / beam(BEAMLINE, truth, at(REFERENCE_EV))
    wanted = sinc2(3, line_ev(3, state.gap_mm), REFERENCE_EV)
    assert found == pytest.approx(wanted, rel=1e-6, abs=1e-3)  # other harmonics' tails are below 1e-3
    assert (found < 0.95) == (off_mm != 0.0)


def test_the_gap_of_another_harmonic_has_no_light_there():
    # the first harmonic at 4150 eV, a half, stands where the second would be at 8300: none on axis
    for other in (2, 4):
        k = np.sqrt(2 * (949.8 * other * 9.0 / (2.0 * REFERENCE_EV) - 1))
        gap = 20.0 / 3.2 * np.log(0.934 * 1.9 * 2.0 / k)
        assert line_ev(other, gap) == pytest.approx(REFERENCE_EV)
        left = beam(BEAMLINE, Truth(), at(REFERENCE_EV, gap_mm=gap)) / beam(
            BEAMLINE, Truth(), at(REFERENCE_EV)
        )
        assert left < 2 * Truth().undulator_background


def test_glitches_dim_the_light_and_stay_away_from_the_energies_in_use():
    for energy, width, depth in Truth().glitches:
        assert 8200.0 < energy < 8450.0
        assert 0.5 <= width <= 1.0
        assert 0.05 <= depth <= 0.2
        light = [
            beam(BEAMLINE, truth, at(energy + off))
            for off in (0.0, 0.5 * width)
            for truth in (Truth(), Truth(glitches=()))
        ]
        assert light[0] / light[1] == pytest.approx(1 - depth)
        assert light[2] / light[3] == pytest.approx(1 - 0.5 * depth)  # half of the full width
        assert all(abs(energy - used) > 3.0 for used in (8300.0, 8326.0, 8366.0))
    # 3 eV are three full widths: nothing is left
    for used in (8300.0, 8326.0, 8366.0):
        assert beam(BEAMLINE, Truth(), at(used)) == pytest.approx(
            beam(BEAMLINE, Truth(glitches=()), at(used)), rel=1e-6
        )


def photons(truth, sample="empty", **moved):
    return Microscope(BEAMLINE, phantom(sample), truth).photons(at(8366.0, **moved), CAMERA).mean(dtype=float)


def test_the_third_harmonic_passes_cutoff_and_sample():
    truth = Truth(harmonic_contamination=0.05)
    whole = photons(truth, cutoff_x_um=-100.0)
    assert photons(truth, cutoff_x_um=100.0) / whole == pytest.approx(0.05, rel=1e-4)
    assert photons(Truth(), cutoff_x_um=100.0) == 0
    # 50 um of nickel powder: 1.3 at 8366 eV, at 25 keV what xraydb says
    first = photons(Truth(), "nickel_standard", cutoff_x_um=-100.0) / photons(Truth(), cutoff_x_um=-100.0)
    third = photons(truth, "nickel_standard", cutoff_x_um=100.0) / photons(truth, cutoff_x_um=100.0)
    assert first == pytest.approx(np.exp(-1.3), rel=0.03)
    absorbed_per_m = xraydb.material_mu("C5H8O2Ni1.2", 3 * 8366.0, 1.86, kind="photo") * 100
    assert third == pytest.approx(np.exp(-absorbed_per_m * 50e-6), abs=0.002)
    assert third > 0.9


def test_the_third_harmonic_goes_with_the_light():
    truth = Truth(harmonic_contamination=0.05)
    half = {"ring_current_ma": 200.0, "cutoff_x_um": 100.0}
    assert photons(truth, **half) == pytest.approx(0.5 * photons(truth, cutoff_x_um=100.0))
    assert photons(truth, cutoff_x_um=100.0, shutter_open=False) == 0
