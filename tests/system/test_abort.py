"""What is broken off in mid-fly: abort, pause, a panel's stop, a file writer that fails."""

import threading
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from bluesky.utils import RunEngineInterrupted

from tests.system.running import SAFE, at_rest, engine, put_right, small_tomogram
from xsn_acq import beamline
from xsn_acq.errors import DeviceError, XsnError
from xsn_acq.plans.xsn_tomography import xsn_tomography
from xsn_acq.session import with_baseline

pytestmark = pytest.mark.system


@pytest.fixture
def run(devices, no_faults, tmp_path):
    RE, documents = engine()
    RE.preprocessors.append(with_baseline(beamline.baseline(devices)))
    yield SimpleNamespace(
        RE=RE,
        documents=documents,
        ioc=no_faults,
        start=lambda **changes: RE(xsn_tomography(devices, slow_tomogram(**changes), folder=tmp_path)),
    )
    put_right(RE, devices)


def slow_tomogram(**changes):
    """Five seconds of flight: time for something to happen while it is looked at once a second."""
    return small_tomogram(**({"exposure_s": 2.5} | changes))


def flying(record):
    """Some projections have their rows: the stage turns."""
    return len(record.ledger) >= 5


def flats_under_way(record):
    """Some are announced: a loss before the first of them would only be waited for."""
    return "flats" in record.streams and record.streams["flats"].n_frames > 0


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
    flagged = [row for row in record.ledger if row["status"] == "flagged"]
    assert record.stop["reason"] == (
        f"broken off: {len(taken)} of 36 projections good, {len(flagged)} more flagged"
    )
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


def test_pause_in_mid_fly_replays_nothing(run, devices, ca):
    run.documents.once(flying, run.RE.request_pause)
    with pytest.raises(RunEngineInterrupted):
        run.start()
    assert run.RE.state == "paused"
    theta = devices.sample.theta
    angle = theta.user_readback.get(use_monitor=False)
    assert angle < 360
    ca.until(f"{devices.file.pvs.shutter}Sts", "Closed")  # no dose while somebody thinks
    before = len(run.documents.record().ledger)
    run.RE.resume()
    record = run.documents.record()
    assert record.stop["exit_status"] == "success"
    assert record.stop["reason"] == ""
    good = [row for row in record.ledger if row["status"] == "ok"]
    assert sorted(row["target"] for row in good) == list(range(36))  # no gap, no angle twice
    assert {row["train"] for row in good} == {0, 1}
    assert len(record.ledger) > before
    assert record.ledger_summary()["retaken"] >= 1  # what was exposed when the stage stopped
    first = [row["status"] for row in record.ledger if row["train"] == 0]
    assert before <= first.index("flagged") == len(first) - first.count("flagged") - first.count("lost")
    assert written(record) == record.streams["projections"].n_frames
    assert [name for name, _ in run.documents.all].count("start") == 1
    assert at_rest(devices) == SAFE


def assert_whole_and_bright(record):
    """Every angle once, in two trains; none of the good frames was taken without light."""
    assert record.stop["exit_status"] == "success"
    assert record.stop["reason"] == ""
    good = [row for row in record.ledger if row["status"] == "ok"]
    assert sorted(row["target"] for row in good) == list(range(36))
    assert {row["train"] for row in good} == {0, 1}
    path = record.streams["projections"].resource["uri"].removeprefix("file://localhost")
    with h5py.File(path) as file:
        light = np.median(file["/entry/data/data"][()].astype(float), axis=(1, 2))
    taken = light[[row["frame_index"] for row in good]]
    assert taken.min() > 0.9 * np.median(taken)  # the sample and the ring change the median by a few per cent


@pytest.fixture
def beam_lost(run, devices, ca):
    """Lose the beam and wait for what the plan does about it, then call something, then the beam is back."""

    def lose(then=lambda: None, after_s=0.0):
        threading.Event().wait(after_s)
        run.ioc.fault("beam_dump")
        ca.until(f"{devices.file.pvs.shutter}Sts", "Closed")
        ca.until(f"{devices.file.axes.sample_theta.pv}.DMOV", 1)
        then()
        run.ioc.clear_faults()

    return lose


@pytest.mark.parametrize("after_s", [0.0, 0.4, 0.8])
def test_after_a_loss_of_beam_the_rest_is_flown(run, devices, beam_lost, after_s):
    """At any time between two looks: the ring tells of the loss late, and frames are dark by then."""
    run.documents.once(flying, lambda: beam_lost(after_s=after_s))
    run.start()
    assert_whole_and_bright(run.documents.record())
    assert at_rest(devices) == SAFE


def test_abort_while_there_is_no_beam(run, devices, beam_lost):
    run.documents.once(flying, lambda: beam_lost(then=lambda: run.RE.abort(reason="no beam today")))
    with pytest.raises(RunEngineInterrupted):
        run.start()
    record = run.documents.record()
    assert record.stop["exit_status"] == "abort"
    assert 5 <= len([row for row in record.ledger if row["status"] == "ok"]) < 36
    assert at_rest(devices) == SAFE


def test_the_front_end_closes(run, devices, ca):
    front_end = devices.file.pvs.front_end_shutter

    def close_and_open():
        ca.put(f"{front_end}Cmd", "Close")
        ca.until(f"{devices.file.pvs.shutter}Sts", "Closed")
        ca.put(f"{front_end}Cmd", "Open")

    run.documents.once(flying, close_and_open)
    run.start()
    assert_whole_and_bright(run.documents.record())


def test_the_front_end_is_shut_while_paused(run, devices, ca, beam_awaited):
    """Somebody pauses, goes into the hutch, and resumes before it is searched."""
    front_end = devices.file.pvs.front_end_shutter
    run.documents.once(flying, run.RE.request_pause)
    with pytest.raises(RunEngineInterrupted):
        run.start()
    ca.put(f"{front_end}Cmd", "Close")
    ca.until(f"{front_end}Sts", "Closed")

    def open_later():
        beam_awaited.wait(60.0)
        ca.put(f"{front_end}Cmd", "Open")

    threading.Thread(target=open_later, daemon=True).start()
    run.RE.resume()
    assert beam_awaited.is_set()
    assert_whole_and_bright(run.documents.record())
    assert at_rest(devices) == SAFE


def test_no_beam_during_flats_ends_the_run(run, devices, ca):
    def lose():
        run.ioc.fault("beam_dump")
        ca.until(f"{devices.file.pvs.ring}Current", lambda current: current < 1.0)
        run.ioc.clear_faults()

    run.documents.once(flats_under_way, lose)
    with pytest.raises(DeviceError, match="flats: wanted beam and no pause"):
        run.start(flats=60)  # 7 s of real time
    assert run.documents.record().stop["exit_status"] == "fail"
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
        run.documents.done()  # a kill that goes on would take the new process for the old one
        run.ioc.restart()
        beamline.connect(devices, timeout_s=60.0)
    record = run.documents.record()
    assert record.stop["exit_status"] == "fail"
    assert "is the IOC running?" in record.stop["reason"]
    assert "NOT PUT BACK: shutter: set: wanted connected" in record.stop["reason"]
    # what was announced can be read: the file is written for concurrent readers
    assert written(record) >= record.streams["projections"].n_frames >= 5
