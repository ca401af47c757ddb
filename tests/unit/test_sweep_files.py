"""Files of an evaluated sweep: maps, spectra for PyMca, sums, picture."""

import json

import h5py
import numpy as np
import pytest
from nxsci_truth import ELEMENTS
from sweep_run import SweepRun, played
from sweep_scene import PATTERN_SHIFT, SAMPLE_SHIFT, SIDE, VORTEX, closeness

from xsn_acq.errors import ReconstructionError, StorageError
from xsn_acq.live.sweep_files import MAPS_NAME, PICTURE_NAME, SUMS_NAME, UNIT, evaluate_sweep, library_of
from xsn_acq.storage.journal import Journal
from xsn_acq.storage.layout import DataFolder

BOX = (4, 4, 24, 24)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    root = tmp_path_factory.mktemp("sweep")
    run = SweepRun(faults={("in", 7): "scalers"}, more={"regions": {"middle": BOX}, "note": "three cathodes"})
    record, data = played(run, root / "frames"), DataFolder(root / "data")
    return run, record, data, evaluate_sweep(record, data)


@pytest.fixture(scope="module")
def sums(evaluated):
    _, record, data, _ = evaluated
    return json.loads((data.results(record.uid) / SUMS_NAME).read_text())


def test_files_lie_where_they_belong(evaluated):
    _, record, data, found = evaluated
    assert found.maps == data.results(record.uid) / MAPS_NAME
    assert found.picture == data.results(record.uid) / PICTURE_NAME
    assert found.spectra == data.exports / f"{record.uid[:8]}-xrf.h5"
    assert not list(data.root.rglob("*.part"))


def test_lines_tell_what_came_of_it(evaluated):
    found = evaluated[3]
    assert found.lines[0] == "39 of 40 patterns used; left out: spectrum 1"
    assert any(line.endswith(" particles") for line in found.lines)
    assert found.lines[-3:] == (
        f"maps {found.maps}",
        f"spectra {found.spectra}",
        f"picture {found.picture}",
    )


def test_maps_are_the_truths_with_their_unit_and_pixel(evaluated):
    run, _, _, found = evaluated
    good = np.arange(40) != 7
    with h5py.File(found.maps) as file:
        maps = np.array([file[f"entry/{name}/{name}"][()] for name in ELEMENTS])
        transmission = file["entry/transmission/transmission"][()]
        assert file["entry/Mn/Mn"].attrs["units"] == UNIT == "counts/s"
        assert file["entry"].attrs["default"] == "Mn"
        assert file["entry/sample/x_pixel_size"][()] == 30e-9
        assert file["entry/process/parameters/patterns"][()] == 39
        errors = np.array([file[f"entry/{name}/{name}_errors"][()] for name in ELEMENTS])
    assert closeness(maps, run.maps(good)) > 0.97
    pulls = (maps - run.maps(good)) / errors
    # a strong prior: errors tell what noise and missing patterns leave, see test_nxsci_errors
    assert 0.2 < np.sqrt(np.mean(pulls**2)) < 3
    assert np.corrcoef(transmission.ravel(), run.scene.transmission.ravel())[0, 1] > 0.99


def test_spectra_and_patterns_are_linked_not_copied(evaluated):
    found = evaluated[3]
    with h5py.File(found.spectra) as file:
        for place in ("mca/data", "mca/attributes", "camera/data"):
            assert isinstance(file["entry/instrument"].get(place, getlink=True), h5py.ExternalLink)
        assert file["entry/instrument/camera/data"].shape == (82, SIDE, SIDE)  # both passes, 2 references
        counts = file["entry/instrument/mca/data"]
        assert counts.shape == (42, 1, VORTEX.bins)
        ticks = file["entry/instrument/mca/attributes/CHAN1SCA0"][()]
        live, real = (file[f"entry/instrument/mca/{name}"][()] for name in ("live_time", "elapsed_time"))
        assert live.shape == real.shape == (42,)
        np.testing.assert_allclose(real, ticks / 80e6)
        lost = np.flatnonzero(ticks == 0)
        np.testing.assert_array_equal(lost, [8])  # the reference was first
        assert (live[ticks > 0] > 0.9 * real[ticks > 0]).all()
        assert live[8] == 0
        np.testing.assert_array_equal(
            file["entry/data/data"][()], counts[()].sum(axis=(0, 1), dtype=np.int64)
        )


def test_the_energy_scale_is_the_fitted_one(evaluated):
    """The simulated detector reads 3 eV and 0.04 % more than the file says."""
    with h5py.File(evaluated[3].spectra) as file:
        zero, gain, square = file["entry/instrument/mca/calibration"][()]
        assert file["entry/instrument/mca/calibration"].attrs["units"] == "keV"
    nickel_bin = 7478.2 * (1 + 4e-4) + 3.0  # of K-alpha 1, in bins of nominally 10 eV from 0
    found_ev = 1000 * (zero + gain * (nickel_bin / VORTEX.ev_per_bin - 0.5) + square)
    assert found_ev == pytest.approx(7478.2, abs=3.0)  # a tenth of a bin


def test_lines_are_there_for_each_pattern(evaluated):
    run, _, _, found = evaluated
    with h5py.File(found.spectra) as file:
        lines = file["entry/lines"]
        names = [each.decode() for each in lines["element"][()]]
        assert names == [*ELEMENTS, "Fe", "Cu"]
        areas, errors, flags = (lines[name][()] for name in ("areas", "areas_errors", "flags"))
    assert areas.shape == errors.shape == (5, 40)
    assert list(np.flatnonzero(flags)) == [7]
    ratio = (areas[:3] / (run.scene.rates * run.light))[:, flags == 0]
    np.testing.assert_allclose(ratio.mean(axis=1), 1, atol=0.02)  # tail and shelf of the lines


def test_sums_of_the_whole_are_the_truths(evaluated, sums):
    run, _, _, _ = evaluated
    good = np.arange(40) != 7
    column, row, columns, rows = BOX
    inside = (slice(None), slice(row, row + rows), slice(column, column + columns))
    wanted = run.maps(good)
    assert wanted[inside].sum() > 0.6 * wanted.sum()  # most of the sample is in the region
    for place, element in enumerate(ELEMENTS):
        found = sum(region["sums"][element] for region in sums["regions"])
        error = np.sqrt(sum(region["errors"][element] ** 2 for region in sums["regions"]))
        # 1 % of the lines is in tail and shelf; neighbours' errors are anticorrelated: the sum's is smaller
        assert abs(found - wanted[place].sum()) < 4 * error + 0.02 * wanted[place].sum()


def test_the_sum_of_a_region_is_the_truths(evaluated, sums):
    run, _, _, _ = evaluated
    column, row, columns, rows = BOX
    wanted = run.maps(np.arange(40) != 7)[:, row : row + rows, column : column + columns].sum(axis=(1, 2))
    (middle,) = (region for region in sums["regions"] if region["name"] == "middle")
    for place, element in enumerate(ELEMENTS):
        # most of the sample is in it, and light is even on the average: known to some per cent; the errors
        # count what varies within it as scatter, and are larger
        assert middle["sums"][element] == pytest.approx(wanted[place], rel=0.05)
        assert 0.01 < middle["errors"][element] / wanted[place] < 0.3


def test_sums_tell_what_they_were_made_of(sums):
    assert sums["elements"] == list(ELEMENTS)
    assert (sums["patterns"], sums["used"], sums["left_out"]) == (40, 39, {"spectrum": 1})
    assert (sums["unit"], sums["pixel_size_m"]) == ("counts/s", 30e-9)
    np.testing.assert_allclose(sums["pattern_shift_px"], PATTERN_SHIFT, atol=0.1)
    np.testing.assert_allclose(sums["sample_shift_px"], [(0, 0), SAMPLE_SHIFT], atol=0.1)
    # pattern 0 before each block, the same image once more: photon noise, 1500 a pixel
    assert [
        (each["pattern"], each["time_s"] - sums["references"][0]["time_s"]) for each in sums["references"]
    ] == [(0, 0), (0, 41)]
    assert np.abs([each["shift_px"] for each in sums["references"]]).max() < 0.05
    assert "middle" in [region["name"] for region in sums["regions"]]
    correlations = np.array(sums["correlations"])
    assert correlations.shape == (3, 3)
    np.testing.assert_allclose(np.diag(correlations), 1.0)
    # maps of every second pattern: 20 of 1024 pixels agree down to some pixels, or to all that two can show
    assert sums["resolution_limit_m"] == 60e-9
    assert set(sums["resolution_m"]) == set(ELEMENTS)
    assert all(value is None or 60e-9 < value < 1e-6 for value in sums["resolution_m"].values())
    patterns, signed, absolute = sums["dependence"][-1]
    looks, _, falling = zip(*sums["dependence"], strict=True)
    assert patterns == 39
    assert len(looks) > 6
    assert list(looks) == sorted(set(looks))
    assert falling[0] > 2 * falling[-1]  # of few patterns all pixels seem alike by chance
    assert abs(signed) < absolute < 1


def test_a_resolution_of_two_pixels_is_told_as_their_limit(evaluated, sums):
    for element, value in sums["resolution_m"].items():
        word = "pixel limit, 60 nm" if value is None else f"{value / 1e-9:.0f} nm"
        told = f"{element}: resolution of map and TXM image together {word} (Fourier ring correlation at 1/7)"
        assert told in evaluated[3].lines
    # 1500 photons a pixel and pattern, 20 patterns: the image is good to its pixels
    assert sums["txm_resolution_m"] is None
    assert "TXM image: resolution pixel limit, 60 nm" in evaluated[3].lines


def test_the_picture_is_one(evaluated):
    assert evaluated[3].picture.read_bytes().startswith(b"\x89PNG")


def test_a_run_without_sample_has_no_maps(tmp_path):
    record = played(SweepRun(lines=2, per_line=4, passes="out"), tmp_path / "frames")
    with pytest.raises(ReconstructionError, match="found none"):
        evaluate_sweep(record, DataFolder(tmp_path / "data"))


def test_the_library_is_found_in_the_journal(tmp_path):
    data = DataFolder(tmp_path / "data")
    library = SweepRun(lines=2, per_line=4, passes="out", seed=4)
    journal = Journal(data.journal)
    for name, doc in library.play(tmp_path / "frames"):
        journal(name, doc)
    short = SweepRun(lines=2, per_line=4, passes="in", library=library.uid[:8], seed=5)
    found = library_of(played(short, tmp_path / "frames"), data)
    assert found.uid == library.uid
    assert len(found.rows("points")) == 8
    assert library_of(played(SweepRun(lines=2, per_line=4, seed=6), tmp_path / "frames"), data) is None
    lost = SweepRun(lines=2, per_line=4, passes="in", library="deadbeef", seed=7)
    with pytest.raises(StorageError, match="deadbeef"):
        library_of(played(lost, tmp_path / "frames"), data)
