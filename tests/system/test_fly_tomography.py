"""The fly tomogram through the RunEngine, over Channel Access."""

import math
import shutil
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from tests.system.running import SAFE, SMALL, at_rest, engine, put_right, small_tomogram
from xsn_acq.errors import LimitError
from xsn_acq.params import XsnTomography
from xsn_acq.plans.xsn_tomography import xsn_tomography

pytestmark = pytest.mark.system


@pytest.fixture
def run(devices, no_faults, tmp_path):
    RE, documents = engine()

    def tomogram(params):
        RE(xsn_tomography(devices, params, folder=tmp_path))
        return documents.record()

    yield SimpleNamespace(tomogram=tomogram, ioc=no_faults, documents=documents, folder=tmp_path)
    put_right(RE, devices)


def good(record):
    return sorted((row for row in record.ledger if row["status"] == "ok"), key=lambda row: row["target"])


def frames(record, stream):
    path = record.streams[stream].resource["uri"].removeprefix("file://localhost")
    with h5py.File(path, "r") as file:
        return file["/entry/data/data"][()].astype(float)


def coarse(image):
    """8 x 8 pixels pooled, against photon noise."""
    return image.reshape(6, 8, 8, 8).mean(axis=(1, 3))


def test_a_tomogram(run, devices):
    record = run.tomogram(small_tomogram(note="first light"))
    assert record.stop["exit_status"] == "success"
    assert record.stop["reason"] == ""
    counts = {name: info.n_frames for name, info in record.streams.items()}
    assert counts == {"darks": 3, "flats": 3, "projections": 36, "ledger": 0, "ledger_summary": 0}
    summary = record.ledger_summary()
    assert {key: summary[key] for key in ("pulses", "captured", "counted", "written", "lost", "retaken")} == {
        "pulses": 36,
        "captured": 36,
        "counted": 36,
        "written": 36,
        "lost": 0,
        "retaken": 0,
    }
    assert summary["complete"] == 1
    assert at_rest(devices) == SAFE
    check_ledger(record)
    check_start(record)
    check_frames(record, run.folder)


def check_ledger(record):
    rows = good(record)
    assert [row["frame_index"] for row in rows] == list(range(36))
    # pulses come from the encoder at these very angles; 1e-4 deg is its resolution
    np.testing.assert_allclose([row["theta_deg"] for row in rows], np.arange(36) * 10.0, atol=1e-4)
    period = record.start["acquisition"]["frame_period_s"]
    mid = 10.0 / period * 0.5
    np.testing.assert_allclose([row["theta_mid_deg"] - row["theta_deg"] for row in rows], mid, atol=1e-9)
    # constant velocity: pulses come in the frame's period; the simulated stage has no ripple
    np.testing.assert_allclose(np.diff([row["pulse_time"] for row in rows]), period, atol=1e-5)
    assert max(abs(row["residual_s"]) for row in rows) < 1e-3
    assert all(300 < row["ring_current_ma"] < 420 for row in rows)


def check_start(record):
    start = record.start
    assert start["plan_name"] == "xsn_tomography"
    assert start["technique"] == "xsn"
    assert start["note"] == "first light"
    assert XsnTomography.checked(start["params"]) == small_tomogram(note="first light")
    assert start["beamline"]["name"] == "pls2-7c-xni"
    acquisition = start["acquisition"]
    assert acquisition["frame_shape"] == [48, 64]
    assert acquisition["roi"] == list(SMALL.as_tuple())
    assert acquisition["expected"] == {"darks": 3, "flats": 3, "projections": 36}
    assert acquisition["energy_ev"] == pytest.approx(8300.0, abs=1.0)  # the encoder's last digit is 0.1 eV
    # column 1603.4 of the sensor is 63.4 px into the region, binned by 2 with pixel centres at integers
    assert acquisition["axis_column"] == pytest.approx((63.4 - 0.5) / 2, abs=1e-3)
    assert acquisition["velocity_deg_s"] == pytest.approx(10.0 / acquisition["frame_period_s"])


def check_frames(record, folder):
    darks, flats, projections = (frames(record, name) for name in ("darks", "flats", "projections"))
    assert projections.shape == (36, 48, 64)
    assert flats.mean() > 2 * darks.mean()
    uri = record.streams["projections"].resource["uri"]
    assert uri == f"file://localhost{folder}/{record.uid[:8]}/projections.h5"
    # the sample shows: structure well above what noise is left in one flat divided by the others
    light = flats.mean(0) - darks.mean(0)
    image = coarse((projections[0] - darks.mean(0)) / light)
    assert image.std() > 2 * coarse((flats[0] - flats[1]) / light).std()


def test_exactly_the_lost_frames_are_retaken(run, devices):
    run.ioc.fault("drop_frames count=3 seed=1")
    run.ioc.fault("encoder_glitch index=20")
    record = run.tomogram(small_tomogram())
    lost = sorted(row["target"] for row in record.ledger if row["status"] == "lost")
    flagged = [row["target"] for row in record.ledger if row["status"] == "flagged"]
    assert len(lost) == 3
    assert flagged in ([20], [])  # empty when pulse 20 is among the lost
    again = sorted(row["target"] for row in record.ledger if row["train"] > 0)
    assert again == sorted({*lost, *flagged})
    rows = good(record)
    assert [row["target"] for row in rows] == list(range(36))
    np.testing.assert_allclose([row["theta_deg"] for row in rows], np.arange(36) * 10.0, atol=1e-4)
    assert sorted(row["frame_index"] for row in record.ledger if row["frame_index"] >= 0) == list(
        range(record.streams["projections"].n_frames)
    )
    summary = record.ledger_summary()
    assert (summary["lost"], summary["retaken"], summary["complete"]) == (3, len(again), 1)
    assert "projections retaken" in summary["message"]
    # same velocity, hence the same motion blur
    assert {round(row["theta_mid_deg"] - row["theta_deg"], 9) for row in rows} == {
        round(rows[0]["theta_mid_deg"], 9)
    }
    assert at_rest(devices) == SAFE


def test_a_camera_whose_clock_is_half_a_frame_ahead(run):
    run.ioc.fault("clock_offset seconds=0.5")
    run.ioc.fault("drop_frames count=3 seed=1")  # frames 4, 8 and 16: gaps that fit in one way only
    record = run.tomogram(small_tomogram())
    rows = good(record)
    assert [row["target"] for row in rows] == list(range(36))
    assert [row["target"] for row in rows if row["train"] > 0] == [4, 8, 16]
    np.testing.assert_allclose([row["theta_deg"] for row in rows], np.arange(36) * 10.0, atol=1e-4)
    # stamps are exact in the simulation; what is left is the resolution of captured times
    assert max(abs(row["residual_s"]) for row in rows) < 1e-3
    summary = record.ledger_summary()
    assert summary["clock_offset_s"] == pytest.approx(0.5, abs=1e-3)
    assert (summary["lost"], summary["retaken"], summary["complete"]) == (3, 3, 1)
    assert "camera's clock is 0.500 s ahead of the position compare's" in summary["message"]


def test_without_retakes_the_run_says_what_is_missing(run, devices):
    run.ioc.fault("swallow_pulse index=30")
    record = run.tomogram(small_tomogram(retakes=0))
    assert record.ledger_summary()["complete"] == 0
    assert record.stop["exit_status"] == "success"
    assert record.stop["reason"] == (
        "incomplete: camera counted 35 of 36 triggers; 1 of 36 projections missing: 30"
    )
    assert at_rest(devices) == SAFE


def test_free_running_camera_backwards_with_flats_twice(run, devices):
    run.ioc.fault("drop_frames count=60 seed=3")  # of more than a thousand it may take: about two in 36
    params = small_tomogram(trigger="free_running", direction=-1, start_deg=360.0, flats_when="both")
    record = run.tomogram(params)
    assert record.streams["flats_after"].n_frames == 3
    rows = good(record)
    assert [row["target"] for row in rows] == list(range(36))
    theta = np.array([row["theta_deg"] for row in rows])
    first_train = np.array([row["train"] == 0 for row in rows])
    grid = theta[0] - 10.0 * np.arange(36)
    # one camera period at scan velocity; a retake cannot aim, and lies within half a step of the lost angle
    np.testing.assert_allclose(theta[first_train], grid[first_train], atol=0.01)
    np.testing.assert_allclose(theta, grid, atol=5.01)
    assert 350.0 <= theta[0] <= 360.0
    extra = [row for row in record.ledger if row["status"] == "flagged"]
    assert all(row["target"] == -1 and math.isnan(row["theta_deg"]) for row in extra)
    assert record.streams["projections"].n_frames == 36 + len(extra)
    assert record.start["acquisition"]["expected"]["flats_after"] == 3
    assert at_rest(devices) == SAFE


def refused(run, params):
    before = len(run.documents.all)
    with pytest.raises(LimitError) as caught:
        run.tomogram(params)
    assert len(run.documents.all) == before  # no run was opened
    return "\n".join(caught.value.faults)


def test_refused_before_motion(run, devices, monkeypatch):
    where = devices.sample.theta.user_readback.get(use_monitor=False)
    message = refused(run, small_tomogram(start_deg=60.0, exposure_s=0.1, sample_out_um=2500.0))
    for part in (
        "98.68 deg/s, its greatest speed is 30 deg/s",
        "wanted -400 to 400 deg, found 10.66 to 469.34 deg with the run-up",
        "wanted -2000 to 2000 um, found 2500 um for the flats",
    ):
        assert part in message
    space = SimpleNamespace(free=1000)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda folder: space)
        assert "GB free" in refused(run, small_tomogram())
    assert devices.sample.theta.user_readback.get(use_monitor=False) == where
    assert devices.shutter.state() == "closed"


def test_refused_without_a_folder_to_write_to(devices, no_faults, tmp_path):
    RE, documents = engine()
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(LimitError, match="wanted a folder to write frames to"):
        RE(xsn_tomography(devices, small_tomogram(), folder=tmp_path / "file" / "frames"))
    assert documents.all == []


def test_refused_without_beam(run, devices):
    devices.front_end_shutter.set("closed").wait(10)
    try:
        message = refused(run, small_tomogram())
    finally:
        devices.front_end_shutter.set("open").wait(10)
    assert "front_end_shutter: wanted open, found closed" in message


def test_refused_out_of_focus(run, devices):
    stage = devices.zone_plate.z
    focus = stage.position
    stage.set(focus + 0.02).wait(30)
    try:
        message = refused(run, small_tomogram())
    finally:
        stage.set(focus).wait(30)
    assert "zone_plate_z: wanted" in message
