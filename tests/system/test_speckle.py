"""Speckle microtomography against the simulated beamline 6C, over Channel Access."""

import os
import signal
import threading
from contextlib import closing
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from tests.system.command import children, kill, run_command
from tests.system.hyperspectral import start
from tests.system.ioc import Ioc
from tests.system.running import DONE_S, engine
from xsn_acq import beamline
from xsn_acq.cli import resume
from xsn_acq.config import load_microscope
from xsn_acq.devices.frame_setup import Rearm
from xsn_acq.params import Roi, SpeckleTomography
from xsn_acq.plans.speckle_tomography import speckle_tomography
from xsn_acq.storage.feed import Follower
from xsn_acq.storage.journal import Journal, list_runs
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord
from xsn_acq.storage.scans import all_scans

pytestmark = pytest.mark.system
PLAN = "speckle_tomography"
SMALL = SpeckleTomography(
    projections=9,
    span_deg=20.0,
    exposure_s=0.1,
    darks=2,
    flats=3,
    references=3,
    roi=Roi(min_x=1232, min_y=1048, size_x=96, size_y=64),
)
"""Steps of 2.5 degrees, 25 degrees a second; with longer exposures the beam saturates the camera."""


@pytest.fixture(scope="module")
def ioc(second_ca_ports):
    """A beamline of its own; 20 times real time."""
    running = Ioc(beamline="pls2-6c", sample="few_spheres scale=0.38", **second_ca_ports).start()
    yield running
    running.stop()
    running.log.unlink()


@pytest.fixture(scope="module")
def devices(ioc):
    file = load_microscope("pls2-6c")
    ring = file.ring.model_copy(update={"late_s": 0.4, "settle_s": 0.3})
    with beamline.connected(file.model_copy(update={"ring": ring}), timeout_s=DONE_S) as made:
        assert beamline.problems(made) == []
        yield made


@pytest.fixture
def run(devices, ioc, tmp_path):
    """Take tomograms; whatever becomes of them, all is as it was."""
    RE, documents = engine()
    before = stands(devices)

    def take(**changes):
        params = SpeckleTomography(**(dict(SMALL) | changes))
        RE(speckle_tomography(devices, params, folder=tmp_path))
        return records(documents.all)

    yield SimpleNamespace(take=take, ioc=ioc, RE=RE)
    RE.msg_hook = None
    ioc.clear_faults()
    assert stands(devices) == before
    assert beamline.problems(devices) == []


def records(documents):
    """All runs, oldest first."""
    starts = [index for index, (name, _) in enumerate(documents) if name == "start"]
    ends = [*starts[1:], len(documents)]
    return [RunRecord.from_documents(documents[first:last]) for first, last in zip(starts, ends, strict=True)]


def stands(devices):
    """Where everything but the rotation stage is, on ten tolerances, and what is at work."""
    now = {
        motor.name: round(motor.user_readback.get(use_monitor=False) / (10 * motor.axis.tolerance))
        for motor in devices.motors()
        if motor is not devices.sample.theta
    }
    return now | {"shutter": devices.shutter.state()}


def frames(record, stream):
    path = record.streams[stream].resource["uri"].removeprefix("file://localhost")
    with h5py.File(path, "r") as file:
        return file["/entry/data/data"][()].astype(float)


def likeness(one, other):
    """Correlation of two images."""
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_two_positions_to_and_fro_with_references_between(run):
    run.ioc.fault("drop_frames count=1 seed=2")
    first, second = run.take(positions=2, step_mm=0.3, references_every=5)
    for record in (first, second):
        assert (record.stop["exit_status"], record.stop["reason"]) == ("success", "")
        check_streams(record)
        check_images(record)
    assert [each.start["speckle"]["number"] for each in (first, second)] == [0, 1]
    assert first.start["speckle"]["series"] == second.start["speckle"]["series"]
    middles = [sorted(row["theta_mid_deg"] for row in good(record)) for record in (first, second)]
    assert middles[0] == pytest.approx(middles[1], abs=2e-4)  # twice the resolution of the encoder
    speckle = [frames(record, "references").mean(0) for record in (first, second)]
    assert abs(likeness(*speckle)) < 0.3  # another place of the sheet: some thousand grains agree by chance


def good(record):
    return [row for row in record.ledger if row["status"] == "ok"]


def check_streams(record):
    summary, spans = record.ledger_summary(), record.rows("reference_spans")
    assert (summary["complete"], summary["counted"]) == (1, summary["written"])
    assert len({row["target"] for row in good(record)}) == len(good(record)) == 9
    counts = {name: record.streams[name].n_frames for name in ("darks", "flats", "references")}
    assert counts == {"darks": 2, "flats": 3, "references": 3}
    taken = {row["frame_index"] for row in record.ledger if row["frame_index"] >= 0}
    named = {row["first_frame"] + index for row in spans for index in range(row["frames"])}
    assert spans
    assert taken | named == set(range(record.streams["projections"].n_frames))
    assert not taken & named


def check_images(record):
    """What is where: flats have no speckle, references have, those between are like those before."""
    dark, flat = frames(record, "darks").mean(0), frames(record, "flats").mean(0)
    sound = flat - dark > 0.5 * np.median(flat - dark)  # neither dead pixels nor hot ones

    def light(image):
        return (image[sound] - dark[sound]) / (flat[sound] - dark[sound])

    reference = light(frames(record, "references").mean(0))
    one, other = (light(image) for image in frames(record, "flats")[:2])
    assert reference.std() > 3 * (one - other).std()
    projections = frames(record, "projections")
    spans = {row["first_frame"] + n for row in record.rows("reference_spans") for n in range(row["frames"])}
    likenesses = [likeness(light(image), reference) for image in projections]
    between = [likenesses[index] for index in spans]
    with_sample = [likenesses[row["frame_index"]] for row in good(record)]
    assert min(between) > max(with_sample)


def test_binned_frames(run):
    roi = Roi(min_x=1216, min_y=1048, size_x=128, size_y=64)
    (record,) = run.take(binning=2, references_after=False, projections=5, roi=roi)
    assert frames(record, "projections").shape == (5, 32, 64)
    assert record.start["acquisition"]["pixel_size_m"] == pytest.approx(1.3e-6)


def test_references_between_trains_that_lack_beam_are_taken_again(run, devices):
    """The front end closes as they begin, and opens again half a second later."""
    asked = []

    def look(msg):
        if msg.command == "prepare" and getattr(msg.args[0], "trigger", "") == "internal":
            asked.append(isinstance(msg.args[0], Rearm))
            if asked.count(True) == 1 and asked[-1]:
                devices.front_end_shutter.set("closed")
                threading.Timer(0.5, devices.front_end_shutter.set, ["open"]).start()

    run.RE.msg_hook = look
    (record,) = run.take(references_every=5, references_after=False)
    (span,) = record.rows("reference_spans")
    assert span["first_frame"] > 5
    assert asked.count(True) > 1
    assert record.ledger_summary()["complete"] == 1
    dark, between = frames(record, "darks").mean(), frames(record, "projections")
    assert between[span["first_frame"] :][: span["frames"]].mean((1, 2)).min() > 100 * dark


def test_a_series_that_was_killed_goes_on(ioc, devices, tmp_path, capsys):
    """SIGKILL while the second of two positions is flown; what --resume finds is then taken."""
    environment = {**os.environ, **ioc.environment, "OMP_NUM_THREADS": "1"}
    parameters, data = tmp_path / "speckle.yaml", DataFolder(tmp_path / "data")
    params = SMALL.model_copy(update={"positions": 2, "references_after": False, "projections": 25})
    parameters.write_text(params.to_yaml())
    going = run_command(parameters, data.root, plan=PLAN, beamline="pls2-6c")
    process = start(going, environment)
    wait_for_rows_of_second(data, process)
    workers = children(process.pid, "catalogue")
    os.killpg(process.pid, signal.SIGKILL)
    kill(workers)
    process.communicate()
    assert beamline.make_safe(devices) == []
    asked = SimpleNamespace(plan=PLAN, resume=resume.LAST)
    done = resume.progress(asked, load_microscope("pls2-6c"), params, data)
    assert "1 of 2 diffuser positions complete" in capsys.readouterr().out
    with closing(Journal(data.journal)) as journal:
        RE, _ = engine()
        RE.subscribe(journal)
        RE(speckle_tomography(devices, params, folder=data.frames_root, done=done))
    told = [run.speckle for run in list_runs(data.journal)]
    assert [each["number"] for each in told] == [0, 1, 1]
    assert len({each["series"] for each in told}) == 1
    (scan,) = all_scans(data.journal)
    assert [len(scan.progress().at(number).good) for number in range(2)] == [25, 25]
    assert 0 < sum(last - first + 1 for first, last in told[2]["taken"]) < 25


def wait_for_rows_of_second(data, process):
    """Wait until the second position has good rows; woken by the journal."""
    number, ledger = -1, ""
    with Follower(data.journal, runs="all") as follower:
        while process.poll() is None:
            for line in follower.poll():
                if line.name == "start":
                    number = line.doc["speckle"]["number"]
                elif line.name == "descriptor" and line.doc["name"] == "ledger":
                    ledger = line.doc["uid"]
                elif number == 1 and line.name == "event_page" and has_good(line.doc, ledger):
                    return
    raise AssertionError(f"the series ended early: {process.communicate()[0]}")


def has_good(page, ledger):
    return page["descriptor"] == ledger and "ok" in page["data"]["status"]
