"""Faults that a single device must survive: rows 2, 3, 16 and 17 of the list of faults."""

import threading
import time

import pytest

from tests.system.test_devices import DONE_S, setup
from xsn_acq import beamline
from xsn_acq.errors import DeviceError, LimitError

pytestmark = pytest.mark.system
X = "7C:SAM:m1"
SLOW_UM_S = 10.0
SOON_S = 5.0
"""A dead IOC is noticed when its connection closes, long before the deadline of a move."""


@pytest.fixture
def x(devices, ca, no_faults):
    """Sample x at rest at 0, slow enough to be caught on its way: 2 mm take 10 s of real time."""
    motor, usual = devices.sample.x, devices.sample.x.axis.velocity
    ca.put(f"{X}.SPMG", "Go")
    motor.set(0.0).wait(DONE_S)
    motor.velocity.set(SLOW_UM_S).wait(DONE_S)
    yield motor
    motor.velocity.set(usual).wait(DONE_S)
    ca.put(f"{X}.SPMG", "Go")
    ca.put(f"{X}.LLM", -2000.0)
    ca.put(f"{X}.HLM", 2000.0)
    motor.stop()


def under_way(motor, position):
    """Wait until the motor has passed a position: asked, for a monitor may still tell of the move before."""
    end, pause = time.monotonic() + DONE_S, threading.Event()
    while not motor.user_readback.get(use_monitor=False) > position:
        assert time.monotonic() < end
        pause.wait(0.02)


def test_a_motor_stopped_from_a_panel_fails_the_move(x, ca):
    status = x.set(1900.0)
    under_way(x, 10.0)
    ca.put(f"{X}.STOP", 1)
    with pytest.raises(DeviceError, match=r"sample_x: move: wanted 1900\.0 um, found .*panel"):
        status.wait(DONE_S)


def test_a_motor_sent_elsewhere_from_a_panel_fails_the_move(x, ca):
    status = x.set(1900.0)
    under_way(x, 10.0)
    ca.put(X, 50.0)
    with pytest.raises(DeviceError, match=r"found 50\.0 um"):
        status.wait(DONE_S)


def test_a_motor_held_from_a_panel_is_refused(x, ca):
    ca.put(f"{X}.SPMG", "Stop")
    with pytest.raises(DeviceError, match="held on Stop"):
        x.set(10.0).wait(DONE_S)


def test_soft_limits_of_the_record_are_refused_before_anything_moves(x, ca):
    ca.put(f"{X}.HLM", 50.0)
    with pytest.raises(LimitError, match="soft limits"):
        x.set(60.0)
    assert ca.get(f"{X}.RBV") == pytest.approx(0.0, abs=x.axis.tolerance)
    x.set(40.0).wait(DONE_S)


def test_a_following_error_fails_the_move(x, no_faults):
    no_faults.fault("motor_stops_short axis=sample_x by=0.5")
    with pytest.raises(DeviceError, match=r"wanted 12\.0 um, found 11\.5"):
        x.set(12.0).wait(DONE_S)


def test_a_dead_motor_fails_the_move(x, no_faults):
    no_faults.fault("motor_dead axis=sample_x")
    with pytest.raises(DeviceError, match="still not done"):
        x.set(12.0, timeout=0.5).wait(DONE_S)


def fails_soon(status):
    begin = time.monotonic()
    with pytest.raises(DeviceError) as caught:
        status.wait(DONE_S)
    assert time.monotonic() - begin < SOON_S
    return str(caught.value)


@pytest.fixture
def restarted(ioc, devices):
    """An IOC that a test may kill; it is back, and everything connected, afterwards."""
    yield ioc
    ioc.restart()
    beamline.connect(devices, timeout_s=60.0)


def test_an_ioc_that_dies_fails_whatever_was_under_way(devices, restarted, tmp_path):
    camera, sample = devices.camera, devices.sample
    camera.prepare(setup(tmp_path, trigger="external")).wait(DONE_S)
    camera.kickoff().wait(DONE_S)
    for motor, slow in ((sample.x, 10.0), (sample.theta, 1.0)):
        motor.velocity.set(slow).wait(DONE_S)
    moves = [sample.x.set(1900.0), sample.theta.set(390.0), devices.undulator.set(25.0)]
    frames = camera.complete()
    under_way(sample.x, 10.0)
    restarted.kill()
    assert "sample_x: move: wanted" in fails_soon(moves[0])
    assert "sample_theta: move: wanted" in fails_soon(moves[1])
    assert "undulator: set gap" in fails_soon(moves[2])
    assert "camera: complete: wanted" in fails_soon(frames)
    fails_soon(sample.theta.velocity.set(1.0))
    fails_soon(devices.shutter.set("open"))
    camera.unstage()


def test_devices_work_again_after_the_ioc_is_back(devices, restarted, tmp_path):
    restarted.restart()
    beamline.connect(devices, timeout_s=60.0)
    devices.sample.x.set(5.0).wait(DONE_S)
    camera = devices.camera
    camera.prepare(setup(tmp_path)).wait(DONE_S)
    camera.kickoff().wait(DONE_S)
    camera.complete().wait(DONE_S)
    camera.close_file().wait(DONE_S)
    assert camera.frames_written() == 5
