"""What is broken off in mid-fly: abort, pause, a panel's stop, a file writer that fails."""

from types import SimpleNamespace

import h5py
import pytest
from bluesky.utils import RunEngineInterrupted

from tests.system.instruments import connected_instrument
from tests.system.running import SAFE, at_rest, engine, put_right, small_tomogram
from xsn_acq import beamline
from xsn_acq.errors import DeviceError, XsnError
from xsn_acq.plans.xsn_tomography import xsn_tomography
from xsn_acq.session import with_baseline

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def devices(ioc):
    with connected_instrument() as made:
        yield made


@pytest.fixture
def run(devices, no_faults, tmp_path):
    RE, documents = engine()
    RE.preprocessors.append(with_baseline(beamline.baseline(devices)))
    yield SimpleNamespace(
        RE=RE,
        documents=documents,
        ioc=no_faults,
        start=lambda **changes: RE(xsn_tomography(devices, small_tomogram(**changes), folder=tmp_path)),
    )
    put_right(RE, devices)


def flying(record):
    """Some projections have their rows: the stage turns."""
    return len(record.ledger) >= 5


def written(record):
    path = record.streams["projections"].resource["uri"].removeprefix("file://localhost")
    with h5py.File(path, "r", swmr=True) as file:
        return len(file["/entry/data/data"])


def test_abort_in_mid_fly(run, devices):
    run.documents.once(flying, lambda: run.RE.abort(reason="enough"))
    with pytest.raises(RunEngineInterrupted):
        run.start()
    record = run.documents.record()
    assert record.stop["exit_status"] == "abort"
    taken = [row["target"] for row in record.ledger if row["status"] == "ok"]
    assert record.stop["reason"] == f"broken off: {len(taken)} of 36 projections taken"
    assert 5 <= len(taken) < 36
    assert taken == list(range(len(taken)))
    # every frame in the file is announced, and has its row
    assert written(record) == record.streams["projections"].n_frames
    assert [row["frame_index"] for row in record.ledger if row["frame_index"] >= 0] == list(
        range(written(record))
    )
    summary = record.ledger_summary()
    assert summary["complete"] == 0
    assert summary["written"] == written(record)
    assert len(record.rows("baseline")) == 2
    assert at_rest(devices) == SAFE


def test_pause_in_mid_fly_replays_nothing(run, devices):
    run.documents.once(flying, run.RE.request_pause)
    with pytest.raises(RunEngineInterrupted):
        run.start()
    assert run.RE.state == "paused"
    theta = devices.sample.theta
    angle = theta.user_readback.get(use_monitor=False)
    assert angle < 360
    before = len(run.documents.record().ledger)
    run.RE.resume()
    record = run.documents.record()
    assert record.stop["exit_status"] == "success"
    assert record.stop["reason"] == ""
    good = [row for row in record.ledger if row["status"] == "ok"]
    assert sorted(row["target"] for row in good) == list(range(36))  # no gap, no angle twice
    assert {row["train"] for row in good} == {0, 1}
    assert len(record.ledger) > before
    assert record.ledger_summary()["retaken"] <= 1  # the frame that was exposed when the stage stopped
    assert written(record) == record.streams["projections"].n_frames
    assert [name for name, _ in run.documents.all].count("start") == 1
    assert at_rest(devices) == SAFE


def test_a_panel_stops_the_stage(run, devices, ca):
    pv = devices.file.axes.sample_theta.pv
    run.documents.once(flying, lambda: ca.put(f"{pv}.STOP", 1))
    with pytest.raises(DeviceError, match="sample_theta: move: wanted 36"):
        run.start()
    record = run.documents.record()
    assert record.stop["exit_status"] == "fail"
    assert "sample_theta: move" in record.stop["reason"]
    assert record.ledger_summary()["complete"] == 0
    assert written(record) == record.streams["projections"].n_frames > 0
    assert at_rest(devices) == SAFE


def test_the_disk_fills(run, devices):
    run.ioc.fault("disk_full after=12")
    with pytest.raises(DeviceError, match="No space left on device"):
        run.start()
    record = run.documents.record()
    assert record.stop["exit_status"] == "fail"
    assert "is the disk full" in record.stop["reason"]
    assert record.streams["projections"].n_frames == written(record) == 12
    assert at_rest(devices) == SAFE


def test_the_ioc_dies_in_mid_fly(run, devices):
    run.documents.once(flying, run.ioc.kill)
    try:
        with pytest.raises(XsnError):
            run.start()
    finally:
        run.ioc.restart()
        beamline.connect(devices, timeout_s=60.0)
    record = run.documents.record()
    assert record.stop["exit_status"] == "fail"
    assert "is the IOC running?" in record.stop["reason"]
    assert "NOT PUT BACK: shutter_command: set: wanted connected" in record.stop["reason"]
    # what was announced can be read: the file is written for concurrent readers
    assert written(record) >= record.streams["projections"].n_frames >= 5
