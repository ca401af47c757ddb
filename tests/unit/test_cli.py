"""What the command line says and returns without a beamline."""

import logging
import re
from tempfile import TemporaryFile
from types import SimpleNamespace

import numpy as np
import pytest
from bluesky.utils import RunEngineInterrupted

from xsn_acq.cli import conclude, demo, logs, main, progress, status
from xsn_acq.errors import ConfigError, DeviceError, LimitError, ReconstructionError
from xsn_acq.live import calibrate
from xsn_acq.storage import layout
from xsn_acq.storage.journal import Journal

REGION = "roi: {min_x: 1412, min_y: 1472, size_x: 384, size_y: 256}\n"


@pytest.fixture
def dry_run(tmp_path, capsys):
    def tried(text, *options):
        path = tmp_path / "tomography.yaml"
        path.write_text(text)
        data = ("--data", str(tmp_path / "data"))
        ended = main(["run", "pls2-7c-xni", "xsn_tomography", str(path), "--dry-run", *data, *options])
        assert not (tmp_path / "data").exists()
        said = capsys.readouterr()
        return ended, said.out, said.err

    return tried


def test_a_dry_run_tells_time_dose_and_disk(dry_run):
    ended, out, err = dry_run(REGION)
    assert (ended, err) == (status.WELL, "")
    wanted = r"time 31 min \d\d s, dose: sample 30 min \d\d s in the beam, disk 46.2 MB"
    assert re.fullmatch(wanted, out.splitlines()[1])


def test_times_are_told_at_the_speed_of_a_simulated_clock(dry_run):
    _, out, _ = dry_run(REGION, "--speed", "40")
    assert re.search(r"time 31 min \d\d s \(47 s at 40 times real time\)", out)


def test_a_dry_run_refuses_all_that_the_beamline_file_forbids_at_once(dry_run):
    ended, out, err = dry_run("projections: 36\nexposure_s: 0.0001\nsample_out_um: 9000.0\n" + REGION)
    assert ended == status.REFUSED
    assert out == ""
    first, *faults = err.splitlines()
    assert first == "xsn-acq run: xsn_tomography: 3 faults"
    for fault, words in zip(faults, ("greatest speed is 30 deg/s", "run-up", "9000 um"), strict=True):
        assert words in fault


def test_a_single_fault_comes_in_one_line(dry_run):
    ended, _, err = dry_run("sample_out_um: 9000.0\n" + REGION)
    assert ended == status.REFUSED
    assert err == (
        "xsn-acq run: xsn_tomography: sample_x: wanted -2000 to 2000 um, found 9000 um for the flats; "
        "choose another sample_out_um\n"
    )


def test_wrong_input_is_refused(dry_run):
    ended, _, err = dry_run("exposre_s: 1.0\n")
    assert ended == status.REFUSED
    assert err.endswith("exposre_s: no such key; did you mean exposure_s?\n")
    with pytest.raises(SystemExit) as left:
        dry_run(REGION, "--speed", "0")
    assert left.value.code == status.REFUSED


@pytest.mark.parametrize("command", [["sim", "pls2-6c"], ["demo"], ["run", "pls2-6c", "plan", "p.yaml"]])
def test_a_simulated_clock_that_is_too_slow_is_refused_in_a_line(command, capsys):
    with pytest.raises(SystemExit) as left:
        main([*command, "--speed", "0.25"])
    assert left.value.code == status.REFUSED
    told = (
        "argument --speed: wanted 0.5 times real time or more, found 0.25: moves are waited for in real time"
    )
    assert capsys.readouterr().err.splitlines()[-1].endswith(told)


@pytest.mark.parametrize(
    ("error", "ended"),
    [
        (ConfigError("file", ["wrong"]), 2),
        (LimitError("plan", ["too far"]), 2),
        (ReconstructionError("too few"), 2),
        (DeviceError("camera", "arm", 1, 0), 1),
        (OSError("gone"), 1),
    ],
)
def test_exit_status_of_an_error(error, ended):
    assert status.of_error(error) == ended
    assert f"{ended} " in status.MEANING


@pytest.fixture
def logged(capsys):
    """What is seen of a record of the error that is being handled."""

    def log(name, message, level=logging.ERROR):
        handler = logs.handler()
        error = ValueError("not a number")
        record = logging.LogRecord(name, level, "", 0, message, (), (type(error), error, None))
        if level >= handler.level:
            handler.handle(record)
        return capsys.readouterr().err

    return log


def test_what_libraries_log_is_one_line(logged):
    assert logged("ophyd.objects", "Subscription value callback exception") == (
        "ophyd: Subscription value callback exception: ValueError: not a number\n"
    )
    assert logged("bluesky", "started", logging.INFO) == ""


@pytest.mark.parametrize(
    ("name", "message"), [("bluesky", "Run aborted"), ("ophyd", "Exception occurred during callback <f>")]
)
def test_what_the_command_tells_itself_is_not_told_twice(logged, name, message):
    assert logged(name, message) == ""


def test_numbers_of_an_error_are_rounded():
    error = DeviceError("sample_theta", "move", 359.99999999999994, -3367.406380027739, "deg")
    assert str(error) == "sample_theta: move: wanted 360.0 deg, found -3367.40638 deg"
    assert error.found == -3367.406380027739


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path, monkeypatch, capsys):
    def denied(dir):
        if dir == tmp_path / "frames":
            raise PermissionError(13, "Permission denied")
        return TemporaryFile(dir=dir)

    monkeypatch.setattr(layout, "TemporaryFile", denied)
    path = tmp_path / "tomography.yaml"
    path.write_text(REGION)
    ended = main(["run", "pls2-7c-xni", "xsn_tomography", str(path), "--data", str(tmp_path)])
    assert ended == status.FAILED
    assert capsys.readouterr().err == (
        f"xsn-acq run: data folder {tmp_path / 'frames'}: cannot be written: Permission denied; "
        "choose another with --data\n"
    )
    (tmp_path / "file").touch()
    assert main(["demo", "--output", str(tmp_path / "file" / "demo")]) == status.FAILED
    assert capsys.readouterr().err == f"xsn-acq demo: {tmp_path / 'file' / 'demo'}: Not a directory\n"
    assert main(["runs", "--data", str(tmp_path / "file")]) == status.REFUSED
    assert "wanted a data folder, found none" in capsys.readouterr().err


def test_the_demo_tells_its_times_at_the_pace_of_its_clock(tmp_path, monkeypatch):
    asked = []

    def ran(command, **_):
        asked.extend(command)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(demo.subprocess, "run", ran)
    demo._measure(tmp_path / "tomography.yaml", tmp_path / "data", 40.0, {})
    assert asked[asked.index("--speed") + 1] == "40.0"


@pytest.mark.parametrize(("speed", "what"), [(1.0, "darks"), (40.0, "darks at 40 times real time")])
def test_a_progress_bar_tells_the_pace_of_a_simulated_clock(monkeypatch, speed, what):
    bars = []

    def bar(**options):
        bars.append(options["desc"])
        return SimpleNamespace(n=0, update=lambda frames: None, close=lambda: None)

    monkeypatch.setattr(progress, "tqdm", bar)
    show = progress.FrameProgress(speed)
    show("descriptor", {"uid": "a", "name": "darks"})
    show("stream_datum", {"descriptor": "a", "indices": {"stop": 3}})
    assert bars == [what]


def test_the_bar_of_projections_counts_references_between_and_what_was_taken(monkeypatch):
    totals = {}

    def bar(*, total, desc, **_):
        totals[desc] = total
        return SimpleNamespace(n=0, update=lambda frames: None, close=lambda: None)

    monkeypatch.setattr(progress, "tqdm", bar)
    show = progress.FrameProgress()
    expected = {"references": 20, "projections": 801}
    for name, taken in (("whole", []), ("rest", [[0, 390], [400, 799]])):
        acquisition = {"expected": expected, "references_between": 60}
        params = {"references_every": 250}
        show("start", {"speckle": {"taken": taken}, "acquisition": acquisition, "params": params})
        show("descriptor", {"uid": name, "name": "projections"})
        show("stream_datum", {"descriptor": name, "indices": {"stop": 3}})
        show("stop", {})
        assert totals == {"projections": {"whole": 861, "rest": 10}[name]}


def test_one_bar_for_all_energies_of_a_scan(monkeypatch):
    bars = []

    class Bar(SimpleNamespace):
        def set_description(self, text, refresh):
            self.desc = text

        def update(self, frames):
            self.n += frames

        def close(self):
            self.closed = True

    def bar(*, initial, total, **_):
        bars.append(Bar(n=initial, total=total, closed=False))
        return bars[-1]

    monkeypatch.setattr(progress, "tqdm", bar)
    show = progress.FrameProgress()

    def take(number, taken, frames):
        part = {"number": number, "count": 3, "energies_ev": [8313.0, 8317.5, 8321.0], "taken": taken}
        show("start", {"hyperspectral": part, "acquisition": {"expected": {"darks": 5, "projections": 90}}})
        show("descriptor", {"uid": f"darks{number}", "name": "darks"})
        show("stream_datum", {"descriptor": f"darks{number}", "indices": {"stop": 5}})
        show("descriptor", {"uid": f"frames{number}", "name": "projections"})
        show("stream_datum", {"descriptor": f"frames{number}", "indices": {"stop": frames}})

    take(1, [[0, 19], [30, 39]], 10)  # 30 of 90 were taken before the scan was broken off
    (shown,) = bars
    assert (shown.n, shown.total, shown.desc) == (90 + 40, 270, "2/3, 8317.5 eV")
    show("stop", {})
    take(2, [], 95)  # five were flown again
    assert (shown.n, shown.desc) == (270, "3/3, 8321 eV")
    assert not shown.closed
    show("stop", {})
    assert shown.closed
    assert len(bars) == 1


STOPPED, BROKEN = RunEngineInterrupted(), DeviceError("undulator", "move", 7.7, 7.6)


@pytest.mark.parametrize(
    ("words", "failure", "well", "ended"),
    [
        (["complete", "complete"], None, True, status.WELL),
        (["complete", "complete"], None, False, status.FAILED),
        (["INCOMPLETE", "complete"], None, True, status.INCOMPLETE),
        (["complete", "FAILED"], BROKEN, True, status.FAILED),
        (["complete", "INCOMPLETE"], BROKEN, True, status.FAILED),
        (["complete", "ABORTED"], STOPPED, True, status.BROKEN_OFF),
        (["complete", "complete"], STOPPED, True, status.BROKEN_OFF),
    ],
)
def test_the_exit_status_of_several_runs_is_that_of_the_worst(words, failure, well, ended):
    assert conclude._exit_status(words, failure, well=well) == ended


@pytest.mark.parametrize(
    ("number", "told"), [(1, "INCOMPLETE: 8333 eV: 2 lost; run --resume 5ca1ab1e"), (None, ": 2 lost; run")]
)
def test_a_hyperspectral_scan_that_is_not_whole_says_at_which_energy(tmp_path, capsys, number, told):
    data = layout.DataFolder(tmp_path)
    part = {"scan": "5ca1ab1e-0000", "number": number, "count": 2, "energies_ev": [8300.0, 8333.0]}
    journal = Journal(data.journal)
    journal("start", {"uid": "0123abcd", "time": 1e9, "plan_name": "hyper", "hyperspectral": part})
    stop = {"exit_status": "success", "reason": "incomplete: 2 lost"}
    journal("stop", {"uid": "stop", "run_start": "0123abcd", **stop})
    conclude.conclude(["0123abcd"], None, {}, data)
    assert told in capsys.readouterr().err


class FinishedService:
    """A process beside the run that ends well; whether it was waited for."""

    waited_for = False

    def finish(self, timeout_s):
        self.waited_for = True
        return status.WELL


@pytest.fixture
def concluded(tmp_path, monkeypatch, capsys):
    """Conclude a calibration run whose analysis breaks."""

    def tried(failure, **options):
        data, service = layout.DataFolder(tmp_path), FinishedService()
        journal = Journal(data.journal)
        journal(
            "start", {"uid": "0123abcd", "time": 1e9, "technique": "calibration", "plan_name": "focus_scan"}
        )
        journal("stop", {"uid": "stop", "run_start": "0123abcd", "exit_status": "success", "reason": ""})

        def broken(*_):
            raise failure

        monkeypatch.setattr(calibrate, "calibrate", broken)
        ended = conclude.conclude(["0123abcd"], None, {"catalogue": service}, data, **options)
        assert service.waited_for
        return ended, capsys.readouterr().err

    return tried


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (np.linalg.LinAlgError("Singular matrix"), "LinAlgError: Singular matrix"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (ReconstructionError("no two are half a turn apart"), "no two are half a turn apart"),
    ],
)
def test_services_are_waited_for_whatever_the_analysis_does(concluded, failure, told):
    assert concluded(failure) == (status.FAILED, f"xsn-acq run: no calibration: {told}\n")


def test_debug_shows_where_the_analysis_broke(concluded):
    ended, err = concluded(np.linalg.LinAlgError("Singular matrix"), debug=True)
    assert ended == status.FAILED
    assert err.startswith("Traceback")
