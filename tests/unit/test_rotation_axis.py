"""The rotation axis from frames of the simulated microscope, whose axis is hidden from the analysis."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from xsn_acq.analysis.calibration.rotation_axis import half_turns, rotation_axis
from xsn_acq.analysis.flatfield import normalise
from xsn_acq.config import load_beamline
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.knife_edge import KnifeEdge
from xsn_acq.optics.schlieren import Schlieren
from xsn_acq.sim.microscope import Microscope
from xsn_acq.sim.nominal import nominal_state
from xsn_acq.sim.phantoms import ALUMINIUM, COPPER, Phantom, phantom
from xsn_acq.sim.shapes import Ellipsoid
from xsn_acq.sim.state import CameraSettings
from xsn_acq.sim.truth import Truth
from xsn_acq.units import wavelength_m

BEAMLINE = load_beamline("pls2-7c-xni")
OPEN = replace(nominal_state(BEAMLINE), shutter_open=True)
CAMERA = CameraSettings(2.0, 1603 - 160, 1600 - 136, 320, 272, 2)
COLUMN = (Truth().axis_column - CAMERA.min_x - 0.5) / 2
FOUR = np.array([0.0, 45.0, 90.0, 135.0])


def off_axis():
    """Balls around a place 1.3 um from the axis."""
    rng = np.random.default_rng(8)
    places = rng.uniform((0.2, -2.2, -0.2), (2.0, 2.2, 1.6), (18, 3))
    materials = [COPPER, ALUMINIUM] * 9
    balls = [Ellipsoid.sphere(tuple(p), 0.2, m) for p, m in zip(places.tolist(), materials, strict=True)]
    return Phantom("off axis", tuple(balls))


@cache
def frames(sample="off axis", directions=4, **truth):
    """Optics, angles, and images over the flat of 5000 photons per pixel."""
    solid = off_axis() if sample == "off axis" else phantom(sample, 1)
    scope = Microscope(BEAMLINE, solid, Truth(**truth), seed=5)
    theta = np.concatenate([FOUR[:directions], FOUR[:directions] + 180])
    states = [replace(OPEN, theta_start_deg=t, theta_end_deg=t, time_s=10.0 * i) for i, t in enumerate(theta)]
    raw = np.array([scope.frame(state, CAMERA, i) for i, state in enumerate(states)])
    out = replace(OPEN, sample_x_um=60.0)
    flat = np.mean([scope.frame(out, CAMERA, 100 + i) for i in range(16)], axis=0)
    table, energy = BEAMLINE.calibration.knife_edge, 8300.0
    aperture = BEAMLINE.zone_plate.numerical_aperture(energy) / wavelength_m(energy)
    edge = KnifeEdge(np.array(table.frequency_per_um) * 1e6, np.array(table.transmitted))
    optics = Schlieren(CAMERA.shape, BEAMLINE.pixel_size_m(energy, 2), aperture, 0.0, edge)
    dark = np.full(CAMERA.shape, scope.truth.modes["1"].offset_adu)
    return optics, theta, normalise(raw, dark, flat, background=optics.background, air_columns=4)


@pytest.mark.parametrize("sample", ["off axis", "microparticles", "nmc_graded"])
def test_the_column_is_found(sample):
    optics, theta, images = frames(sample)
    found = rotation_axis(theta, images, optics=optics)
    assert found.pairs == 4
    assert found.column == pytest.approx(COLUMN, abs=0.05)  # the bar; 0.02 of noise
    assert 0.005 < found.sigma_px < 0.05


def test_one_pair_is_enough_for_the_column():
    optics, theta, images = frames("microparticles", directions=1)
    found = rotation_axis(theta, images, optics=optics)
    assert found.column == pytest.approx(COLUMN, abs=0.1)  # 0.03 of noise
    assert np.isnan(found.tilt_deg)
    assert found.tilt_sigma_deg == np.inf


@pytest.mark.parametrize(("roll", "tilt"), [(0.0, 0.0), (0.5, 0.0), (0.0, -0.6), (-0.4, 0.7)])
def test_the_lean_is_found(roll, tilt):
    optics, theta, images = frames(rotation_roll_deg=roll, rotation_tilt_deg=tilt)
    found = rotation_axis(theta, images, optics=optics)
    assert found.roll_deg == pytest.approx(roll, abs=0.05)  # 0.01 to 0.02 of noise: 0.1 px at the field's rim
    # detail stands up to 30 pixels deep: 0.2 deg displaces its pair by 0.2 px; standard error 0.1
    assert found.tilt_deg == pytest.approx(tilt, abs=0.2)
    assert found.roll_sigma_deg < 0.04
    assert found.tilt_sigma_deg < 0.3
    middle_um = (CAMERA.min_y + 0.5 * (CAMERA.size_y - 1) - Truth().axis_row) / 2
    assert found.column == pytest.approx(COLUMN + middle_um * np.tan(np.deg2rad(roll)), abs=0.06)


def test_a_round_sample_says_that_it_does_not_know():
    """The outline of a ball tells nothing of a turn: what is left are the cracks in it."""
    optics, theta, images = frames("nmc_graded", rotation_roll_deg=0.5)
    found = rotation_axis(theta, images, optics=optics)
    assert abs(found.roll_deg - 0.5) < 4 * found.roll_sigma_deg
    assert found.roll_sigma_deg > 0.05


def test_jitter_is_told():
    optics, theta, images = frames("microparticles", jitter_nm=20.0)
    found = rotation_axis(theta, images, optics=optics)
    # half a pixel of jitter in each frame: 0.35 in a pair's mean, 0.18 in the mean of four
    assert 0.05 < found.sigma_px < 0.5
    assert abs(found.column - COLUMN) < 4 * found.sigma_px


def test_pairs():
    assert half_turns(np.array([0.0, 90.0, 180.02, 270.0, 10.0]), 0.1) == [(0, 2), (1, 3)]
    assert half_turns(np.array([180.0, 0.0, 360.0]), 0.1) == [(0, 1)]
    with pytest.raises(ReconstructionError, match="no two are half a turn apart"):
        half_turns(np.array([0.0, 90.0, 181.0]), 0.1)


def test_no_sample_is_refused():
    optics, _, images = frames("microparticles")
    air = np.random.default_rng(1).normal(optics.background, 0.01, (2, *images.shape[1:]))
    with pytest.raises(ReconstructionError, match="show nothing to align by"):
        rotation_axis([0.0, 180.0], air, optics=optics)
