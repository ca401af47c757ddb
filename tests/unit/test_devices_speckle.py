"""The multilayer monochromator, the pco.edge, and cameras whose frames wait for another trigger."""

import math
from dataclasses import fields
from pathlib import Path

import pytest

from tests.unit.fake_devices import fake
from xsn_acq.beamline.speckle import SpeckleInstrument
from xsn_acq.config import load_microscope
from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.devices.frame_setup import Rearm
from xsn_acq.devices.kinetix import Kinetix
from xsn_acq.devices.multilayer import MultilayerMono
from xsn_acq.devices.optics import SpeckleDiffuser
from xsn_acq.devices.pco_edge import PcoEdge
from xsn_acq.devices.pco_edge_driver import PcoEdgeDriver
from xsn_acq.errors import LimitError

FILE = load_microscope("pls2-6c")
PITCH_DEG = 1.42090
"""At 10 keV with a period of 25 angstrom: asin(1.239842 / 50)."""


@pytest.fixture
def mono():
    made = fake(
        MultilayerMono,
        axes={"first": FILE.axes.multilayer_1, "second": FILE.axes.multilayer_2},
        period_angstrom=25.0,
        bandwidth=0.02,
        energy_range_ev=FILE.energy_range_ev,
        name="mono",
    )
    for motor in (made.first, made.second):
        for signal, value in ((motor.user_readback, PITCH_DEG), (motor.low_limit_travel, 0.0)):
            signal.sim_put(value)
        motor.high_limit_travel.sim_put(0.0)
    return made


def test_energy_of_the_first_pitch(mono):
    assert mono.energy_ev.get() == pytest.approx(10000.0, rel=1e-5)  # as many digits as the pitch has
    mono.first.user_readback.sim_put(-0.1)
    assert math.isnan(mono.energy_ev.get())


def test_both_multilayers_turn(mono, monkeypatch):
    moved = []
    for motor in (mono.first, mono.second):
        monkeypatch.setattr(motor, "set", lambda value, name=motor.name: _Moved(moved, name, value))
    mono.set(10000.0)
    assert [name for name, _ in moved] == ["mono_first", "mono_second"]
    assert [value for _, value in moved] == pytest.approx([PITCH_DEG] * 2, abs=1e-5)  # digits as above


@pytest.fixture
def instrument(mono):
    """As far as `own_problems` looks at it; the diffuser in the beam."""
    diffuser = fake(
        SpeckleDiffuser, axes={"x": FILE.axes.diffuser_x, "y": FILE.axes.diffuser_y}, name="diffuser"
    )
    for motor in (diffuser.x, diffuser.y):
        motor.user_readback.sim_put(9.9)
    parts = {field.name: None for field in fields(SpeckleInstrument)}
    return SpeckleInstrument(**parts | {"file": FILE, "mono": mono, "diffuser": diffuser})


@pytest.mark.parametrize("axis", ["x", "y"])
def test_a_diffuser_that_was_left_out_of_the_beam_is_told(instrument, axis):
    """By a session that was killed while flats were taken."""
    assert instrument.own_problems() == []
    motor = getattr(instrument.diffuser, axis)
    motor.user_readback.sim_put(-15.0)
    told = f"diffuser_{axis}: the diffuser is out of the beam, at -15.00 mm, where runs would leave it; "
    assert instrument.own_problems() == [f"{told}move it back (caput {motor.prefix} 0)"]


class _Moved:
    """A status that remembers its move."""

    def __init__(self, moved, name, value):
        moved.append((name, value))

    def __and__(self, other):
        return other


@pytest.mark.parametrize("energy_ev", [7999.0, 30001.0])
def test_energies_outside_are_refused(mono, energy_ev):
    with pytest.raises(LimitError, match="energy: wanted 8000 to 30000 eV"):
        mono.set(energy_ev)


def test_a_pitch_beyond_a_soft_limit_is_refused(mono):
    mono.second.high_limit_travel.sim_put(1.0)
    with pytest.raises(LimitError, match=r"mono_second: 1\.4209"):
        mono.set(10000.0)


def test_multilayers_that_are_not_parallel_give_no_beam(mono):
    """2 % of bandwidth, a pitch of 1.42 degrees: half the width is 0.0142 degrees."""
    mono.second.user_readback.sim_put(PITCH_DEG + 0.0141)
    assert mono.beam_faults() == []
    mono.second.user_readback.sim_put(PITCH_DEG + 0.0143)
    (fault,) = mono.beam_faults()
    assert fault.startswith("mono_second: wanted 1.42090 +- 0.01421 deg, the pitch of the first")


def setup(**changes):
    values = {"stream": "darks", "folder": Path("/data"), "filename": "darks", "frames": 5}
    values |= {"exposure_s": 0.1, "trigger": "external", "binning": 2, "roi": (100, 200, 64, 32)}
    return CameraSetup(**{**values, **changes})


def test_the_edge_is_asked_for_a_region_in_binned_pixels():
    cam = fake(PcoEdgeDriver, "cam1:", name="cam")
    cam.acquire.sim_put("Done")
    cam.apply(setup())
    found = {name: getattr(cam, name).get() for name in ("min_x", "min_y", "size_x", "size_y", "bin_x")}
    assert found == {"min_x": 50, "min_y": 100, "size_x": 32, "size_y": 16, "bin_x": 2}
    assert (cam.trigger_mode.get(), cam.image_mode.get(), cam.images.get()) == ("Ext + Soft", "Multiple", 5)
    assert cam.acquire_time.get() == 0.1


@pytest.mark.parametrize(("kind", "words"), [(PcoEdge, "Auto"), (Kinetix, "Internal")])
def test_more_frames_may_wait_for_another_trigger(kind, words):
    camera = fake(kind, "C:", name="camera")
    for signal, value in ((camera.cam.acquire, "Done"), (camera.cam.images_counter, 0)):
        signal.sim_put(value)
    camera._setup = setup()
    camera.cam.trigger_mode.sim_put("as before")
    camera.prepare(Rearm(3)).wait(5.0)
    assert camera.cam.trigger_mode.get() == "as before"
    camera.prepare(Rearm(4, "internal")).wait(5.0)
    assert (camera.cam.trigger_mode.get(), camera.cam.images.get()) == (words, 4)


def test_an_exposure_cut_to_whole_microseconds_is_taken():
    """0.003958 s times a million is a little less than 3958, so that the camera makes 3957 us of it."""
    cam = fake(PcoEdgeDriver, "cam1:", name="cam")
    cam.acquire_time.sim_put(int(0.003958 * 1e6) / 1e6)
    assert cam.acquire_time.shows(0.003958)
    assert not cam.acquire_time.shows(0.003960)
