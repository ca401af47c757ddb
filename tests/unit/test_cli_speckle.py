"""What the command line says of speckle microtomography before anything is connected, and of its runs."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from bluesky.utils import RunEngineInterrupted
from documents import SyntheticRun
from speckle_run import SpeckleRun
from speckle_stand_in import StandIn, know_the_light

from xsn_acq.analysis.pwf import periodogram
from xsn_acq.cli import conclude, main, status
from xsn_acq.live import report, report_facts, speckle_reconstruction
from xsn_acq.live.results import read_status
from xsn_acq.live.volume import VolumeFile
from xsn_acq.plans import speckle_estimate
from xsn_acq.storage.journal import Journal
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = DOCS / "speckle_tomography.yaml"


@pytest.fixture
def dry_run(tmp_path, capsys):
    def said(parameters, beamline="pls2-6c", plan="speckle_tomography"):
        path = tmp_path / "parameters.yaml"
        path.write_text(parameters)
        ended = main(["run", beamline, plan, str(path), "--dry-run", "--data", str(tmp_path / "data")])
        return ended, *capsys.readouterr()

    return said


def test_the_example_tells_time_dose_and_disk(dry_run):
    ended, out, _ = dry_run(EXAMPLE.read_text())
    assert ended == 0
    assert "1 diffuser position, at each 881 frames of 512 x 512" in out
    assert "rotation axis of 2026-11-02, beamline file" in out


def test_the_small_example_fits_and_blurs_nothing(dry_run):
    ended, out, _ = dry_run((DOCS / "speckle_small.yaml").read_text())
    assert ended == 0
    assert "1 diffuser position, at each 361 frames of 192 x 96" in out
    assert "NOTE" not in out


@pytest.mark.parametrize(
    ("region", "found"),
    [
        ("roi: {min_x: 1248, min_y: 1064, size_x: 64, size_y: 32}", "64 x 32, binned 1 x 1"),
        ("binning: 4", "640 x 540, binned 4 x 4"),
    ],
)
def test_a_region_whose_light_cannot_be_measured_is_noted(dry_run, region, found):
    ended, out, _ = dry_run(f"{{{region}, projections: 4001}}")
    assert ended == 0
    assert "NOTE: coherence lengths want 48 binned pixels a side or more" in out
    assert f"here are {found}" in out
    assert speckle_estimate.LEAST_SIDE == periodogram.LEAST_SIDE


def test_what_the_file_forbids(dry_run):
    ended, _, err = dry_run("{positions: 2, step_mm: 0.01, projections: 200001, exposure_s: 0.1}")
    assert ended != 0
    assert "projections: wanted 100000 or less" in err
    ended, _, err = dry_run("{positions: 2, step_mm: 0.01, start_deg: 230}")
    assert "diffuser positions: wanted 0.018 mm or more between them" in err
    assert "choose another start_deg" in err


@pytest.mark.parametrize(
    ("beamline", "plan", "words"),
    [
        ("pls2-7c-xni", "speckle_tomography", "wanted a beamline of technique pwf, found pls2-7c-xni of xsn"),
        ("pls2-6c", "xsn_tomography", "found pls2-6c of pwf; it has speckle_tomography"),
    ],
)
def test_each_technique_has_its_own_beamline(dry_run, beamline, plan, words):
    ended, _, err = dry_run("{}", beamline, plan)
    assert ended != 0
    assert words in err


def test_a_list_of_runs_names_the_position(tmp_path, capsys):
    class Position(SyntheticRun):
        def start_metadata(self):
            part = {"series": "5ca1ab1e-0000", "number": 1, "count": 3, "position_mm": [0.1, -0.05]}
            return {**super().start_metadata(), "speckle": part}

    data = DataFolder(tmp_path)
    journal = Journal(data.journal)
    for name, doc in Position(projections=3).play(data.frames_root):
        journal(name, doc)
    assert main(["runs", "--data", str(tmp_path)]) == 0
    assert "scan 5ca1ab1e 2/3, 0.1, -0.05 mm" in capsys.readouterr().out


SMALL = (16, 24)
PLACES = ((0.0, 0.0), (0.1, 0.0))
SERIES = "5ca1ab1e-0000-4000-8000-000000000000"
VOLUME = "results/5ca1ab1e/reconstruction.h5"


@pytest.fixture
def series(tmp_path, monkeypatch):
    """A data folder with the runs of a series: (folder, uids, what was retrieved)."""
    know_the_light(monkeypatch)
    retrieved = StandIn(SMALL)
    monkeypatch.setattr(speckle_reconstruction, "retrieve_views", retrieved)
    data, uids = DataFolder(tmp_path), []
    journal = Journal(data.journal)
    for number, place in enumerate(PLACES):
        later = {"seed": number, "time_s": 1.9e9 + number, "number": number, "position_mm": place}
        run = SpeckleRun(shape=SMALL, projections=5, positions_mm=PLACES, series=SERIES, **later)
        uids.append(run.journal(data.frames_root, journal))
    return tmp_path, uids, retrieved


@pytest.mark.parametrize("which", [0, 1])
def test_a_series_is_reconstructed_from_any_of_its_runs(series, capsys, which):
    folder, uids, retrieved = series
    given = ["--keep-background", "--rings", "angular_mean", "--diffuser-phase", "zero_phase"]
    named = ["reconstruct", uids[which][:8], "--data", str(folder), "--beta-over-delta", "0.004", "--quiet"]
    retrieved.strain = 12.0  # above the limit of two exposures
    assert main([*named, *given]) in (0, None)
    out, err = capsys.readouterr()
    assert out.splitlines() == [str(folder / VOLUME)]
    assert err.startswith("xsn-acq reconstruct: done: the sample is not of one material")
    assert [there for _, there in retrieved.asked] == [(True, True)] * 5
    with VolumeFile(folder / VOLUME) as volume:
        known = volume.parameters
    assert (known["beta_over_delta"], known["diffuser_phase"]) == (0.004, "zero_phase")
    assert (known["rings"], known["background"], known["diffuser_positions"]) == ("angular_mean", False, 2)
    assert read_status(folder / "results" / "5ca1ab1e").run == uids[0]


def test_mode_free_of_too_few_positions_is_refused_in_a_line(series, capsys):
    folder, uids, retrieved = series
    assert main(["reconstruct", uids[0], "--data", str(folder), "--mode", "free", "--quiet"]) not in (0, None)
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert "mode free: wanted 3 diffuser positions or more, found 2; take more, or mode single" in line
    assert retrieved.asked == []


def test_a_report_of_any_of_its_runs_is_that_of_the_volume(series, capsys, monkeypatch):
    folder, uids, _ = series
    asked = []
    monkeypatch.setattr(report, "write_report", lambda path, record, output: asked.append((path, record)))
    ended = main(["report", uids[1], "--data", str(folder)])
    assert ended not in (0, None)
    assert "reconstruction.h5: not there; of a tomogram, xsn-acq reconstruct" in capsys.readouterr().err
    main(["reconstruct", uids[0], "--data", str(folder), "--beta-over-delta", "0.004", "--quiet"])
    assert main(["report", uids[1], "--data", str(folder)]) == 0
    ((path, record),) = asked
    assert path == folder / VOLUME
    assert record.uid == uids[0]


TIMES = {"duration_s": 67.9, "exposures_s": 49.6, "motors_s": 13.3, "overhead_s": 5.0}


@pytest.mark.parametrize(
    ("times", "told"),
    [
        (TIMES, "68 s: exposures 49.6, motors 13.3, all else 5.0"),
        (
            TIMES | {"duration_s": 7.1, "overhead_s": -55.8},
            "7 s; nominal, the clock of a simulation runs faster: exposures 49.6, motors 13.3",
        ),
    ],
)
def test_where_the_time_of_a_run_went_is_told_at_its_end_and_in_its_report(tmp_path, capsys, times, told):
    data = DataFolder(tmp_path)
    journal, stream = Journal(data.journal), {"uid": "times", "run_start": "0123abcd", "name": "run_times"}
    journal("start", {"uid": "0123abcd", "time": 1e9, "plan_name": "speckle_tomography"})
    journal("descriptor", {**stream, "data_keys": {}})
    page = {name: [value] for name, value in times.items()}
    journal("event_page", {"descriptor": "times", "seq_num": [1], "time": [1e9], "data": page})
    journal("stop", {"uid": "stop", "run_start": "0123abcd", "exit_status": "success", "reason": ""})
    assert conclude.conclude(["0123abcd"], None, {}, data) == status.WELL
    assert capsys.readouterr().out.splitlines() == ["run 0123abcd", f"time {told}"]
    (path,) = data.journal.iterdir()
    assert ("time", told) in report_facts.measured(RunRecord.from_journal(path))


@pytest.mark.parametrize(
    ("stop", "failure", "ended", "told"),
    [
        (
            {"exit_status": "abort", "reason": "broken off: SIGTERM"},
            RunEngineInterrupted(),
            status.BROKEN_OFF,
            "ABORTED: diffuser position 2 of 3: broken off: SIGTERM; what was measured is being catalogued; ",
        ),
        (
            {"exit_status": "success", "reason": "incomplete: 1 of 13 projections missing: 4"},
            None,
            status.INCOMPLETE,
            "INCOMPLETE: diffuser position 2 of 3: 1 of 13 projections missing: 4; ",
        ),
    ],
)
def test_a_series_that_is_not_whole_says_where_and_how_to_go_on(tmp_path, capsys, stop, failure, ended, told):
    data = DataFolder(tmp_path)
    journal, part = Journal(data.journal), {"series": SERIES, "number": 1, "count": 3}
    journal("start", {"uid": "0123abcd", "time": 1e9, "plan_name": "speckle_tomography", "speckle": part})
    journal("stop", {"uid": "stop", "run_start": "0123abcd", **stop})
    assert conclude.conclude(["0123abcd"], failure, {}, data) == ended
    assert f"xsn-acq run: {told}run --resume 5ca1ab1e takes the rest\n" in capsys.readouterr().err


def test_the_volume_of_a_series_is_told_once(series, capsys, monkeypatch):
    folder, uids, retrieved = series
    monkeypatch.setattr(conclude, "_MADE_OF", {})
    retrieved.converged = 0.0
    main(["reconstruct", uids[0], "--data", str(folder), "--beta-over-delta", "0.004", "--quiet"])
    capsys.readouterr()
    service = SimpleNamespace(finish=lambda timeout_s: 0)
    assert conclude.conclude(uids, None, {"live": service}, DataFolder(folder)) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [f"run {uids[0]}", f"run {uids[1]}", f"volume {folder / VOLUME}"]
    assert "done: 5 of 5 angles did not converge" in err
