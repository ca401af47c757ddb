"""The zone plate as a lens: closed forms, and each function's inverse, over the monochromator's energies."""

import math

import numpy as np
import pytest

from xsn_acq.optics import zone_plate

DIAMETER_M, ZONE_M, LENGTH_M = 300e-6, 30e-9, 1.11
ENERGIES = np.linspace(7500.0, 9500.0, 41)
H_C_EV_M = 1.239842e-6  # CODATA, to the digits that matter here
EXACT = 1e-12  # the same closed form, rounding only


@pytest.mark.parametrize("energy", [7500.0, 8333.0, 9500.0])
def test_closed_forms(energy):
    wavelength = H_C_EV_M / energy
    # the constant above has seven digits
    assert zone_plate.focal_length_m(energy, DIAMETER_M, ZONE_M) == pytest.approx(
        DIAMETER_M * ZONE_M / wavelength, rel=1e-6
    )
    na = math.sin(math.atan(DIAMETER_M / 2 / (DIAMETER_M * ZONE_M / wavelength)))
    # the aperture angle to second order: NA^2 / 2 is 3e-6
    assert zone_plate.numerical_aperture(energy, ZONE_M) == pytest.approx(na, rel=1e-5)
    assert zone_plate.depth_of_focus_m(energy, ZONE_M) == pytest.approx(4 * ZONE_M**2 / wavelength, rel=1e-6)


def test_numbers_of_the_microscope():
    """60.5 mm, 7.26 um per eV, one depth of focus (24 um) for 3.3 eV."""
    f = zone_plate.focal_length_m(8333.0, DIAMETER_M, ZONE_M)
    rate = zone_plate.focal_length_m(8334.0, DIAMETER_M, ZONE_M) - f
    assert 1e3 * f == pytest.approx(60.5, abs=0.05)  # given to three digits, the others too
    assert 1e6 * rate == pytest.approx(7.26, abs=0.005)
    assert zone_plate.depth_of_focus_m(8333.0, ZONE_M) / rate == pytest.approx(3.33, abs=0.01)


def test_energy_in_focus_is_the_inverse():
    for energy in ENERGIES:
        f = zone_plate.focal_length_m(energy, DIAMETER_M, ZONE_M)
        assert zone_plate.energy_in_focus_ev(f, DIAMETER_M, ZONE_M) == pytest.approx(energy, rel=EXACT)


def test_object_distance_solves_the_lens_equation_magnified():
    for energy in ENERGIES:
        f = zone_plate.focal_length_m(energy, DIAMETER_M, ZONE_M)
        p = zone_plate.object_distance_m(f, LENGTH_M)
        q = LENGTH_M - p
        # p is the difference of two numbers near L / 2: it loses one digit
        assert 1 / p + 1 / q == pytest.approx(1 / f, rel=1e-11)
        assert f < p < q
        assert zone_plate.magnification(p, LENGTH_M) == pytest.approx(q / p, rel=EXACT)
        assert zone_plate.focal_length_of_distance_m(p, LENGTH_M) == pytest.approx(f, rel=1e-11)


def test_object_distance_of_magnification_is_the_inverse():
    for magnified in (2.0, 16.3, 40.0):
        p = zone_plate.object_distance_of_magnification_m(magnified, LENGTH_M)
        assert zone_plate.magnification(p, LENGTH_M) == pytest.approx(magnified, rel=EXACT)


def test_no_image_within_four_focal_lengths():
    assert zone_plate.object_distance_m(0.25, 1.0) == 0.5  # p = q = 2 f
    with pytest.raises(ValueError, match=r"wanted four focal lengths, 1\.04 m, or more, found 1 m"):
        zone_plate.object_distance_m(0.26, 1.0)
