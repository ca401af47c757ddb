"""The beamline file: what it says, and every fault of a wrong one at once."""

import tomllib
from pathlib import Path

import pytest

from xsn_acq.config import (
    Beamline,
    SpeckleBeamline,
    StructuredBeamline,
    beamline_path,
    load_beamline,
    load_microscope,
)
from xsn_acq.errors import ConfigError

SHIPPED, STRUCTURED, SPECKLE = "pls2-7c-xni", "ssrl-6-2c", "pls2-6c"


@pytest.fixture(scope="module")
def text():
    return beamline_path(SHIPPED).read_text()


def faults_after(text, tmp_path, *changes):
    for old, new in changes:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_beamline(str(path))
    assert str(path) in str(caught.value)
    return caught.value.faults


def test_every_shipped_file_is_valid_and_named_after_itself():
    for path in Path(str(beamline_path(SHIPPED))).parent.glob("*.toml"):
        assert load_microscope(path.stem).name == path.stem


@pytest.mark.parametrize(
    ("name", "kind"), [(SHIPPED, Beamline), (STRUCTURED, StructuredBeamline), (SPECKLE, SpeckleBeamline)]
)
def test_the_file_survives_json(name, kind):
    file = load_microscope(name)
    assert type(file) is kind
    assert kind.model_validate_json(file.model_dump_json()) == file


def test_a_file_of_another_technique_is_refused():
    with pytest.raises(ConfigError, match="wanted a beamline file of technique xsn, found nxsci"):
        load_beamline(STRUCTURED)


def test_geometry_of_the_paper():
    """f = D dr / lambda: 60.5 mm at 8333 eV, moving 7.26 um per eV (D 300 um, dr 30 nm)."""
    file = load_beamline(SHIPPED)
    zone_plate = file.zone_plate
    assert zone_plate.focal_length_m(8333.0) == pytest.approx(60.5e-3, rel=1e-3)  # given to three digits
    rate = zone_plate.focal_length_m(8334.0) - zone_plate.focal_length_m(8333.0)
    assert rate == pytest.approx(7.26e-6, rel=1e-3)
    p = file.object_distance_m(8333.0)
    q = file.total_length_m() - p
    assert 1 / p + 1 / q == pytest.approx(
        1 / zone_plate.focal_length_m(8333.0), rel=1e-12
    )  # thin lens, exact
    assert file.magnification(8333.0) == pytest.approx(q / p, rel=1e-12)


def test_the_cutoff_matters_over_some_depth():
    """The illumination is 8.08 per um wide, 72.7 um of cutoff_x; the field 60 um; f 60.26 mm."""
    file = load_beamline(SHIPPED)
    # the edge runs by x dz / f from the middle of the field to x: by all of the width over 73 mm
    assert file.cutoff_depth_mm(8300.0) == pytest.approx(72.7 * 60.26 / 60.0, rel=1e-3)


def test_the_cutoff_reaches_the_rim_of_the_pupil_at_half_the_diameter():
    file = load_beamline(SHIPPED)
    rim = file.zone_plate.numerical_aperture(8300.0) * 8300.0 / 1.239841984e-6
    assert file.cutoff_frequency_per_m(150.0, 8300.0) == pytest.approx(rim, rel=1e-9)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "diameter_um = 300.0",
            "diameter_um = -300.0",
            ("zone_plate.diameter_um: wanted more than 0 um, found -300.0 um",),
        ),
        ("diameter_um = 300.0", 'diameter_um = "300"', ("zone_plate.diameter_um", "number", "'300'")),
        (
            "diameter_um = 300.0",
            "diameter_mm = 0.3",
            (
                "zone_plate.diameter_um: missing",
                "zone_plate.diameter_mm: no such key; did you mean diameter_um?",
            ),
        ),
        ("diameter_um = 300.0", "diameter_um = nan", ("zone_plate.diameter_um", "finite")),
        ("harmonic = 3", "harmonic = 99", ("undulator.harmonic: wanted 15 or less, found 99",)),
        ('ring = "SR:"', 'ring = "SR; rm"', ("pvs.ring: wanted text that matches", "found 'SR; rm'")),
        ('unit = "deg"', 'unit = "rad"', ("axes.bragg.unit", "'rad'")),
        (
            "low = 5.0\nhigh = 30.0",
            "low = 50.0\nhigh = 30.0",
            ("axes.bragg", "50.0 must be below high 30.0 deg"),
        ),
        ('technique = "xsn"', 'technique = "xray"', ("technique", "'xray'")),
        ("column = 1603.4", "colum = 1603.4", ("rotation_axis.colum: no such key; did you mean column?",)),
        ('gap = "GapM"', 'gaps = "GapM"', ("undulator.suffixes.gaps: wanted", "did you mean 'gap'?")),
        ('"1" = 0.0114', '"1" = 0.0', ("detection.readout_s.1: wanted more than 0 s, found 0.0 s",)),
        (
            "velocity = 0.05",
            "velocity = -0.05",
            ("axes.bragg.velocity: wanted more than 0 deg/s, found -0.05 deg/s",),
        ),
        ("low = 5.0", 'low = "5"', ("axes.bragg.low: wanted a number, found '5'",)),
        ("low = 5.0", "low = inf", ("axes.bragg.low: wanted a finite number, found inf deg",)),
        ("date = 2026-11-02", 'date = "soon"', ("calibration", "date")),
        ("energy_low_ev = 7500.0", "energy_low_ev = 9900.0", ("energy_low_ev", "9900.0", "9500.0 eV")),
        ("sample_to_scintillator_mm = 1110.0", "sample_to_scintillator_mm = 200.0", ("no image forms", "mm")),
        ("z_at_contact_mm = -64.0", "z_at_contact_mm = -94.0", ("axes.zone_plate_z", "focus", "limits")),
        ('pv = "7C:CRL:m2"', 'pv = "7C:CRL:m1"', ("axes.condenser_y.pv", "axes.condenser_x", "7C:CRL:m1")),
        ("sample_out_um = 60.0", "sample_out_um = 6e4", ("geometry.sample_out_um", "2000.0 um")),
        ("column = 1603.4", "column = 5603.4", ("rotation_axis.column", "3199 px")),
        ("gap_low_mm = 5.0", "gap_low_mm = 50.0", ("undulator", "gap_low_mm 50.0", "30.0 mm")),
    ],
)
def test_a_fault_names_field_value_and_limit(text, tmp_path, old, new, words):
    faults = faults_after(text, tmp_path, (old, new))
    for word in words:
        assert any(word in fault for fault in faults), (word, faults)


def test_every_fault_is_listed_at_once(text, tmp_path):
    faults = faults_after(
        text,
        tmp_path,
        ("diameter_um = 300.0", "diameter_um = 0.0"),
        ("objective_magnification = 20.0", "objective_magnification = inf"),
        ("periods = 70", "periods = 70.5"),
        ("[ring]", "[ring]\ncolour = 'red'"),
        ("velocity = 0.05\nmax_velocity = 0.5", "velocity = 5.0\nmax_velocity = 0.5"),
    )
    assert len(faults) == 5


def test_both_ends_of_the_energy_range_are_out_of_focus_and_both_are_told(text, tmp_path):
    faults = faults_after(text, tmp_path, ("z_at_contact_mm = -64.0", "z_at_contact_mm = -94.0"))
    assert len(faults) == 2


def test_a_curve_that_rises_or_does_not_end_is_refused(text, tmp_path):
    raw = tomllib.loads(text)["calibration"]["knife_edge"]
    curve = "transmitted = [" + text.split("transmitted = [")[1].split("]")[0] + "]"
    rising = curve.replace("[1.0", "[0.9", 1)
    assert raw["transmitted"][0] == 1.0
    assert any("transmitted" in fault for fault in faults_after(text, tmp_path, (curve, rising)))


def test_no_toml_and_no_file_are_told(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("name = [")
    with pytest.raises(ConfigError, match="not TOML"):
        load_beamline(str(path))
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_beamline(str(path))
    with pytest.raises(ConfigError, match=f"no such file.*{SHIPPED}"):
        load_beamline("nowhere")
