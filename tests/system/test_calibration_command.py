"""A calibration from the command line: measured, stored, told, used by the next run, analysed again."""

import subprocess

import pytest

from tests.system.command import command, own_beamline, run_command
from xsn_acq.config import load_beamline
from xsn_acq.storage.journal import find_run
from xsn_acq.storage.layout import DataFolder

pytestmark = pytest.mark.system

NAME = "pls2-7c-xni"
FOCUS = """\
exposure_s: 3.0
frames_per_point: 8
darks: 5
roi: {min_x: 1444, min_y: 1456, size_x: 320, size_y: 288}
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
def test_the_hidden_focus_is_found_and_used_by_the_next_run(tmp_path):
    data = DataFolder(tmp_path / "data")
    (tmp_path / "focus.yaml").write_text(FOCUS)
    (tmp_path / "tomography.yaml").write_text("projections: 36")
    with own_beamline(speed=100.0, hidden=[f"focus_offset_um={HIDDEN_UM}"]) as environment:
        printed = said(run_command(tmp_path / "focus.yaml", data.root, plan="focus_scan"), environment)
    line, file, picture = printed[-3:]
    uid = find_run(data.journal, "last").uid
    (stored,) = (data.calibrations / NAME).iterdir()
    assert line.startswith("focus: zone_plate_z ")
    assert file == f"calibration {stored}"
    assert picture == f"picture {data.results(uid) / 'focus.png'}"

    beamline = load_beamline(NAME, calibrations=data.calibrations)
    (entry,) = beamline.calibration.focus
    assert entry.run == uid
    # half of the depth of focus lambda / NA^2; noise of this scan scatters it by 4 um, and in
    # this field the sample pulls it by 4 um (by 7 in one that cuts it)
    assert entry.offset_mm == pytest.approx(1e-3 * HIDDEN_UM, abs=0.012)
    moved_mm = beamline.zone_plate_z_mm(8300.0) - beamline.nominal_zone_plate_z_mm(8300.0)
    assert moved_mm == pytest.approx(entry.offset_mm)

    next_run = said(run_command(tmp_path / "tomography.yaml", data.root, "--dry-run"))
    (used,) = [line for line in next_run if line.startswith("focus of ")]
    assert used.endswith(f", run {uid[:8]}")
    assert "knife edge of 2026-11-21, beamline file, 8300.0 eV" in next_run

    before = stored.read_text()
    stored.unlink()
    assert said(command("calibrate", uid[:8], "--data", data.root)) == printed[-3:]
    assert stored.read_text() == before
