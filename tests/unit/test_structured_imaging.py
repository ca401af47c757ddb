import numpy as np
import pytest
from pixel_axes import axis

from xsn_acq.optics.materials import optical_constants
from xsn_acq.sim.boxes import Box
from xsn_acq.sim.cathodes import COBALT
from xsn_acq.sim.phantoms import Phantom, phantom
from xsn_acq.sim.structured_imaging import TransmissionOptics, structured_image, transmission
from xsn_acq.sim.structured_light import LightPlaces, StructuredLight

OPTICS = TransmissionOptics(9000.0, 30e-9, 0.06, photons_per_um2_s=4e5)
BLOCK = Phantom("block", (Box((0.0, 0.0, 0.0), (2.0, 2.0, 1.0), COBALT),))


def even(x_um, y_um):
    return np.ones((y_um.size, x_um.size), np.float32)


def test_photons_are_those_of_the_exposure_and_the_material():
    x = axis(80, 0.05)
    image = structured_image(OPTICS, even, BLOCK, x, x, 0.5)
    assert image[:10].mean() == pytest.approx(4e5 * 0.5 * 0.05**2, rel=2e-3)  # 2 % of halo, a block away
    absorbed = 4 * np.pi / 1.37760e-10 * 1e-6 * optical_constants("Co", 8.90, 9000.0).beta
    middle = image[35:45, 35:45].mean() / image[:10].mean()
    assert middle == pytest.approx(np.exp(-absorbed), rel=5e-3)
    assert transmission(BLOCK, 9000.0, 0.0, x, x)[40, 40] == pytest.approx(np.exp(-absorbed), rel=1e-4)


def test_an_edge_is_as_wide_as_lens_and_scintillator_make_it():
    x = axis(200, 0.02)
    row = structured_image(OPTICS, even, BLOCK, x, x, 1.0)[100].astype(float)
    slope = np.abs(np.diff(row))[:90]
    middle = np.arange(90) @ slope / slope.sum()
    core = slope[np.abs(np.arange(90) - middle) < 12]
    width = 0.02 * core.sum() / core.max()  # of a bell: 1.06 FWHM
    # 60 nm of scintillator, and an incoherent line spread of about 30 nm
    assert 0.06 < width < 0.085


def test_the_sample_multiplies_the_light_and_a_stage_error_moves_the_pattern():
    light = StructuredLight(15.3, 5.0, 30.0)
    places = LightPlaces(9000.0, fine_x_mm=1.0)

    def speckled(x_um, y_um):
        return light.illumination(places, x_um, y_um)

    x, sample = axis(64, 0.1), phantom("three_cathodes")
    out = structured_image(OPTICS, speckled, None, x, x, 1.0)
    within = structured_image(OPTICS, speckled, sample, x, x, 1.0)
    flat = structured_image(OPTICS, even, sample, x, x, 1.0) / structured_image(OPTICS, even, None, x, x, 1.0)
    # blurring a product is not the product of what is blurred: a few per cent at the particles' rims
    assert np.abs(within / out - flat).mean() < 0.01
    displaced = structured_image(OPTICS, speckled, None, x, x, 1.0, displaced_um=(0.3, -0.2))
    same = np.corrcoef(displaced[:-2, 3:].ravel(), out[2:, :-3].ravel())[0, 1]
    assert same > 0.98  # the outline of the spot moves along
    assert np.corrcoef(displaced.ravel(), out.ravel())[0, 1] < 0.7


def test_the_sample_is_where_its_stage_is():
    x = axis(100, 0.05)
    here = structured_image(OPTICS, even, BLOCK, x, x, 1.0)
    there = structured_image(OPTICS, even, BLOCK, x, x, 1.0, sample_um=(0.5, -0.25))
    assert there[5:-10, 15:-15] == pytest.approx(here[10:-5, 5:-25], rel=2e-3)


def test_out_of_focus_is_blurred():
    x = axis(80, 0.05)
    off = TransmissionOptics(9000.0, 30e-9, 0.06, 4e5, defocus_um=100.0)
    sharp, soft = (structured_image(optics, even, BLOCK, x, x, 1.0) for optics in (OPTICS, off))
    steepest = [np.abs(np.diff(image[40])).max() for image in (sharp, soft)]
    assert steepest[1] < 0.4 * steepest[0]
    assert soft.sum() == pytest.approx(sharp.sum(), rel=0.01)
