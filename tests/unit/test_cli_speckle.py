"""What the command line says of speckle microtomography before anything is connected, and of its runs."""

from pathlib import Path

import pytest
from documents import SyntheticRun

from xsn_acq.cli import main
from xsn_acq.storage.journal import Journal
from xsn_acq.storage.layout import DataFolder

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
