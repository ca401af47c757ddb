"""The devices against the simulated beamline, over Channel Access."""

from pathlib import Path

import bluesky.plan_stubs as bps
import h5py
import numpy as np
import pytest
from bluesky import RunEngine
from bluesky.preprocessors import run_decorator

from xsn_acq import beamline
from xsn_acq.config import load_beamline
from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.devices.frame_setup import Rearm
from xsn_acq.devices.position_compare import PulseTrain
from xsn_acq.errors import ConnectError, DeviceError, LimitError

pytestmark = pytest.mark.system
DONE_S = 30.0
ROI = (1504, 1552, 192, 96)
EXPOSURE_S = 0.05


@pytest.fixture
def camera(devices, no_faults):
    yield devices.camera
    devices.camera.unstage()


def setup(folder, stream="darks", **changes):
    values = {"frames": 5, "exposure_s": EXPOSURE_S, "trigger": "internal", "binning": 2, "roi": ROI}
    return CameraSetup(stream=stream, folder=folder, filename=stream, **{**values, **changes})


def acquire(camera):
    camera.kickoff().wait(DONE_S)
    camera.complete().wait(DONE_S)


def test_every_device_answers_and_nothing_is_wrong(devices):
    assert beamline.problems(devices) == []
    assert len(devices.motors()) == 18
    names = [device.name for device in beamline.baseline(devices)]
    assert "sample" in names
    assert "camera" not in names


def test_a_camera_told_to_close_while_it_opens_is_closed(camera, tmp_path):
    """An aborted plan does not wait for what it began: what it asks for next comes next."""
    asked = [camera.prepare(setup(tmp_path)), camera.kickoff(), camera.stop_acquiring(), camera.close_file()]
    for status in asked:
        status.wait(DONE_S)
    assert not camera.hdf.is_capturing()
    assert not camera.cam.is_acquiring()


def test_devices_that_do_not_answer_are_all_named(ioc):
    file = load_beamline("pls2-7c-xni")
    wrong = file.pvs.model_copy(update={"ring": "NO:", "shutter": "NO:SHT:"})
    devices = beamline.build(file.model_copy(update={"pvs": wrong}))
    try:
        with pytest.raises(ConnectError) as caught:
            beamline.connect(devices, timeout_s=6.0)
    finally:
        beamline.destroy(devices)
    ring, shutter = caught.value.faults
    assert ring.startswith("ring: NO:Current and 1 more did not answer")
    assert shutter.startswith("shutter: NO:SHT:")


def test_problems_name_limits_and_nan(devices, ca, no_faults):
    ca.put("7C:SAM:m1.HLM", 50.0)
    no_faults.fault("nan pv=7C:ID:GapM")
    try:
        ca.until("7C:ID:GapM", lambda gap: gap != gap)
        found = "\n".join(beamline.problems(devices))
    finally:
        ca.put("7C:SAM:m1.HLM", 2000.0)
    assert (
        "sample_x: limits -2000.0 to 2000.0 um of the beamline file are wider than -2000.0 to 50.0 um"
        in found
    )
    assert "undulator: undulator_gap reads NaN" in found


def test_moves_shutters_and_switches(devices):
    devices.sample.x.set(12.5).wait(DONE_S)
    # not ophyd's .position, which a thread of its own brings up to date a moment later
    assert devices.sample.x.user_readback.get() == pytest.approx(12.5, abs=devices.sample.x.axis.tolerance)
    for word in ("open", "closed"):
        devices.shutter.set(word).wait(DONE_S)
        assert devices.shutter.is_open == (word == "open")
    for word in ("stopped", "running"):
        devices.diffuser.rotation.set(word).wait(DONE_S)
    for word, locked in (("off", False), ("on", True)):
        devices.mono.feedback.set(word).wait(DONE_S)
        assert devices.mono.feedback.is_locked is locked


def test_undulator_gap(devices, ca):
    ca.put("7C:ID:DeadbandGapC", 0.0)
    here = devices.undulator.gap.get()
    devices.undulator.set(here + 1.0).wait(DONE_S)
    assert devices.undulator.gap.get() == pytest.approx(here + 1.0, abs=0.002)
    ca.put("7C:ID:DeadbandGapC", 0.01)
    with pytest.raises(LimitError, match="dead band"):
        devices.undulator.set(here)
    ca.put("7C:ID:DeadbandGapC", 0.0)
    devices.undulator.set(here).wait(DONE_S)


def test_undulator_that_does_not_move_fails(devices, no_faults):
    here = devices.undulator.gap.get()
    no_faults.fault("motor_dead axis=gap")
    with pytest.raises(DeviceError, match="undulator: set gap"):
        devices.undulator.set(here + 1.0, timeout=0.5).wait(DONE_S)
    devices.undulator.stop()
    no_faults.clear_faults()
    devices.undulator.set(here).wait(DONE_S)


def test_a_file_of_frames_and_more_frames_into_it(camera, tmp_path):
    folder = tmp_path / "new" / "folder"
    camera.prepare(setup(folder)).wait(DONE_S)
    acquire(camera)
    assert (camera.frames_counted(), camera.frames_written(), camera.dropped_arrays()) == (5, 5, 0)
    camera.rearm(3).wait(DONE_S)
    acquire(camera)
    assert (camera.frames_counted(), camera.frames_written()) == (8, 8)
    stamps = camera.frame_times_s()
    camera.close_file().wait(DONE_S)
    with h5py.File(folder / "darks.h5") as file:
        assert file["entry/data/data"].shape == (8, 48, 96)
    assert len(stamps) == 8
    # free-running: period = exposure + readout of 96 of 3200 rows; float64 keeps such stamps to 0.3 us
    np.testing.assert_allclose(np.diff(stamps[:5]), EXPOSURE_S + 0.0114 * 96 / 3200, atol=1e-6)


def test_a_file_is_never_overwritten(camera, tmp_path):
    camera.prepare(setup(tmp_path)).wait(DONE_S)
    acquire(camera)
    camera.close_file().wait(DONE_S)
    with pytest.raises(DeviceError, match="never overwritten"):
        camera.prepare(setup(tmp_path)).wait(DONE_S)


def test_a_file_left_open_by_a_dead_session_is_refused_then_closed(camera, ca, tmp_path):
    ca.put("7C:KTX:HDF1:LazyOpen", "Yes")
    ca.put("7C:KTX:HDF1:FileWriteMode", "Stream")
    ca.put("7C:KTX:HDF1:Capture", "Capture", wait=False)
    ca.until("7C:KTX:HDF1:Capture_RBV", "Capturing")
    with pytest.raises(DeviceError, match="close it first"):
        camera.prepare(setup(tmp_path)).wait(DONE_S)
    camera.close_file().wait(DONE_S)
    camera.prepare(setup(tmp_path)).wait(DONE_S)


def test_a_folder_that_cannot_be_made_is_refused(camera):
    with pytest.raises(DeviceError, match="may the IOC write there"):
        camera.prepare(setup(Path("/proc/nowhere"))).wait(DONE_S)


@pytest.mark.parametrize(
    ("fault", "message"),
    [("writer_overrun every=2", "dropped arrays"), ("disk_full after=2", "Write error")],
)
def test_a_writer_that_loses_frames_fails_the_acquisition(camera, no_faults, tmp_path, fault, message):
    camera.prepare(setup(tmp_path)).wait(DONE_S)
    no_faults.fault(fault)
    camera.kickoff().wait(DONE_S)
    with pytest.raises(DeviceError, match=message):
        camera.complete().wait(DONE_S)
    with pytest.raises(DeviceError, match="the file lacks frames"):
        camera.close_file().wait(DONE_S)


def test_a_camera_without_triggers_fails_with_expected_and_counted(camera, tmp_path):
    camera.prepare(setup(tmp_path, trigger="external", frame_timeout_s=0.5)).wait(DONE_S)
    camera.kickoff().wait(DONE_S)
    with pytest.raises(DeviceError, match="camera: complete: wanted 5 frames, found 0 frames"):
        camera.complete().wait(DONE_S)


def test_a_camera_stopped_from_a_panel_fails(camera, ca, tmp_path):
    camera.prepare(setup(tmp_path, frames=1000)).wait(DONE_S)
    camera.kickoff().wait(DONE_S)
    status = camera.complete()
    ca.put("7C:KTX:cam1:Acquire", "Done")
    with pytest.raises(DeviceError, match="from elsewhere"):
        status.wait(DONE_S)


def test_our_own_stop_ends_well_with_the_frames_there_are(camera, tmp_path):
    camera.prepare(setup(tmp_path, frames=1000)).wait(DONE_S)
    camera.kickoff().wait(DONE_S)
    status = camera.complete()
    camera.stop_acquiring().wait(DONE_S)
    status.wait(DONE_S)
    assert camera.frames_counted() == camera.frames_written() < 1000


@pytest.fixture
def theta(devices):
    stage = devices.sample.theta
    velocity = stage.velocity.get()
    yield stage
    stage.velocity.set(velocity).wait(DONE_S)


@pytest.mark.parametrize(("direction", "start"), [(1, 0.0), (-1, 6.0)])
def test_pulses_give_one_frame_each_at_their_angles(devices, camera, theta, tmp_path, direction, start):
    count, step, trains = 12, 0.5, devices.position_compare
    theta.set(start - 2.0 * direction).wait(DONE_S)
    theta.velocity.set(2.0).wait(DONE_S)
    camera.prepare(setup(tmp_path, frames=count, trigger="external")).wait(DONE_S)
    trains.prepare(PulseTrain(start, step, count, direction, "position")).wait(DONE_S)
    camera.kickoff().wait(DONE_S)
    trains.kickoff().wait(DONE_S)
    ends = [trains.complete(), camera.complete(), theta.set(start + 8.0 * direction)]
    for status in ends:
        status.wait(DONE_S)
    angles, pulse_times = trains.captured()
    # captured in encoder counts of 1e-4 deg
    np.testing.assert_allclose(angles, start + direction * step * np.arange(count), atol=1.01e-4)
    # each frame ends an exposure and a readout after its pulse; float64 keeps such stamps to 0.3 us
    late = EXPOSURE_S + 0.0114 * 96 / 3200
    np.testing.assert_allclose(camera.frame_times_s() - pulse_times, late, atol=2e-6)


def test_a_train_that_is_disarmed_fails_with_pulses_wanted_and_captured(devices):
    trains = devices.position_compare
    trains.prepare(PulseTrain(300.0, 0.5, 12, 1, "position")).wait(DONE_S)
    trains.kickoff().wait(DONE_S)
    status = trains.complete()
    trains.disarm().wait(DONE_S)
    with pytest.raises(DeviceError, match="wanted 12 pulses, found 0 pulses; disarmed early"):
        status.wait(DONE_S)


def test_a_train_not_finished_in_time_fails(devices):
    trains = devices.position_compare
    trains.prepare(PulseTrain(300.0, 0.5, 12, 1, "position", timeout_s=0.1)).wait(DONE_S)
    trains.kickoff().wait(DONE_S)
    with pytest.raises(DeviceError, match=r"within 0\.1 s"):
        trains.complete().wait(DONE_S)
    trains.disarm().wait(DONE_S)


def test_documents_of_a_run_with_two_streams_and_a_retake(camera, tmp_path):
    documents = []
    RE = RunEngine({})
    RE.subscribe(lambda name, doc: documents.append((name, doc)))

    def acquire_plan(name):
        yield from bps.kickoff(camera, wait=True)
        yield from bps.collect_while_completing([camera], [camera], flush_period=0.1, stream_name=name)

    @run_decorator()
    def plan():
        for name in ("darks", "flats"):
            yield from bps.prepare(camera, setup(tmp_path, stream=name), wait=True)
            yield from bps.declare_stream(camera, name=name, collect=True)
            yield from acquire_plan(name)
            if name == "flats":
                yield from bps.prepare(camera, Rearm(2), wait=True)
                yield from acquire_plan(name)
            yield from bps.unstage(camera, wait=True)

    RE(plan())
    names = {doc["uid"]: doc["name"] for kind, doc in documents if kind == "descriptor"}
    frames = dict.fromkeys(names.values(), 0)
    for kind, doc in documents:
        if kind == "stream_datum":
            assert doc["indices"]["start"] == frames[names[doc["descriptor"]]]
            frames[names[doc["descriptor"]]] = doc["indices"]["stop"]
    assert frames == {"darks": 5, "flats": 7}
    assert sum(kind == "stream_resource" for kind, _ in documents) == 2
    assert documents[-1][1]["exit_status"] == "success"
