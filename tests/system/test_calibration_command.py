"""A calibration from the command line: measured, stored, told, used by the next run, analysed again."""

import subprocess

import pytest

from tests.system.command import command, own_beamline, run_command
from xsn_acq.config import load_beamline
from xsn_acq.storage.journal import find_run
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

pytestmark = pytest.mark.system

NAME = "pls2-7c-xni"
KNIFE_EDGE = """\
points: 17
darks: 3
roi: {min_x: 1472, min_y: 1568, size_x: 256, size_y: 64}
"""
FOCUS = """\
exposure_s: 3.0
darks: 5
roi: {min_x: 1476, min_y: 1504, size_x: 256, size_y: 192}
"""
HIDDEN_UM = 18.0
PATIENCE_S = 150


def said(arguments, environment=None):
    done = subprocess.run(
        arguments, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.timeout(300)
def test_a_knife_edge_is_used_by_the_next_run(tmp_path):
    data = DataFolder(tmp_path / "data")
    (tmp_path / "knife_edge.yaml").write_text(KNIFE_EDGE)
    (tmp_path / "tomography.yaml").write_text("projections: 36")
    with own_beamline(speed=20.0) as environment:
        calibrated = said(
            run_command(tmp_path / "knife_edge.yaml", data.root, plan="knife_edge"), environment
        )
        run = RunRecord.from_journal(find_run(data.journal, "last").path)
        tomogram = said(run_command(tmp_path / "tomography.yaml", data.root, "--dry-run"))
    assert "knife edge of 2026-11-02, beamline file, 8300.0 eV" in calibrated
    line, file, picture = calibrated[-3:]
    assert line.startswith("knife edge: half of the light passes at ")
    (stored,) = (data.calibrations / NAME).iterdir()
    assert file == f"calibration {stored}"
    assert picture == f"picture {data.results(run.uid) / 'knife_edge.png'}"
    (used,) = [line for line in tomogram if line.startswith("knife edge of ")]
    assert used.endswith(f", run {run.uid[:8]}")

    curve = load_beamline(NAME, calibrations=data.calibrations).calibration.knife_edge
    assert curve.run == run.uid

    before = stored.read_text()
    stored.unlink()
    assert said(command("calibrate", run.uid[:8], "--data", data.root)) == calibrated[-3:]
    assert stored.read_text() == before


@pytest.mark.timeout(300)
def test_the_hidden_focus_is_found(tmp_path):
    """Within 12 um: half of the depth of focus lambda / NA^2; photon noise scatters it by 3 um."""
    data = DataFolder(tmp_path / "data")
    (tmp_path / "focus.yaml").write_text(FOCUS)
    with own_beamline(speed=100.0, hidden=[f"focus_offset_um={HIDDEN_UM}"]) as environment:
        printed = said(run_command(tmp_path / "focus.yaml", data.root, plan="focus_scan"), environment)
    assert printed[-3].startswith("focus: zone_plate_z ")
    file = load_beamline(NAME, calibrations=data.calibrations)
    (entry,) = file.calibration.focus
    assert entry.energy_ev == pytest.approx(8300.0, abs=1.0)
    assert entry.offset_mm == pytest.approx(1e-3 * HIDDEN_UM, abs=0.012)
    moved_mm = file.zone_plate_z_mm(8300.0) - file.nominal_zone_plate_z_mm(8300.0)
    assert moved_mm == pytest.approx(entry.offset_mm)
