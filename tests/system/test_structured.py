"""Structured illumination against the simulated beamline 6-2c, over Channel Access."""

import os
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from bluesky.utils import RunEngineInterrupted

from tests.system.command import put_in_force
from tests.system.ioc import Ioc
from tests.system.running import DONE_S, engine
from xsn_acq import beamline
from xsn_acq.config import load_microscope
from xsn_acq.devices.frame_file import ATTRIBUTES
from xsn_acq.devices.spectra_setup import SpectraSetup
from xsn_acq.params import Roi, StructuredIllumination
from xsn_acq.params.structured import Sheets
from xsn_acq.plans.structured_illumination import structured_illumination
from xsn_acq.plans.sweep import place_of

pytestmark = pytest.mark.system
SMALL = {
    "lines": 2,
    "per_line": 4,
    "lines_per_block": 1,
    "references_every": 2,
    "darks": 3,
    "exposure_s": 1.0,
    "roi": Roi(min_x=1568, min_y=1568, size_x=64, size_y=64),
}
"""32 x 32 binned pixels around the optical axis."""
LINE = SMALL | {"mode": "fly", "lines": 1, "references_every": 0, "sheets": Sheets(step_mm=0.004)}
NI_KA = slice(735, 761)
"""7478 eV, in bins of 10 eV."""


@pytest.fixture(scope="module")
def ioc(second_ca_ports):
    """A beamline of its own; 20 times real time."""
    running = Ioc(beamline="ssrl-6-2c", sample="three_cathodes", **second_ca_ports).start()
    yield running
    running.stop()
    running.log.unlink()


@pytest.fixture(scope="module")
def devices(ioc):
    file = load_microscope("ssrl-6-2c")
    ring = file.ring.model_copy(update={"late_s": 0.4, "settle_s": 0.3})
    with beamline.connected(file.model_copy(update={"ring": ring}), timeout_s=DONE_S) as made:
        assert beamline.problems(made) == []
        yield made


@pytest.fixture
def run(devices, tmp_path):
    """Take a sweep; whatever becomes of it, all is as it was."""
    RE, documents = engine()
    before = stands(devices)

    def start(**changes):
        params = StructuredIllumination(**(SMALL | changes))
        RE(structured_illumination(devices, params, folder=tmp_path))
        return documents.record()

    yield SimpleNamespace(RE=RE, documents=documents, start=start)
    if RE.state != "idle":
        RE.abort()
    assert stands(devices) == before
    assert beamline.problems(devices) == []


def stands(devices):
    """Where everything is, on a tenth of its tolerance, and what is at work."""
    now = {
        motor.name: round(motor.user_readback.get(use_monitor=False) / (10 * motor.axis.tolerance))
        for motor in devices.motors()
    }
    return now | {
        "velocity": devices.sandpaper_fine.x.velocity.get(use_monitor=False),
        "shutter": devices.shutter.state(),
        "capturing": [each.hdf.is_capturing() for each in (devices.camera, devices.vortex)],
        "acquiring": [each.driver.is_acquiring() for each in (devices.camera, devices.vortex)],
        "armed": devices.position_compare.is_armed(),
    }


def read(record, stream, dataset="entry/data/data"):
    """What the file of a stream holds."""
    path = record.streams[stream].resources[0]["uri"].removeprefix("file://localhost")
    with h5py.File(path) as file:
        return file[dataset][()]


def line_order(patterns):
    """Kind and pattern of every row of a line in pairs."""
    return [(kind, n) for kind in ("in", "out") for n in range(patterns)]


def told(rows):
    return [(row["kind"], row["pattern"]) for row in rows]


def alike(one, other):
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


def test_a_run_at_rest(run, devices):
    record = run.start()
    rows = record.rows("points")
    assert record.stop["exit_status"] == "success"
    kinds = [*("reference",), *("in",) * 4, *("out",) * 8, *("in",) * 4]
    patterns = [0, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7]
    assert told(rows) == list(zip(kinds, patterns, strict=True))
    assert {row["status"] for row in rows} == {"ok"}
    assert [row["frame"] for row in rows] == list(range(17))
    assert [row["spectrum"] for row in rows if row["kind"] != "out"] == list(range(9))
    expected = record.start["acquisition"]["expected"]
    assert expected == {"darks": 3, "patterns": 17, "spectra": 9}
    assert {name: record.streams[name].n_frames for name in expected} == expected
    params = StructuredIllumination(**SMALL)
    for row in rows:
        place = place_of(params, row["pattern"])
        for axis in ("fine_x", "fine_y", "coarse_x", "coarse_y"):
            tolerance = getattr(devices.file.axes, f"sandpaper_{axis}").tolerance
            assert row[f"{axis}_mm"] == pytest.approx(getattr(place, f"{axis}_mm"), abs=tolerance)
        assert row["sample_x_um"] == pytest.approx(100.0 if row["kind"] == "out" else 0.0, abs=0.02)
        assert row["beam_counts_s"] > 1e5
        assert row["ring_current_ma"] == pytest.approx(500.0, rel=0.01)

    check_images(record, rows)


def check_images(record, rows):
    """The same pattern looks the same again; spectra hold the sample's nickel."""
    dark = read(record, "darks").mean(axis=0)
    frames, spectra = read(record, "patterns") - dark, read(record, "spectra").astype(float)
    assert frames.shape == (17, 32, 32)
    assert spectra.shape == (9, 1, 4096)
    within = {row["pattern"]: frames[row["frame"]] for row in rows if row["kind"] == "in"}
    out = {row["pattern"]: frames[row["frame"]] for row in rows if row["kind"] == "out"}
    # patterns have a contrast of 60 %, noise is 7 % of the light
    assert alike(frames[0], within[0]) > 0.9
    for pattern, image in within.items():
        same = {each: alike(image, other) for each, other in out.items()}
        assert max(same, key=same.get) == pattern
        assert image.mean() < out[pattern].mean()
    nickel = spectra[:, 0, NI_KA].sum(axis=1)
    assert nickel.min() > 1000
    assert nickel[0] == pytest.approx(nickel[1], rel=0.03)  # pattern 0 twice; chance is a third of that


def test_a_line_on_the_fly(run, devices):
    record = run.start(**LINE | {"per_line": 8})
    rows = record.rows("points")
    assert record.stop["exit_status"] == "success"
    assert told(rows) == line_order(8)
    assert {row["status"] for row in rows} == {"ok"}
    period_s, exposure_s = record.start["acquisition"]["frame_period_s"], SMALL["exposure_s"]
    velocity = 0.004 / period_s
    resolution = devices.file.axes.sandpaper_fine_x.resolution
    for row in rows:
        wanted = -5.0 + 0.004 * row["pattern"] + 0.5 * velocity * exposure_s
        assert row["fine_x_mm"] == pytest.approx(wanted, abs=2 * resolution)
        assert row["coarse_x_mm"] == pytest.approx(-5.0, abs=2e-4)
    ticks = read(record, "spectra", f"{ATTRIBUTES}/CHAN1SCA0")
    # a gate lasts while the sheet goes an exposure's way; 80 MHz
    assert ticks == pytest.approx(np.full(8, exposure_s * 80e6), rel=1e-3)
    # the detectors are gated together: frames and spectra of a line come at the same intervals
    seconds = read(record, "patterns", f"{ATTRIBUTES}/NDArrayEpicsTSSec").astype(float)
    seconds += 1e-9 * read(record, "patterns", f"{ATTRIBUTES}/NDArrayEpicsTSnSec")
    assert np.diff(seconds[:8]) == pytest.approx(np.full(7, period_s), rel=0.01)


def test_frames_lost_on_the_fly_are_missing(run, ioc):
    put_in_force({**os.environ, **ioc.environment}, "drop_frames count=3 seed=4")
    record = run.start(**LINE | {"per_line": 12})
    rows = record.rows("points")
    assert record.stop["exit_status"] == "success"
    assert record.stop["reason"] == "incomplete: 3 of 12 patterns lack frame or spectrum"
    assert [row["pattern"] for row in rows] == [*range(12), *range(12)]
    missing = [row for row in rows if row["status"] == "missing"]
    assert [row["kind"] for row in missing] == ["in"] * 3
    assert {row["frame"] for row in missing} == {-1}
    assert [row["spectrum"] for row in rows if row["kind"] == "in"] == list(range(12))
    assert [row["frame"] for row in rows if row["status"] == "ok"] == list(range(21))
    assert record.streams["patterns"].n_frames == 21
    # each frame is its pattern's: the same without the sample looks alike, the neighbours less
    frames = read(record, "patterns") - read(record, "darks").mean(axis=0)
    out = {row["pattern"]: frames[row["frame"]] for row in rows if row["kind"] == "out"}
    for row in rows[:12]:
        if row["frame"] >= 0:
            same = {pattern: alike(frames[row["frame"]], other) for pattern, other in out.items()}
            assert max(same, key=same.get) == row["pattern"]


def test_a_pause_repeats_the_line_that_it_interrupted(run, devices):
    """The line without the sample: its frames come while it is flown."""

    def under_way(record):
        return "patterns" in record.streams and record.streams["patterns"].n_frames > 4

    run.documents.once(under_way, run.RE.request_pause)
    with pytest.raises(RunEngineInterrupted):
        run.start(**LINE | {"exposure_s": 5.0})
    assert run.RE.state == "paused"
    run.RE.resume()
    record = run.documents.record()
    assert record.stop["exit_status"] == "success"
    rows = record.rows("points")
    flagged = [row for row in rows if row["status"] == "flagged"]
    assert told(flagged)[-4:] == [("out", n) for n in range(4)]
    good = [row for row in rows if row["status"] == "ok"]
    assert told(good) == line_order(4)
    assert not {row["frame"] for row in good} & {row["frame"] for row in flagged if row["frame"] >= 0}


def test_an_abort_keeps_rows_and_frames(run, devices):
    run.documents.once(lambda record: len(record.rows("points")) >= 3, lambda: run.RE.abort(reason="enough"))
    with pytest.raises(RunEngineInterrupted):
        run.start()
    record = run.documents.record()
    assert record.stop["exit_status"] == "abort"
    assert record.stop["reason"].startswith("broken off: ")
    rows = record.rows("points")
    assert 3 <= len(rows) < 17
    assert max(row["frame"] for row in rows) < record.streams["patterns"].n_frames
    assert len(read(record, "patterns")) == record.streams["patterns"].n_frames
    assert devices.shutter.state() == "closed"


def test_what_a_killed_session_left_is_told_and_made_safe(run, devices, tmp_path):
    fine = devices.sandpaper_fine.x
    fine.velocity.set(0.004).wait(DONE_S)
    setup = SpectraSetup(
        stream="spectra", folder=tmp_path, filename="left", frames=5, trigger="gate", exposure_s=1.0
    )
    devices.vortex.prepare(setup).wait(DONE_S)
    devices.vortex.kickoff().wait(DONE_S)
    found = beamline.problems(devices)
    assert [line.partition(", found")[0] for line in found] == [
        "vortex: wanted idle",
        "vortex: wanted no open file",
        "sandpaper_fine_x: velocity: wanted 2 mm/s",
    ]
    assert all(line.endswith("run xsn-acq safe") for line in found)
    assert beamline.make_safe(devices) == []
