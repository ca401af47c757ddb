"""Where the axes must be at an energy, and back: formulas, calibration tables, every reason to refuse."""

from datetime import date

import numpy as np
import pytest
from pydantic import ValidationError

from xsn_acq.config import Beamline, load_beamline
from xsn_acq.config import energy as model
from xsn_acq.config.calibration import Calibration, FocusCalibration, GapCalibration, MonoCalibration
from xsn_acq.config.table import interpolated, reach_ev

FILE = load_beamline("pls2-7c-xni")
DAY = date(2026, 11, 2)
ENERGIES = np.linspace(7500.0, 9500.0, 41)
FIRST, LAST = 8300.0, 8400.0


def calibrated(**tables):
    """The beamline with calibrations, checked as a file is."""
    raw = FILE.model_dump()
    raw["calibration"] |= {
        name: tuple(entry.model_dump() for entry in table) if isinstance(table, tuple) else table.model_dump()
        for name, table in tables.items()
    }
    return Beamline.model_validate(raw)


def focus(energy, offset, **more):
    return FocusCalibration(date=DAY, energy_ev=energy, offset_mm=offset, **more)


def gap(energy, offset, harmonic=3, **more):
    nominal = FILE.undulator.gap_mm(energy, harmonic, FILE.ring.energy_gev)
    return GapCalibration(date=DAY, energy_ev=energy, harmonic=harmonic, gap_mm=nominal + offset, **more)


FOCUS = (focus(FIRST, 0.010, zone_plate_x_um=1.0, zone_plate_y_um=-2.0), focus(LAST, 0.030))
GAP = (gap(FIRST, 0.02, counts_per_s_ma=2000.0), gap(LAST, 0.05, counts_per_s_ma=1000.0))
MONO = MonoCalibration(date=DAY, energy_ev=8333.0, element="Ni", bragg_offset_deg=0.004)
ALL = calibrated(focus=FOCUS, gap=GAP, mono=MONO)
FILES = pytest.mark.parametrize("file", [FILE, ALL], ids=["theory", "calibrated"])


@FILES
def test_bragg_and_back(file):
    for energy in ENERGIES:
        reading = model.bragg_deg(file, energy)
        assert model.energy_of_bragg_ev(file, reading) == pytest.approx(energy, rel=1e-12)  # rounding only


def test_the_bragg_offset_is_what_the_reading_lacks():
    assert model.bragg_deg(FILE, 8333.0) - model.bragg_deg(ALL, 8333.0) == pytest.approx(0.004, rel=1e-9)
    # the crystals' gap follows the true angle: the calibration of the reading does not move it
    gaps = [model.at_energy(file, 8333.0).second_crystal_gap_mm for file in (FILE, ALL)]
    assert gaps[0] == pytest.approx(gaps[1], rel=1e-12)


@FILES
def test_gap_and_back(file):
    for energy in ENERGIES:
        found = model.energy_of_gap_ev(file, model.gap_mm(file, energy))
        assert found == pytest.approx(energy, abs=1e-4)  # it ends when a step is below 1e-6 eV


def test_the_gap_table_corrects_the_formula_within_its_reach():
    def offset(energy):
        return model.gap_mm(ALL, energy) - model.gap_mm(FILE, energy)

    # 0.3 um per eV; beyond the reach of 50 eV it stays
    for energy, wanted in ((8300, 0.02), (8350, 0.035), (8450, 0.065), (9000, 0.065), (7600, 0.005)):
        assert offset(float(energy)) == pytest.approx(wanted, abs=1e-9)


@FILES
def test_focus_and_back(file):
    for energy in ENERGIES:
        z = file.zone_plate_z_mm(energy, 3.0)
        assert model.energy_in_focus_ev(file, z, 3.0) == pytest.approx(energy, abs=1e-5)  # 1e-6 eV asked for
    assert np.isnan(model.energy_in_focus_ev(file, -20.0))


def test_the_focus_table_corrects_theory():
    assert ALL.zone_plate_z_mm(8350.0) - FILE.zone_plate_z_mm(8350.0) == pytest.approx(0.020, abs=1e-12)


@FILES
def test_all_at_an_energy(file):
    at = model.at_energy(file, 8333.0, 2.0)
    assert 1 / at.object_distance_m + 1 / at.image_distance_m == pytest.approx(
        1 / at.focal_length_m, rel=1e-3
    )
    assert at.object_distance_m + at.image_distance_m == pytest.approx(1.112, rel=1e-12)  # detector 2 mm on
    assert at.magnification == pytest.approx(at.image_distance_m / at.object_distance_m, rel=1e-3)
    assert at.wavelength_m == pytest.approx(1.239842e-6 / 8333.0, rel=1e-6)  # digits of the constant
    assert at.numerical_aperture == pytest.approx(at.wavelength_m / 60e-9, rel=1e-12)
    assert at.depth_of_focus_m == pytest.approx(at.wavelength_m / at.numerical_aperture**2, rel=1e-12)
    assert at.harmonic == 3
    assert at.zone_plate_z_mm == file.zone_plate_z_mm(8333.0, 2.0)
    # fixed exit: offset / (2 cos theta), theta asin(lambda / 2d) = 13.7245 deg at 8333 eV
    assert at.second_crystal_gap_mm == pytest.approx(6.0 / np.cos(np.radians(13.72455)), rel=1e-6)


def test_the_zone_plate_goes_sideways_where_that_was_measured():
    at = model.at_energy(FILE, 8333.0)
    assert (at.zone_plate_x_um, at.zone_plate_y_um) == (None, None)
    at = model.at_energy(ALL, 8333.0)  # the second entry of its table does not say
    assert (at.zone_plate_x_um, at.zone_plate_y_um) == (1.0, -2.0)
    both = (FOCUS[0], focus(LAST, 0.03, zone_plate_x_um=3.0, zone_plate_y_um=-6.0))
    at = model.at_energy(calibrated(focus=both), 8350.0)
    assert (at.zone_plate_x_um, at.zone_plate_y_um) == pytest.approx((2.0, -4.0))


def test_light_follows_the_gap_table():
    assert model.counts_share(FILE, 8300.0, 8400.0) == 1.0
    assert model.counts_share(ALL, 8300.0, 8400.0) == pytest.approx(0.5)
    assert model.counts_share(ALL, 8400.0, 8350.0) == pytest.approx(1.5)
    assert model.counts_share(ALL, 7600.0, 9400.0) == pytest.approx(0.5)  # that of the table's ends
    other = calibrated(gap=(gap(8300.0, 0.0, counts_per_s_ma=10.0, harmonic=5), *GAP[1:]))
    assert model.counts_share(other, 8300.0, 8400.0) == 1.0  # another harmonic tells nothing of this one


@pytest.mark.parametrize("energy", [7499.0, 9501.0, -1.0, float("nan"), float("inf")])
def test_energies_that_are_not_the_monochromators(energy):
    (fault,) = model.energy_faults(FILE, energy)
    assert fault.startswith("energy: wanted 7500 to 9500 eV, found ")
    assert fault.endswith(" eV; choose another")


def test_an_energy_without_a_gap_is_refused_with_advice():
    source = FILE.undulator
    for changes, advice in (
        ({"harmonic": 1}, "harmonic 3 has it"),
        ({"harmonic": 1, "gap_low_mm": 2.0}, "harmonic 3, 5, 7 has it"),
        ({"gap_low_mm": 7.9}, "no other has it"),
    ):
        file = FILE.model_copy(update={"undulator": source.model_copy(update=changes)})
        (fault,) = model.energy_faults(file, 8333.0)
        assert fault.startswith(f"undulator: harmonic {file.undulator.harmonic}: wanted a gap of ")
        assert "mm, found none for 8333 eV; " in fault
        assert fault.endswith(advice)


def test_the_gap_table_of_one_harmonic_is_not_another_ones():
    """Harmonic 3 has 7.684 mm at 8333 eV, which 3 mm of correction for harmonic 1 do not change."""
    table = (gap(2600.0, 3.0, harmonic=1),)
    source = FILE.undulator.model_copy(update={"harmonic": 1, "gap_high_mm": 8.0})
    file = calibrated(gap=table).model_copy(update={"undulator": source})
    assert model.energy_faults(file, 8333.0)[0].endswith("harmonic 3 has it")


def test_an_energy_beyond_the_focus_table_is_refused_unless_it_is_to_be_measured():
    assert model.energy_faults(ALL, 8250.0) == model.energy_faults(ALL, 8450.0) == []
    for energy in (8249.0, 8451.0):
        (fault,) = model.energy_faults(ALL, energy)
        assert fault == (
            f"focus table: wanted 8250 to 8450 eV, found {energy:g} eV, where nobody knows the focus; "
            "run focus_scan there"
        )
        assert model.energy_faults(ALL, energy, beyond_focus_table=True) == []


def test_clearance_to_sample_and_pinhole():
    """At z the zone plate is z + 64 mm from the sample plane; the pinhole stands 8 mm before that."""
    assert model.clearance_mm(FILE, 0.0, 0.0) == pytest.approx(64.0)
    assert model.clearance_mm(FILE, -1.0, 500.0) == pytest.approx(62.5)
    assert model.clearance_mm(FILE, 0.0, -20_000.0) == pytest.approx(72.0)  # the pinhole is the nearer


ENTRIES = [8300.0, 8400.0, 8500.0]


@pytest.mark.parametrize(
    ("energy", "value"),
    [(8300, 0.0), (8350, 5.0), (8400, 10.0), (8450, 5.0), (8500, 0.0), (8280, -2.0), (8520, -2.0)],
)
def test_a_table_is_linear_between_and_beyond_its_entries(energy, value):
    assert interpolated(ENTRIES, [0.0, 10.0, 0.0], float(energy)) == pytest.approx(value)


def test_reach_of_tables():
    assert reach_ev([8300.0]) == (8250.0, 8350.0)
    assert reach_ev([8300.0, 8340.0]) == (8250.0, 8390.0)
    assert reach_ev(ENTRIES) == (8200.0, 8600.0)


def rejected(**tables):
    with pytest.raises(ValidationError) as caught:
        calibrated(**tables)
    return str(caught.value)


def test_tables_that_are_none():
    assert "focus: energy_ev must rise" in rejected(focus=FOCUS[::-1])
    assert "gap: energy_ev must rise" in rejected(gap=(GAP[0], GAP[0]))
    wrong = GAP[0].model_copy(update={"energy_ev": 20_000.0})
    assert "calibration.gap.0: " in rejected(gap=(wrong,))
    with pytest.raises(ValidationError, match="found one"):
        focus(8300.0, 0.0, zone_plate_x_um=1.0)


def test_without_tables_nothing_is_corrected():
    empty = Calibration.model_validate(FILE.calibration.model_dump() | {"focus": (), "gap": (), "mono": None})
    assert empty.focus_offset_mm(8300.0) == 0.0
    assert empty.zone_plate_place_um(8300.0) is None
    assert empty.focus_reach_ev() is None
