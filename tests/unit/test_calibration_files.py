"""Calibrations in dated files: the newest counts, a deleted one reverts, a damaged one is refused."""

from datetime import date

import pytest

from xsn_acq.config import (
    calibration_folder,
    calibrations_in_use,
    load_beamline,
    newest_calibrations,
    write_calibration,
)
from xsn_acq.errors import ConfigError, StorageError

NAME = "pls2-7c-xni"
NOON_S = 1_793_620_800.0  # 2026-11-02 12:00 UTC
HEAD = {"date": date(2026, 11, 2), "energy_ev": 8300.0, "run": "0123456789abcdef"}
PUPIL = {**HEAD, "cutoff_z_mm": 0.25, "sigma_mm": 0.01}
KNIFE_EDGE = {
    **HEAD,
    "frequency_per_um": [-1.0, 0.25, 1.0],
    "transmitted": [1.0, 0.5, 0.0],
    "sigma": [0.0, 1e-3, 0.0],
}
FOCUS = [{**HEAD, "energy_ev": 8000.0, "offset_mm": 0.01}, {**HEAD, "energy_ev": 8400.0, "offset_mm": 0.03}]


def loaded(folder):
    return load_beamline(NAME, calibrations=folder)


def test_a_stored_calibration_takes_the_place_of_the_files_own(tmp_path):
    path = write_calibration(tmp_path, NAME, "knife_edge", KNIFE_EDGE, NOON_S)
    assert path == tmp_path / NAME / "20261102T120000Z-knife_edge.toml"
    file = loaded(tmp_path)
    assert file.calibration.knife_edge.transmitted == (1.0, 0.5, 0.0)
    assert file.calibration.knife_edge.sigma == (0.0, 1e-3, 0.0)
    assert file.calibration.knife_edge.run == "0123456789abcdef"
    shipped = load_beamline(NAME)
    assert file.calibration.rotation_axis == shipped.calibration.rotation_axis
    assert file.axes == shipped.axes


def test_the_newest_counts_and_deleting_it_reverts(tmp_path):
    newest = write_calibration(tmp_path, NAME, "pupil_plane", PUPIL | {"cutoff_z_mm": 0.5}, NOON_S + 3600)
    older = write_calibration(tmp_path, NAME, "pupil_plane", PUPIL, NOON_S)
    assert loaded(tmp_path).cutoff_z_mm == 0.5
    newest.unlink()
    assert loaded(tmp_path).cutoff_z_mm == 0.25
    older.unlink()
    assert loaded(tmp_path) == load_beamline(NAME)


def test_the_same_run_analysed_again_replaces_its_own(tmp_path):
    write_calibration(tmp_path, NAME, "pupil_plane", PUPIL, NOON_S)
    write_calibration(tmp_path, NAME, "pupil_plane", PUPIL | {"cutoff_z_mm": 0.3}, NOON_S)
    assert [path.name for path in (tmp_path / NAME).iterdir()] == ["20261102T120000Z-pupil_plane.toml"]
    assert loaded(tmp_path).cutoff_z_mm == 0.3


def test_focus_offsets_are_interpolated_over_the_energy(tmp_path):
    write_calibration(tmp_path, NAME, "focus", FOCUS, NOON_S)
    file = loaded(tmp_path)
    for energy, offset in ((7600.0, -0.01), (8000.0, 0.01), (8300.0, 0.025), (8400.0, 0.03), (9000.0, 0.06)):
        moved = file.zone_plate_z_mm(energy) - load_beamline(NAME).zone_plate_z_mm(energy)
        assert moved == pytest.approx(offset, abs=1e-12)


def test_the_measured_pixel_size_is_used(tmp_path):
    write_calibration(tmp_path, NAME, "pixel_size", {**HEAD, "ratio": 1.02, "sigma": 0.001}, NOON_S)
    file = loaded(tmp_path)
    assert file.pixel_size_m(8300.0, 2) == pytest.approx(1.02 * load_beamline(NAME).pixel_size_m(8300.0, 2))


def test_each_beamline_has_its_own(tmp_path):
    write_calibration(tmp_path, "other", "pupil_plane", PUPIL, NOON_S)
    assert loaded(tmp_path) == load_beamline(NAME)
    assert newest_calibrations(tmp_path, NAME) == {}
    assert calibration_folder(tmp_path, "../up").parent == tmp_path


def test_what_is_used_and_from_when(tmp_path):
    write_calibration(tmp_path, NAME, "focus", FOCUS, NOON_S)
    lines = calibrations_in_use(loaded(tmp_path).calibration, newest_calibrations(tmp_path, NAME))
    assert lines == [
        "focus of 2026-11-02 12:00:00 UTC, 8000.0 eV, run 01234567",
        "focus of 2026-11-02 12:00:00 UTC, 8400.0 eV, run 01234567",
        "knife edge of 2026-11-21, beamline file, 8300.0 eV",
        "rotation axis of 2026-11-02, beamline file, 8300.0 eV",
    ]


DAMAGED = [
    ("[pupil_plane", "not TOML"),
    ("", "wanted one section, pupil_plane, found nothing"),
    ("[focus]\n", "focus: wanted a list"),
    ("[pupil_plane]\ndate = 2026-11-02\nenergy_ev = 8300.0\n", "pupil_plane.cutoff_z_mm: missing"),
    ("[pupil_plane]\ndate = 2026-11-02\nenergy_ev = 8300.0\ncutof_z_mm = 1.0\n", "did you mean cutoff_z_mm?"),
]


@pytest.mark.parametrize(("text", "fault"), DAMAGED, ids=[fault for _, fault in DAMAGED])
def test_a_damaged_file_is_refused(tmp_path, text, fault):
    path = write_calibration(tmp_path, NAME, "pupil_plane", PUPIL, NOON_S)
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path)
    assert str(path) in str(caught.value)
    assert fault in str(caught.value)
    assert "delete it to go back to the calibration before" in str(caught.value)


def test_a_file_of_another_name_is_refused(tmp_path):
    path = write_calibration(tmp_path, NAME, "pupil_plane", PUPIL, NOON_S)
    path.rename(path.with_name("pupil_plane.toml"))
    with pytest.raises(ConfigError, match=r"wanted a name as 20261102T093000Z-knife_edge.toml"):
        loaded(tmp_path)


def test_what_fits_no_instrument_is_refused(tmp_path):
    write_calibration(tmp_path, NAME, "pupil_plane", PUPIL | {"cutoff_z_mm": 50.0}, NOON_S)
    with pytest.raises(ConfigError, match=r"with the calibrations of .*: the cutoff filter's plane: 50.0 mm"):
        loaded(tmp_path)


def test_nothing_wrong_is_written(tmp_path):
    with pytest.raises(ConfigError, match="transmitted must run from 1 to 0"):
        write_calibration(tmp_path, NAME, "knife_edge", KNIFE_EDGE | {"transmitted": [0.9, 0.5, 0.0]}, NOON_S)
    with pytest.raises(ConfigError, match="knife edge calibration: knife_edge: sigma needs a value for each"):
        write_calibration(tmp_path, NAME, "knife_edge", KNIFE_EDGE | {"sigma": [0.1]}, NOON_S)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / NAME).write_text("no folder")
    with pytest.raises(StorageError, match="cannot be written"):
        write_calibration(tmp_path, NAME, "pupil_plane", PUPIL, NOON_S)


def test_a_table_of_energies_must_rise(tmp_path):
    write_calibration(tmp_path, NAME, "focus", FOCUS[::-1], NOON_S)
    with pytest.raises(ConfigError, match="focus: energy_ev must rise"):
        loaded(tmp_path)
