"""A focus table and what a scan adds to it."""

from datetime import date

from xsn_acq.config import load_beamline
from xsn_acq.config.calibration import FocusCalibration
from xsn_acq.live.focus_finding import _merged

FILE = load_beamline("pls2-7c-xni")


def known(energy_ev, offset_mm, **more):
    return FocusCalibration(
        date=date(2026, 11, 2), energy_ev=energy_ev, offset_mm=offset_mm, run="old", **more
    )


def found(energy_ev, offset_mm, **more):
    entry = {"date": date(2026, 11, 3), "energy_ev": energy_ev, "run": "new", "offset_mm": offset_mm}
    return {**entry, "sigma_mm": 0.003, **more}


def merged(table, entries):
    file = FILE.model_copy(update={"calibration": FILE.calibration.model_copy(update={"focus": table})})
    return tuple(FocusCalibration.model_validate(entry) for entry in _merged(file, entries))


def test_entries_at_other_energies_stay_and_near_ones_are_replaced():
    table = (known(8200.0, 0.1), known(8300.4, 0.2), known(8400.0, 0.3))
    entries = merged(table, [found(8300.0, 0.25), found(8500.0, 0.4)])
    assert [(entry.energy_ev, entry.offset_mm, entry.run) for entry in entries] == [
        (8200.0, 0.1, "old"),
        (8300.0, 0.25, "new"),
        (8400.0, 0.3, "old"),
        (8500.0, 0.4, "new"),
    ]


def test_a_scan_at_one_energy_leaves_the_way_sideways_as_it_was():
    sideways = {"zone_plate_x_um": 1.5, "zone_plate_y_um": -0.5, "sideways_sigma_um": 0.01}
    table = (known(8300.0, 0.2, **sideways), known(8400.0, 0.3, **sideways))
    one, other = merged(table, [found(8300.0, 0.25)])
    assert (one.offset_mm, one.run, one.zone_plate_x_um, one.zone_plate_y_um) == (0.25, "new", 1.5, -0.5)
    assert other == table[1]


def test_a_scan_that_tells_the_way_sideways_replaces_it():
    table = (known(8300.0, 0.2, zone_plate_x_um=1.5, zone_plate_y_um=-0.5),)
    (one,) = merged(table, [found(8300.0, 0.2, zone_plate_x_um=2.0, zone_plate_y_um=0.0)])
    assert (one.zone_plate_x_um, one.zone_plate_y_um) == (2.0, 0.0)
