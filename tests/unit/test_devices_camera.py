"""What a camera and a position compare are asked, and what is said of their frames."""

import threading
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.unit.fake_devices import fake
from xsn_acq.devices import frame_flyer
from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.devices.frame_file import FrameDocuments, FrameNumbers
from xsn_acq.devices.kinetix import Kinetix
from xsn_acq.devices.kinetix_driver import KinetixDriver
from xsn_acq.devices.position_compare import PulseTrain
from xsn_acq.errors import DeviceError


def setup(**changes):
    values = {
        "stream": "darks",
        "folder": Path("/data/run"),
        "filename": "darks",
        "frames": 5,
        "exposure_s": 0.1,
        "trigger": "internal",
        "binning": 2,
        "roi": (100, 200, 64, 32),
    }
    return CameraSetup(**{**values, **changes})


def test_setup_knows_its_file_and_frame():
    assert setup().path == Path("/data/run/darks.h5")
    assert setup().frame_shape == (16, 32)


@pytest.mark.parametrize(
    "changes",
    [
        {"frames": 0},
        {"exposure_s": 0.0},
        {"binning": 0},
        {"roi": (0, 0, 63, 32)},
        {"roi": (0, 0, 0, 32)},
        {"roi": (-1, 0, 64, 32)},
    ],
)
def test_setup_refuses_what_cannot_be(changes):
    with pytest.raises(ValueError, match="must be"):
        setup(**changes)


def test_a_pulse_train_that_cannot_be_is_refused():
    good = {"start": 0.0, "step": 1.0, "count": 1, "direction": 1, "source": "camera"}
    for changes in ({"step": 0.0}, {"count": 0}, {"start": float("nan")}, {"width": 1.0}, {"width": 0.0}):
        with pytest.raises(ValueError, match="pulse train"):
            PulseTrain(**{**good, **changes})


def test_documents_announce_each_frame_once():
    documents = FrameDocuments("camera_image", Path("/data/darks.h5"), (16, 32))
    assert list(documents.up_to(0)) == []
    (first, resource), (second, datum) = documents.up_to(3)
    assert (first, second) == ("stream_resource", "stream_datum")
    assert resource["uri"] == "file://localhost/data/darks.h5"
    assert resource["parameters"]["chunk_shape"] == (1, 16, 32)
    assert datum["indices"] == {"start": 0, "stop": 3}
    assert list(documents.up_to(3)) == []
    ((_, datum),) = documents.up_to(7)
    assert datum["indices"] == {"start": 3, "stop": 7}


def test_documents_of_a_number_say_where_it_is():
    documents = FrameDocuments("vortex_all_events", Path("/data/s.h5"), (), "/entry/events", chunk=1024)
    (_, resource), _ = documents.up_to(1)
    assert resource["parameters"] == {"dataset": "/entry/events", "chunk_shape": (1024,), "swmr": True}


def test_frame_numbers_follow_a_growing_file(tmp_path):
    numbers = FrameNumbers(tmp_path / "f.h5", ("NDArrayEpicsTSSec", "NDArrayEpicsTSnSec"))
    assert numbers.read().shape == (0, 2)
    with h5py.File(tmp_path / "f.h5", "w", libver="latest") as file:
        group = file.create_group("entry/instrument/NDAttributes")
        columns = [
            group.create_dataset(
                f"NDArrayEpicsTS{name}", shape=(0,), maxshape=(None,), dtype="u4", chunks=(16,)
            )
            for name in ("Sec", "nSec")
        ]
        file.swmr_mode = True
        for count in (2, 5):
            for column, values in zip(
                columns, (np.arange(count) + 1000, np.full(count, 250_000_000)), strict=True
            ):
                column.resize((count,))
                column[:] = values
                column.flush()
            wanted = np.stack([np.arange(count) + 1000.0, np.full(count, 250e6)], axis=1)
            np.testing.assert_array_equal(numbers.read(), wanted)
        numbers.close()
    assert numbers.read().shape == (0, 2)  # also while the file is still there


@pytest.fixture
def waiting():
    """A camera that has counted the one frame wanted, in 50 ms at most; the disk has not written it."""
    camera = fake(Kinetix, "K:", name="camera")
    hdf = camera.hdf
    values = {camera.cam.acquire: "Done", camera.cam.images_counter: 1}
    values |= {hdf.dropped: 0, hdf.captured: 0, hdf.capture: "Capturing", hdf.write_status: "Write OK"}
    for signal, value in values.items():
        signal.sim_put(value)
    camera._setup = setup(frames=1, frame_timeout_s=0.05)
    camera._target, camera._running = 1, True
    return camera


def test_a_frame_that_waits_for_the_disk_is_waited_for_longer(waiting):
    disk = threading.Timer(0.2, lambda: waiting.hdf.captured.sim_put(1))
    disk.start()
    waiting.complete().wait(5.0)
    disk.join()


def test_but_not_for_ever(waiting, monkeypatch):
    monkeypatch.setattr(frame_flyer, "WRITE_TIMEOUT_S", 0.1)
    with pytest.raises(
        DeviceError, match=r"wanted 1 frames, found 1 frames; 0 written; no new frame for 0\.1 s"
    ):
        waiting.complete().wait(5.0)


class Draining:
    """A camera that hands on frames for so many looks at its counter after a stop, then is idle or not."""

    def __init__(self, camera, *, frames, idle):
        self.camera, self.left, self.idle = camera, frames, idle
        camera.cam.acquire.sim_put("Acquiring")
        camera.cam.acquire.put = lambda value, **_: None
        camera.cam.images_counter.get = self.count

    def count(self, **_):
        self.left -= 1
        if self.left < 0 and self.idle:
            self.camera.cam.acquire.sim_put("Done")
        return -max(self.left, 0)


def test_a_stop_waits_for_the_frames_that_were_read_out(waiting, monkeypatch):
    monkeypatch.setattr(frame_flyer, "_START_TIMEOUT_S", 0.05)
    Draining(waiting, frames=20, idle=True)
    waiting._stop()
    assert not waiting.driver.is_acquiring()


@pytest.mark.parametrize("limit", ["_START_TIMEOUT_S", "_DRAIN_S"])
def test_a_camera_that_does_not_stop_is_not_waited_for_for_ever(waiting, monkeypatch, limit):
    """It hands on nothing any more, or frames without end."""
    monkeypatch.setattr(frame_flyer, limit, 0.05)
    Draining(waiting, frames=1 if limit == "_START_TIMEOUT_S" else 10**9, idle=False)
    with pytest.raises(DeviceError, match="camera: stop: wanted idle, found acquiring"):
        waiting._stop()


class Region:
    """A driver that takes SizeX as the index where the region stops, or as the size."""

    def __init__(self, cam, *, stop_index):
        self.cam, self.stop_index = cam, stop_index
        for axis, array in (("x", cam.columns), ("y", cam.rows)):
            getattr(cam, f"min_{axis}").sim_put(0)
            getattr(cam, f"size_{axis}").sim_put(3200)
            array.sim_put(1600)
            for name in ("min", "size"):
                self._follow(getattr(cam, f"{name}_{axis}"), axis, array)

    def _follow(self, signal, axis, array):
        def put(value):
            signal.sim_put(value)
            start, size = (getattr(self.cam, f"{name}_{axis}").get() for name in ("min", "size"))
            array.sim_put((size - start if self.stop_index else min(size, 3200 - start)) // 2)

        signal.after_put = put


@pytest.mark.parametrize("stop_index", [True, False])
def test_region_comes_out_right_whatever_size_means(stop_index):
    cam = fake(KinetixDriver, "cam1:", name="cam")
    Region(cam, stop_index=stop_index)
    for start, size in ((576, 2048), (0, 3200), (1504, 192)):
        cam._apply_span("x", start, size, 2)
        assert (cam.min_x.get(), cam.columns.get()) == (start, size // 2)


def test_region_that_cannot_be_had_is_refused():
    cam = fake(KinetixDriver, "cam1:", name="cam")
    Region(cam, stop_index=False)
    with pytest.raises(DeviceError, match="binned size along x: wanted 200 px, found 100 px"):
        cam._apply_span("x", 3000, 400, 2)
