"""What the simulator can be told to hide from the beamline file."""

import asyncio
from dataclasses import fields, replace

import numpy as np
import pytest

from xsn_acq.cli.main import main
from xsn_acq.config import load_beamline
from xsn_acq.errors import ConfigError
from xsn_acq.sim.alignment import Alignment
from xsn_acq.sim.hidden import hidden_truth
from xsn_acq.sim.ioc.exposures import Exposure
from xsn_acq.sim.ioc.rendering import Renderer
from xsn_acq.sim.ioc.schlieren import schlieren
from xsn_acq.sim.microscope import Microscope
from xsn_acq.sim.nominal import nominal_state
from xsn_acq.sim.phantoms import phantom
from xsn_acq.sim.state import CameraSettings
from xsn_acq.sim.truth import Truth

BEAMLINE = load_beamline("pls2-7c-xni")
STATE = replace(nominal_state(BEAMLINE), shutter_open=True)
CAMERA = CameraSettings(2.0, 1604 - 64, 1600 - 32, 128, 64, 2)


def alignment(truth, **moved):
    return Alignment(BEAMLINE, truth, replace(STATE, **moved))


def test_names_and_values_make_a_truth():
    truth = hidden_truth(["focus_offset_um=18", "illumination_skew=-0.1"], Truth())
    assert truth == replace(Truth(), focus_offset_um=18.0, illumination_skew=-0.1)
    assert hidden_truth([], Truth()) == Truth()


def test_all_faults_are_told_with_the_known_names():
    with pytest.raises(ConfigError) as caught:
        hidden_truth(["focus=1", "stray_light=much", "skew", "pixel_size_error=nan", "seed=3"], Truth())
    assert len(caught.value.faults) == 5
    assert "no truth 'focus' on this beamline; known: axis_column, " in caught.value.faults[0]
    for name in (f.name for f in fields(Truth) if isinstance(f.default, float)):
        assert name in caught.value.faults[0]


def test_the_command_refuses_a_wrong_truth_before_it_serves(capsys):
    assert main(["sim", "pls2-7c-xni", "--port", "1", "--hidden", "wrong=1"]) != 0
    assert "no truth 'wrong'" in capsys.readouterr().err


def test_nothing_is_hidden_by_default():
    assert abs(alignment(Truth()).defocus_m) < 1e-9
    assert alignment(Truth()).pixel_um * 1e-6 == pytest.approx(BEAMLINE.pixel_size_m(8300.0, 1), rel=1e-12)


def test_the_focus_is_where_it_is_hidden():
    z_mm = STATE.zone_plate_z_mm
    assert abs(alignment(Truth(focus_offset_um=18.0), zone_plate_z_mm=z_mm + 0.018).defocus_m) < 1e-9
    # at the file's place the sample is 18 um from the plane in focus, times 1 - 1 / M^2
    assert alignment(Truth(focus_offset_um=18.0)).defocus_m == pytest.approx(-18e-6, rel=0.01)


def test_the_pupil_is_where_it_is_hidden():
    x = np.array([-20.0, 20.0])
    off, found = (alignment(Truth(pupil_offset_mm=1.3), cutoff_z_mm=z).cutoff_per_m(x) for z in (0.0, 1.3))
    assert np.ptp(found) == pytest.approx(0.0, abs=1e-6)
    # x dz / (lambda f (f + dz)) at both ends
    f, wavelength = 60.25e-3, 1.4938e-10
    assert np.ptp(off) == pytest.approx(40e-6 * 1.3e-3 / f / (wavelength * (f - 1.3e-3)), rel=1e-3)


def test_a_larger_pixel_sees_more_and_leaves_the_axis_on_its_column():
    hidden = alignment(Truth(pixel_size_error=0.006, runout_nm=0.0))
    plain = alignment(Truth(runout_nm=0.0))
    assert hidden.pixel_um / plain.pixel_um == pytest.approx(1.006)
    columns = np.array([Truth().axis_column])
    assert hidden.axis_um(0.0)[0] == pytest.approx(hidden.x_um(columns)[0])
    assert hidden.area_ratio == pytest.approx(1.0)


def test_stray_light_passes_the_closed_filter():
    scope = Microscope(BEAMLINE, phantom("empty"), Truth(stray_light=0.02))
    whole, closed = (
        scope.photons(replace(STATE, cutoff_x_um=x), CAMERA).mean(dtype=float) for x in (-60.0, 60.0)
    )
    assert closed / whole == pytest.approx(0.02 / 1.02, rel=1e-4)


def test_the_served_camera_sees_the_hidden_truth_whatever_the_sample():
    exposure = Exposure(1, 10.0, 12.0, 12.1, CAMERA)

    async def mean(truth):
        microscope = schlieren(BEAMLINE, truth, 0)
        microscope.world.shutter_open.set(True, 0.0)
        renderer = Renderer(microscope.state, microscope.imager, "microparticles")
        renderer.change_sample("empty")
        image = await renderer.image(exposure)
        renderer.close()
        return image.mean() - 100.0

    plain, stray = (asyncio.run(mean(truth)) for truth in (Truth(), Truth(stray_light=0.5)))
    # half of the light passes the filter in the middle, 0.553 of it
    assert stray / plain == pytest.approx((0.553 + 0.5) / 0.553, rel=0.01)
