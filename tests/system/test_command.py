"""The command line from end to end: a tomogram, its live reconstruction, processes killed beside it."""

import json
import shutil
import signal
import subprocess
import threading

import h5py
import numpy as np
import pytest

from tests.system.command import (
    children,
    command,
    finished,
    hardware,
    kill,
    own_beamline,
    put_in_force,
    run_command,
)
from xsn_acq.sim.process import free_ports
from xsn_acq.storage.catalogue import opened_catalogue
from xsn_acq.storage.journal import find_run, read_journal
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

pytestmark = pytest.mark.system

PARAMETERS = """\
projections: {projections}
exposure_s: {exposure_s}
darks: 3
flats: 5
roi: {roi}
"""
SMALL = "{min_x: 1540, min_y: 1552, size_x: 128, size_y: 96}"
TINY = "{min_x: 1588, min_y: 1584, size_x: 32, size_y: 32}"
"""Where only the number of frames matters: they are made faster."""
PATIENCE_S = 150


def parameters(folder, projections=120, exposure_s=2.0, roi=SMALL, more=""):
    path = folder / "tomography.yaml"
    path.write_text(PARAMETERS.format(projections=projections, exposure_s=exposure_s, roi=roi) + more)
    return path


def start(arguments, environment):
    return subprocess.Popen(
        arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def said(arguments, environment, status):
    """What a command prints, which must end with that status."""
    found, output = finished(start(arguments, environment), PATIENCE_S)
    assert found == status, output
    return output


def wait_for_projections(data, process, frames):
    """Follow the journal until so many projections were announced; no clock but the run's own."""
    pause = threading.Event()
    while process.poll() is None:
        pause.wait(0.1)
        for path in sorted((data / "journal").glob("*.jsonl")):
            announced = [
                line.doc["indices"]["stop"] for line in read_journal(path) if line.name == "stream_datum"
            ]
            names = [line.doc["name"] for line in read_journal(path) if line.name == "descriptor"]
            if "projections" in names and announced[-1] >= frames:
                return path
    raise AssertionError(f"the run ended early: {process.communicate()[0]}")


@pytest.mark.timeout(300)
def test_live_worker_and_catalogue_killed_in_mid_scan(tmp_path):
    data = tmp_path / "data"
    with own_beamline(speed=12.0) as environment:
        process = start(run_command(parameters(tmp_path, projections=80), data, "--live"), environment)
        wait_for_projections(data, process, 30)
        workers = children(process.pid, "live") + children(process.pid, "catalogue")
        assert len(workers) == 2
        kill(workers)
        status, output = finished(process, PATIENCE_S)
    assert status == 0, output

    folder = DataFolder(data)
    record = RunRecord.from_journal(find_run(folder.journal, "last").path)
    assert record.complete
    assert record.ledger_summary()["complete"]
    live = json.loads((folder.results(record.uid) / "live.json").read_text())
    assert (live["state"], live["pairs"]) == ("done", 40)
    with opened_catalogue(folder.root) as catalogue:
        run = catalogue[record.uid]
        assert run.metadata["stop"]["exit_status"] == "success"
        assert run["projections/camera_image"].shape == (80, 48, 64)

    # what the killed worker had done is part of the result: it equals the same run reconstructed from
    # nothing: from the journal, and from the raw file alone, copied elsewhere with its frames
    again = command("reconstruct", "last", "--data", data, "--output", tmp_path / "again", "--quiet")
    subprocess.run(again, check=True, capture_output=True)
    for part in ("exports", "frames"):
        shutil.copytree(data / part, tmp_path / "elsewhere" / part)
    (raw,) = (tmp_path / "elsewhere" / "exports").glob("*.nx")
    data.rename(tmp_path / "gone")
    done = subprocess.run(
        command("reconstruct", raw, "--workers", 2), check=True, capture_output=True, text=True
    )
    volume = raw.with_name(f"{raw.stem}-xsn") / "reconstruction.h5"
    assert done.stdout == f"{volume}\n"
    live = DataFolder(tmp_path / "gone").results(record.uid) / "reconstruction.h5"
    for offline in (tmp_path / "again" / "reconstruction.h5", volume):
        assert_equal(live, offline)


def assert_equal(live, offline):
    """Both volumes are the same."""
    with h5py.File(live) as live_file, h5py.File(offline) as offline_file:
        for name in ("delta/delta", "beta/beta"):
            ours, theirs = (file["entry"][name][()] for file in (live_file, offline_file))
            # FINUFFT adds in an order that depends on its threads: the rounding of float32
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=4e-6 * np.abs(theirs).max())


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("number", "options"), [(signal.SIGINT, ["--live"]), (signal.SIGHUP, [])])
def test_one_signal_breaks_the_run_off_and_leaves_all_safe(tmp_path, number, options):
    """With --live there is too little to reconstruct, which is said and is no failure."""
    data = tmp_path / "data"
    with own_beamline(speed=20.0) as environment:
        process = start(run_command(parameters(tmp_path), data, *options), environment)
        wait_for_projections(data, process, 20)
        process.send_signal(number)
        status, output = finished(process, PATIENCE_S)
        found = hardware(
            environment, "7C:SHT:Sts", "7C:SAM:m4.DMOV", "7C:SAM:m4.VELO", "7C:KTX:HDF1:Capture_RBV"
        )
    assert status == 130, output
    assert found == ["Closed", "1", "10.0000", "Done"]
    folder = DataFolder(data)
    record = RunRecord.from_journal(find_run(folder.journal, "last").path)
    assert record.stop["exit_status"] == "abort"
    assert record.stop["reason"].startswith("broken off: ")
    if number != signal.SIGHUP:
        assert f"ABORTED: {record.stop['reason']}; what was measured is being catalogued" in output
    assert "Traceback" not in output
    assert "failed" not in output
    if options:
        assert "no reconstruction: run" in output
        assert "no two frames were half a turn apart" in output
    with opened_catalogue(folder.root) as catalogue:
        assert catalogue[record.uid].metadata["stop"]["exit_status"] == "abort"


@pytest.mark.timeout(300)
def test_a_killed_session_is_put_right(tmp_path):
    """The next run is whole but for the frames that the camera loses: it has an exit status of its own."""
    data = tmp_path / "data"
    names = ("7C:SHT:Sts", "7C:SAM:m4.VELO", "7C:KTX:HDF1:Capture_RBV", "7C:ZEB:PC_ARM_OUT")
    with own_beamline(speed=20.0) as environment:
        process = start(run_command(parameters(tmp_path), data), environment)
        wait_for_projections(data, process, 20)
        process.send_signal(signal.SIGKILL)
        finished(process, PATIENCE_S)
        left = hardware(environment, *names)
        checked = said(command("check", "pls2-7c-xni"), environment, status=1)
        refused = said(run_command(parameters(tmp_path), data), environment, status=2)
        listed = said(command("runs", "--data", data), environment, status=0)
        said(command("safe", "pls2-7c-xni"), environment, status=0)
        safe = hardware(environment, *names)
        put_in_force(environment, "drop_frames count=5 seed=1")
        path = parameters(tmp_path, projections=36, exposure_s=1.0, more="retakes: 0\n")
        incomplete = said(run_command(path, data), environment, status=3)
        after = hardware(environment, *names)
    listed_then = said(command("runs", "--data", data), environment, status=0)
    assert left[0] == "Open"
    assert left[2] == "Capturing"
    for output in (checked, refused):
        assert "camera: wanted no open file, found one" in output
        assert "run xsn-acq safe" in output
    assert "sample_theta: velocity: wanted 10 deg/s, found 1.49" in checked
    assert "shutter: wanted closed while nothing is measured, found open" in checked
    assert "INTERRUPTED" in listed
    assert safe == after == ["Closed", "10.0000", "Done", "No"]
    missing = "camera counted 31 of 36 triggers; 5 of 36 projections missing: "
    assert incomplete.splitlines()[-1].startswith(f"xsn-acq run: INCOMPLETE: {missing}")
    assert f"INCOMPLETE   {missing}" in listed_then


@pytest.mark.timeout(300)
def test_a_run_that_fails_is_catalogued(tmp_path):
    data = tmp_path / "data"
    with own_beamline(speed=20.0, faults=["disk_full after=20"]) as environment:
        process = start(run_command(parameters(tmp_path), data), environment)
        status, output = finished(process, PATIENCE_S)
    assert status == 1
    assert output.count("xsn-acq run: FAILED: camera_hdf") == 1
    assert "No space left on device" in output
    assert "Traceback" not in output
    folder = DataFolder(data)
    with opened_catalogue(folder.root) as catalogue:
        run = catalogue[find_run(folder.journal, "last").uid]
        assert run.metadata["stop"]["exit_status"] == "fail"


@pytest.mark.timeout(300)
def test_nine_hundred_frames_of_which_three_are_lost(tmp_path):
    data = tmp_path / "data"
    faults = ["drop_frames count=3 seed=5"]
    with own_beamline(speed=60.0, faults=faults) as environment:
        params = parameters(tmp_path, projections=900, exposure_s=1.0, roi=TINY)
        process = start(run_command(params, data), environment)
        status, output = finished(process, PATIENCE_S)
    assert status == 0, output

    record = RunRecord.from_journal(find_run(DataFolder(data).journal, "last").path)
    summary = record.ledger_summary()
    assert (summary["complete"], summary["lost"], summary["retaken"]) == (1, 3, 3)
    assert summary["pulses"] == summary["captured"] == 903
    assert summary["counted"] == summary["written"] == 900
    rows = record.ledger
    lost = {row["target"] for row in rows if row["status"] == "lost"}
    retaken = {row["target"] for row in rows if row["train"] > 0 and row["status"] == "ok"}
    assert len(lost) == 3
    assert retaken == lost
    good = {row["target"]: row for row in rows if row["status"] == "ok"}
    assert sorted(good) == list(range(900))
    # encoder resolution 1e-4 degree
    worst = max(abs(row["theta_deg"] - 0.4 * target) for target, row in good.items())
    assert worst < 2e-4


def test_a_wrong_parameter_file_lists_every_fault_and_moves_nothing(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("projections: 0\nexposure_s: -1.0\ncolour: red\n")
    done = subprocess.run(
        run_command(path, tmp_path / "data", "--dry-run"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    for fault in ("projections", "exposure_s", "colour"):
        assert fault in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("option", "words"), [("--sample=sand", "'sand' is unknown"), ("--speed=0", "speed")]
)
def test_a_simulation_that_cannot_be_is_refused_in_words(option, words):
    arguments = command("sim", "pls2-7c-xni", option, "--port", free_ports(1)[0])
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_check_names_what_does_not_answer(tmp_path):
    with own_beamline() as environment:
        done = subprocess.run(
            command("check", "pls2-7c-xni"), env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "0 problem(s)" in done.stdout
    done = subprocess.run(
        command("check", "pls2-7c-xni", "--timeout", 1),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "caRepeater" not in line and "****" not in line]
    port = environment["EPICS_CA_SERVER_PORT"]
    assert line.startswith(
        "xsn-acq check: beamline pls2-7c-xni: no record answered within 1 s; sought SR:Current"
    )
    assert f"at 127.0.0.1, port {port}; start the IOC" in line
