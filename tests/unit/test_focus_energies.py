"""A focus scan over energies without hardware: its order, what is put back, what is refused, the cost."""

from datetime import date

import pytest
from bluesky.utils import RequestAbort
from energy_machine import EnergyMachine
from fake_instrument import FILE, instrument

from xsn_acq.config.calibration import FocusCalibration
from xsn_acq.config.energy import at_energy
from xsn_acq.errors import ConfigError, LimitError
from xsn_acq.params import FocusScan, Roi
from xsn_acq.plans.calibrations import focus_scan
from xsn_acq.plans.energy_moves import positions
from xsn_acq.plans.focus_energies import estimate_focus_scan, focus_places, infeasible_focus_scan
from xsn_acq.session import PLANS

SCAN = FocusScan(
    energies_ev=(8320.0, 8300.0),
    points=5,
    half_range_mm=0.04,
    frames_per_point=2,
    flats=3,
    darks=2,
    roi=Roi(min_x=1540, min_y=1552, size_x=128, size_y=96),
)


def with_table(*entries, file=FILE):
    """The file with a focus table: energy, offset in mm."""
    table = tuple(
        FocusCalibration(date=date(2026, 11, 2), energy_ev=energy, offset_mm=offset)
        for energy, offset in entries
    )
    return file.model_copy(update={"calibration": file.calibration.model_copy(update={"focus": table})})


def scanned(devices, tmp_path, params=SCAN, **hooks):
    machine = EnergyMachine(devices, **hooks)
    machine.run(focus_scan(devices, params, folder=tmp_path))
    return machine


def test_at_each_energy_flats_and_then_the_zone_plate_upwards(tmp_path):
    machine = scanned(instrument(), tmp_path)
    assert machine.error is None
    start = next(message for message in machine.messages if message.command == "open_run").kwargs
    assert (start["plan_name"], start["technique"]) == ("focus_scan", "calibration")
    assert start["acquisition"]["expected"] == {"darks": 2, "stills": 2 * (3 + 5 * 2)}
    rows = machine.rows["points"]
    assert [(row["wanted_ev"], row["kind"], row["frames"]) for row in rows] == [
        (energy, kind, frames)
        for energy in (8300.0, 8320.0)
        for kind, frames in (("flat", 3), *[("projection", 2)] * 5)
    ]
    for energy in (8300.0, 8320.0):
        z = FILE.nominal_zone_plate_z_mm(energy)
        steps = [z - 0.04, *(z + step for step in (-0.04, -0.02, 0.0, 0.02, 0.04))]
        here = [row for row in rows if row["wanted_ev"] == energy]
        assert [row["zone_plate_z_mm"] for row in here] == pytest.approx(steps)
        assert {row["cutoff_x_um"] for row in here} == {-15.0}
        assert [row["sample_x_um"] for row in here] == [60.0, *[0.0] * 5]


def test_no_point_is_reached_from_above(tmp_path):
    """From the focus of each energy the zone plate first goes below the lowest point, by its backlash."""
    machine = scanned(instrument(), tmp_path)
    sent = [m.args[0] for m in machine.messages if m.command == "set" and m.obj.name == "zone_plate_z"]
    below = FILE.axes.zone_plate_z.backlash
    lowest = [FILE.nominal_zone_plate_z_mm(energy) - 0.04 for energy in (8300.0, 8320.0)]
    # it stands in focus at 8300 eV already, and to 8320 eV goes upwards
    assert sent[:3] == pytest.approx([lowest[0] - below, lowest[0], lowest[0] + 0.02])
    assert sent[6:9] == pytest.approx([lowest[1] + 0.04, lowest[1] - below, lowest[1]])


def test_all_is_put_back_in_the_end_and_after_an_abort(tmp_path):
    for stop_at in (None, 4):
        devices, taken = instrument(), []

        def fail(name, target, taken=taken, stop_at=stop_at):
            taken.extend([1] if name == "zone_plate_z" else [])
            return RequestAbort() if len(taken) == stop_at and name == "zone_plate_z" else None

        before = {**positions(devices), "x": devices.sample.x.user_readback.value}
        machine = scanned(devices, tmp_path, fail=fail)
        assert isinstance(machine.error, RequestAbort) == (stop_at is not None)
        after = {**positions(devices), "x": devices.sample.x.user_readback.value}
        assert after == pytest.approx(before)
        assert devices.cutoff.x.user_readback.value == 0.0
        assert devices.shutter.word == "closed"


def test_the_scan_is_about_the_focus_of_the_table_also_beyond_its_reach():
    file = with_table((8200.0, 0.1), (8210.0, 0.11))
    places = focus_places(SCAN, file, 0.0, 0.0)
    for energy, offset in ((8300.0, 0.2), (8320.0, 0.22)):
        z_mm = [dict(p.axes)["zone_plate_z"] for p in places if p.energy_ev == energy][1:]
        assert z_mm[2] == pytest.approx(FILE.nominal_zone_plate_z_mm(energy) + offset)
    assert infeasible_focus_scan(file, SCAN) == []


def test_energies_the_table_does_not_reach_may_be_measured(tmp_path):
    devices = instrument()
    devices.file = with_table((8200.0, 0.0))
    machine = scanned(devices, tmp_path)
    assert machine.error is None
    z = at_energy(devices.file, 8300.0).zone_plate_z_mm
    assert machine.rows["points"][3]["zone_plate_z_mm"] == pytest.approx(z)


REFUSED = [
    ({"energies_ev": (8300.0, 9600.0)}, "energy: wanted 7500 to 9500 eV, found 9600 eV"),
    ({"half_range_mm": 9.99}, "zone_plate_z: wanted -10 to 10 mm, found -10"),
    ({"sample_out_um": 5000.0}, "sample_x: wanted -2000 to 2000 um, found 5000 um for the flats"),
]


@pytest.mark.parametrize(("changes", "fault"), REFUSED)
def test_refused_before_anything_moves(tmp_path, changes, fault):
    params = SCAN.model_copy(update=changes)
    machine = scanned(instrument(), tmp_path, params)
    assert isinstance(machine.error, LimitError)
    assert any(fault in line for line in machine.error.faults)
    assert machine.words() == []
    assert any(fault in line for line in infeasible_focus_scan(FILE, params))


def test_a_zone_plate_that_would_touch_the_sample_is_refused(tmp_path):
    devices = instrument()
    lowest_mm = FILE.nominal_zone_plate_z_mm(8300.0) - 0.04 - FILE.axes.zone_plate_z.backlash
    devices.sample.z.user_readback.value = 1e3 * (
        lowest_mm - FILE.zone_plate.z_at_contact_mm - FILE.zone_plate.clearance_mm + 0.001
    )
    machine = scanned(devices, tmp_path)
    (fault,) = machine.error.faults
    assert fault.startswith("zone_plate_z: wanted 20 mm or more to sample and pinhole, found 19.999 mm at")
    assert fault.endswith("choose higher energies, or move the sample upstream")


def test_energies_too_near_to_be_two_are_refused():
    with pytest.raises(ConfigError, match="wanted 2 eV or more between two, found 8300 and 8301 eV"):
        FocusScan.from_yaml("energies_ev: [8301, 8300]")


def test_both_forms_are_one_plan_and_are_estimated():
    entry = PLANS["focus_scan"]
    assert entry.infeasible.endswith("focus_energies:infeasible_focus_scan")
    single, double = SCAN.model_copy(update={"energies_ev": ()}), SCAN
    costs = [estimate_focus_scan(FILE, params) for params in (single, double)]
    assert [cost.frames for cost in costs] == [params.frames for params in (single, double)] == [15, 28]
    assert "2 energies" in costs[1].summary()
    assert costs[1].duration_s > costs[0].duration_s > 15 * 2.0
    assert infeasible_focus_scan(FILE, single) == infeasible_focus_scan(FILE, double) == []
