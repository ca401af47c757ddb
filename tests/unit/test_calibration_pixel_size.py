from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from xsn_acq.analysis.calibration.pixel_size import pixel_size, registered
from xsn_acq.config import load_beamline
from xsn_acq.errors import CalibrationError
from xsn_acq.sim.microscope import Microscope
from xsn_acq.sim.nominal import nominal_state
from xsn_acq.sim.phantoms import phantom
from xsn_acq.sim.state import CameraSettings
from xsn_acq.sim.truth import Truth

BEAMLINE = load_beamline("pls2-7c-xni")
STATE = replace(nominal_state(BEAMLINE), shutter_open=True)
CAMERA = CameraSettings(
    2.0, 1604 - 160, 1600 - 80, 320, 160, 2
)  # 6 um wide: the particle of 4.8 um leaves it
STAGE_UM = np.linspace(-2.5, 2.5, 9)
NOMINAL_M = BEAMLINE.pixel_size_m(8300.0, 2)


@cache
def scan(name="nmc_graded", error=0.006, seed=5):
    """Images divided by the flat at nine positions of the stage, all noise of the simulator on."""
    scope = Microscope(BEAMLINE, phantom(name, 1), Truth(pixel_size_error=error), seed)
    out = replace(STATE, sample_x_um=60.0)
    flat = np.mean([scope.frame(out, CAMERA, 900 + k) for k in range(10)], axis=0) - 100.0
    states = [replace(STATE, sample_x_um=x, time_s=10.0 * k) for k, x in enumerate(STAGE_UM)]
    return np.array([(scope.frame(state, CAMERA, k) - 100.0) / flat for k, state in enumerate(states)])


@pytest.mark.parametrize("name", ["nmc_graded", "microparticles"])
@pytest.mark.parametrize("error", [0.006, -0.02])
def test_the_hidden_pixel_size_is_found(name, error):
    result = pixel_size(STAGE_UM, scan(name, error))
    true = NOMINAL_M * (1 + error)
    # 126 px from end to end, each image known to 0.03 px
    assert result.pixel_size_m == pytest.approx(true, rel=0.001)
    assert abs(result.pixel_size_m - true) < 4 * result.sigma_m
    assert abs(result.rotation_deg) < 0.1
    assert result.used.all()


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.37, -0.61), (-3.2, 12.45), (20.5, -60.25)])
def test_registration_is_good_to_a_few_hundredths_of_a_pixel(shift):
    rng = np.random.default_rng(4)
    spectrum = np.fft.fft2(ndimage.gaussian_filter(rng.standard_normal((256, 320)), 2.0, mode="wrap"))
    v, u = np.fft.fftfreq(256)[:, None], np.fft.fftfreq(320)
    moved = np.fft.ifft2(spectrum * np.exp(-2j * np.pi * (v * shift[0] + u * shift[1]))).real
    still = np.fft.ifft2(spectrum).real
    # only a part is seen: what enters at its border is new
    first, second = still[64:192, 80:240], moved[64:192, 80:240]
    found = registered(first, second + 0.1 * still.std() * rng.standard_normal(first.shape))
    assert found == pytest.approx(shift, abs=0.03)


def test_a_turned_camera_shows():
    turned = np.array([ndimage.rotate(image, 2.0, reshape=False, mode="nearest") for image in scan()])
    result = pixel_size(STAGE_UM, turned)
    # scipy turns from rows to columns
    assert result.rotation_deg == pytest.approx(-2.0, abs=0.15)
    assert result.pixel_size_m == pytest.approx(1.006 * NOMINAL_M, rel=0.002)


def test_images_that_do_not_fit_are_left_out():
    images = scan().copy()
    images[[2, 6]] = np.random.default_rng(1).normal(1, 0.1, images[0].shape)
    result = pixel_size(STAGE_UM, images)
    assert np.flatnonzero(~result.used).tolist() == [2, 6]
    assert result.pixel_size_m == pytest.approx(1.006 * NOMINAL_M, rel=0.001)


def noise():
    return np.random.default_rng(1).normal(1, 0.1, (9, 80, 160))


@pytest.mark.parametrize(
    ("displacement", "images", "message"),
    [
        (STAGE_UM, noise, "images lie on no line|on one line"),
        (STAGE_UM, lambda: np.repeat(scan()[:1], 9, axis=0), "moves by 0.0 px"),
        (STAGE_UM[:3], lambda: scan()[:3], "wanted 4 displacements"),
        (STAGE_UM, lambda: scan()[:4], "an image for each of 9 displacements"),
        (STAGE_UM, lambda: scan()[:, :20], "32 x 32 pixels or more, found 9 of"),
        (STAGE_UM, lambda: np.full((9, 64, 64), np.nan), "finite"),
    ],
)
def test_scans_that_tell_no_pixel_size_are_refused(displacement, images, message):
    with pytest.raises(CalibrationError, match=message):
        pixel_size(displacement, images())
