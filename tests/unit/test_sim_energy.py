"""What an energy change meets in the simulated optics: zone plate, crystals, undulator, light."""

from dataclasses import replace

import numpy as np
import pytest

from xsn_acq.analysis.frc import fourier_ring_correlation
from xsn_acq.config import load_beamline
from xsn_acq.sim.alignment import Alignment
from xsn_acq.sim.microscope import Microscope
from xsn_acq.sim.nominal import nominal_state
from xsn_acq.sim.phantoms import COPPER, Phantom, phantom
from xsn_acq.sim.shapes import Ellipsoid
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
