"""How much of a grating's contrast reaches the camera, against the closed forms of what blurs it."""

import math
from dataclasses import replace

import numpy as np
import pytest
from pixel_axes import axis
from scipy.special import j1

from xsn_acq.sim.structured_imaging import TransmissionOptics, structured_image

WAVELENGTH_UM, ZONE_UM = 1.37760e-4, 0.030
"""At 9000 eV."""
SHARP = TransmissionOptics(9000.0, 1e-6 * ZONE_UM, psf_fwhm_um=1e-3, photons_per_um2_s=1e6, tail=0.0)
"""Blurred by the lens alone."""
DEPTH = 0.5


def contrast(optics, per_um, pixel_um):
    """Of the image of a grating, over the grating's own; less than 0 where bright and dark change places."""

    def grating(x_um, y_um):
        return np.tile(1 + DEPTH * np.cos(2 * np.pi * per_um * x_um), (y_um.size, 1))

    x, y = axis(200, pixel_um), axis(4, pixel_um)
    row = structured_image(optics, grating, None, x, y, 1.0)[1].astype(float)
    phase = 2 * np.pi * per_um * x
    mean, height, _ = np.linalg.lstsq(np.stack([x**0, np.cos(phase), np.sin(phase)], axis=1), row)[0]
    return height / mean / DEPTH


def lens(per_um):
    """A round aperture of lambda / (2 dr) with light from all of it: two discs' overlap, 0 from 1 / dr on."""
    angle = math.acos(per_um * ZONE_UM)
    return 2 / math.pi * (angle - math.cos(angle) * math.sin(angle))


def disc(per_um, radius_um):
    argument = 2 * math.pi * radius_um * per_um
    return 2 * j1(argument) / argument


def bell(per_um, fwhm_um):
    return math.exp(-((math.pi * fwhm_um * per_um) ** 2) / (4 * math.log(2)))


@pytest.mark.parametrize("per_um", [5.0, 12.0, 20.0])
def test_in_focus_the_lens_alone_takes_contrast(per_um):
    # the ends of the grating reach in
    assert contrast(SHARP, per_um, 0.004) == pytest.approx(lens(per_um), rel=5e-3)


def test_beyond_the_lens_aperture_there_is_none():
    assert abs(contrast(SHARP, 1.05 / ZONE_UM, 0.004)) < 1e-3


@pytest.mark.parametrize("defocus_um", [90.0, -90.0, 220.0])
def test_out_of_focus_the_cone_makes_a_point_a_disc(defocus_um):
    per_um, cone = 1.5, WAVELENGTH_UM / (2 * ZONE_UM)
    wanted = lens(per_um) * disc(per_um, cone * abs(defocus_um))
    assert abs(wanted) > 0.1
    # the ends of the grating reach in
    assert contrast(replace(SHARP, defocus_um=defocus_um), per_um, 0.02) == pytest.approx(wanted, abs=1e-3)


def test_the_scintillator_is_a_bell_in_a_wider_one():
    per_um, fwhm_um = 1.5, 0.06
    optics = replace(SHARP, psf_fwhm_um=fwhm_um, tail=0.3, tail_ratio=4.0)
    wanted = lens(per_um) * (0.7 * bell(per_um, fwhm_um) + 0.3 * bell(per_um, 4 * fwhm_um))
    assert contrast(optics, per_um, 0.02) == pytest.approx(wanted, rel=5e-3)


def test_a_pixel_sees_the_mean_over_it():
    # parts of 25 nm at which light is asked for: 1.6 %
    assert contrast(SHARP, 4.0, 0.1) == pytest.approx(lens(4.0) * np.sinc(0.4), rel=0.02)
