"""A focus scan over energies through Channel Access: measured, stored, followed by the next run."""

import subprocess
import sys

import pytest

from tests.system.command import own_beamline
from tests.system.focus_session import NAME
from tests.system.virtual_focus import OWN_RATE, told_rate
from xsn_acq.config import load_beamline
from xsn_acq.config.energy import at_energy
from xsn_acq.sim.process import free_ports
from xsn_acq.storage.journal import list_runs
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

pytestmark = pytest.mark.system

RUN_X, RUN_Y, OFF_UM = 0.5, -0.3, -20.0
FOCUS = """\
energies_ev: [8200, 8470]
exposure_s: 3.0
half_range_mm: 0.15
points: 9
frames_per_point: 16
flats: 20
darks: 3
roi: {min_x: 1444, min_y: 1472, size_x: 320, size_y: 256}
"""
NEXT = """\
energies_ev: [8400]
frames_per_energy: 2
flats: 2
darks: 2
roi: {min_x: 1540, min_y: 1552, size_x: 128, size_y: 96}
"""
PATIENCE_S = 200


@pytest.mark.timeout(300)
def test_the_hidden_rate_is_found_and_followed_by_the_next_run(tmp_path):
    data = DataFolder(tmp_path / "data")
    (tmp_path / "focus.yaml").write_text(FOCUS)
    (tmp_path / "next.yaml").write_text(NEXT)
    hidden = [
        f"focus_offset_um={OFF_UM}",
        f"zone_plate_runout_x_um_per_mm={RUN_X}",
        f"zone_plate_runout_y_um_per_mm={RUN_Y}",
    ]
    arguments = [
        data.root,
        f"tcp://127.0.0.1:{free_ports(1)[0]}",
        tmp_path / "focus.yaml",
        tmp_path / "next.yaml",
    ]
    with own_beamline(speed=200.0, hidden=hidden) as environment:
        done = subprocess.run(
            [sys.executable, "-m", "tests.system.focus_session", *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    # both foci are known to 0.3 % of the way between them
    assert told_rate(done.stdout)[0] == pytest.approx(OWN_RATE, rel=0.01)
    scan, following = (RunRecord.from_journal(run.path) for run in list_runs(data.journal))
    table = load_beamline(NAME, calibrations=data.calibrations)
    low, high = table.calibration.focus
    assert (low.run, high.run) == (scan.uid, scan.uid)
    # the depth of focus is 24 um; noise of this scan scatters it by 4 um, and the sample pulls it by 4 um
    assert (low.offset_mm, high.offset_mm) == pytest.approx((1e-3 * OFF_UM,) * 2, abs=0.018)
    way_mm = table.zone_plate_z_mm(high.energy_ev) - table.zone_plate_z_mm(low.energy_ev)
    # a pixel of the images is 0.04 um
    assert high.zone_plate_x_um - low.zone_plate_x_um == pytest.approx(-RUN_X * way_mm, abs=0.04)
    assert high.zone_plate_y_um - low.zone_plate_y_um == pytest.approx(-RUN_Y * way_mm, abs=0.04)
    assert_followed(following, table)


def assert_followed(record, table):
    """The run went where the table says, along the beam and across, and says so."""
    wanted = at_energy(table, 8400.0)
    assert abs(wanted.zone_plate_x_um) > 0.5
    assert record.start["plan_name"] == "energy_scan"
    assert record.start["acquisition"]["zone_plate_z_mm"] == [pytest.approx(wanted.zone_plate_z_mm)]
    for axis, unit in (("x", "um"), ("y", "um"), ("z", "mm")):
        name, tolerance = f"zone_plate_{axis}_{unit}", getattr(table.axes, f"zone_plate_{axis}").tolerance
        places = [row[name] for row in record.rows("points") if row["status"] == "ok"]
        assert places == pytest.approx([getattr(wanted, name)] * 2, abs=tolerance)
