"""The file of densities from two reconstructions, and the command that writes it."""

import json

import h5py
import numpy as np
import pytest
from nickel_volumes import NOISE, SHIFT_M, VOXEL_M, particle, true_densities, write_pair

from xsn_acq.cli import main, status
from xsn_acq.errors import ReconstructionError, StorageError
from xsn_acq.live import energy_pair
from xsn_acq.live.chemistry import ChemistrySettings, write_chemistry

MIX = {"Co": 3.0, "Mn": 2.0}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_pair(tmp_path_factory.mktemp("volumes"))


@pytest.fixture(scope="module")
def written(files, tmp_path_factory):
    """Both orders of the files must do: the energies tell."""
    path = tmp_path_factory.mktemp("chemistry") / "chemistry.h5"
    write_chemistry(files[1], files[0], path, ChemistrySettings(MIX, shell_m=120e-9))
    return path


def test_densities_and_their_errors(written):
    solid, air = particle(VOXEL_M) > 0.999, particle(VOXEL_M) < 0.001
    with h5py.File(written) as file:
        entry = file["entry"]
        for signal, wanted in zip(("nickel", "others"), true_densities(), strict=True):
            density, error = entry[signal][signal], entry[signal][f"{signal}_errors"]
            assert density.attrs["units"] == "g/cm3"
            # thousands of voxels; an error of registration of 0.1 voxel would show at the rim only
            assert float(density[()][solid].mean()) == pytest.approx(wanted, rel=0.005)
            seen = np.std(density[()][solid])
            # resampling smooths the noise of one of the volumes: the error errs on the safe side
            assert 0.7 * error[0, 0, 0] < seen < 1.05 * error[0, 0, 0]
            assert error.id.get_storage_size() == 0
        ratio = entry["ratio/ratio"][()]
        assert np.isnan(ratio[air]).mean() > 0.99  # noise of 0.25 g/cm3 against 3 sigma
        ni, others = true_densities()
        # the mean of ratios is 2 % too high: (0.21 / 1.7)^2 and more of noise
        assert np.nanmedian(ratio[solid]) == pytest.approx(others / ni * 58.693 / 57.34, rel=0.01)


def test_the_file_says_how_it_was_made(written):
    with h5py.File(written) as file:
        entry = file[file.attrs["default"]]
        known = json.loads(entry["process/parameters"].asstr()[()])
        assert [entry[name].asstr()[()] for name in ("source_run", "source_run_after")] == [
            "83268326",
            "83668366",
        ]
        assert list(entry["ratio"].attrs["axes"]) == ["y", "z", "x"]
    assert known["placement"]["scale"] == pytest.approx(8326 / 8366)
    shift = np.array(known["placement"]["shift_voxels"]) * VOXEL_M
    np.testing.assert_allclose(shift, SHIFT_M, atol=0.05 * VOXEL_M)
    # a thousand voxels of air, of the second volume smoothed by the spline
    assert known["voxel_noise"][0] == pytest.approx(NOISE, rel=0.05)
    assert 0.7 * NOISE < known["voxel_noise"][1] < NOISE


def test_the_profile_is_flat_inside_a_uniform_particle(written):
    with h5py.File(written) as file:
        profile = file["entry/profile"]
        depth, nickel, error = (profile[name][()] for name in ("distance", "nickel", "nickel_errors"))
        ratio, ratio_error = profile["ratio"][()], profile["ratio_errors"][()]
    inside = (depth > 150e-9) & (depth < 700e-9)
    assert inside.sum() >= 4
    pull = (nickel[inside] - true_densities()[0]) / error[inside]
    assert np.abs(pull).max() < 4
    assert np.abs((ratio[inside] - 2 / 3) / ratio_error[inside]).max() < 4


def test_smoothing_takes_noise_from_the_maps_and_says_so(files, tmp_path):
    path = tmp_path / "smooth.h5"
    write_chemistry(*files, path, ChemistrySettings(MIX, smooth_m=150e-9, centre_m=(0.0, 0.0, 0.0)))
    with h5py.File(path) as file:
        known = json.loads(file["entry/process/parameters"].asstr()[()])
        assert file["entry/profile/distance"].attrs["long_name"] == "distance from a point"
        nickel = file["entry/nickel"]
        seen = np.std(nickel["nickel"][()][particle(VOXEL_M) < 1e-9])
        # air far from the particle: what the errors were taken from, with the edges of the volume
        assert seen == pytest.approx(nickel["nickel_errors"][0, 0, 0], rel=0.25)
    # white noise under a Gaussian of 1.06 voxels: (4 pi)^(-3/4) / 1.06^(3/2) = 0.137
    assert known["voxel_noise"][0] / known["voxel_noise_unsmoothed"][0] == pytest.approx(0.137, rel=0.15)


def test_slabs_make_the_same_file(files, tmp_path, monkeypatch):
    settings = ChemistrySettings(MIX, smooth_m=100e-9, centre_m=(0.1e-6, 0.0, 0.0))
    whole, slabs, done = tmp_path / "whole.h5", tmp_path / "slabs.h5", []
    write_chemistry(*files, whole, settings)
    monkeypatch.setattr("xsn_acq.live.chemistry._SLAB_BYTES", 1)
    write_chemistry(*files, slabs, settings, progress=lambda *rows: done.append(rows))
    assert done == [(8, 36), (16, 36), (24, 36), (32, 36), (36, 36)]
    with h5py.File(slabs) as file, h5py.File(whole) as other:
        for signal in ("nickel", "others"):
            a, b = (each[f"entry/{signal}/{signal}"][()] for each in (file, other))
            np.testing.assert_allclose(a, b, atol=1e-4)  # splines of a slab, see registration
        for name in ("voxels", "nickel"):
            a, b = (each[f"entry/profile/{name}"][()] for each in (file, other))
            np.testing.assert_allclose(a, b, rtol=1e-4)


def test_large_volumes_are_judged_pooled(files, tmp_path, monkeypatch, written):
    monkeypatch.setattr(energy_pair, "_ROUGH_VOXELS", 22)
    monkeypatch.setattr("xsn_acq.live.chemistry._SLAB_BYTES", 1)
    path = tmp_path / "pooled.h5"
    write_chemistry(*files, path, ChemistrySettings(MIX, shell_m=120e-9))
    with h5py.File(path) as file, h5py.File(written) as whole:
        a, b = (each["entry/profile/voxels"][()] for each in (file, whole))
        # the surface to half a pooled voxel: a quarter of a shell at either border
        np.testing.assert_allclose(a[:5], b[:5], rtol=0.3)
        assert a.sum() == pytest.approx(b.sum(), rel=0.05)


def test_where_no_air_is_seen_the_half_sets_tell_the_noise(tmp_path, monkeypatch):
    monkeypatch.setattr(energy_pair, "_LEAST_AIR", 10**9)
    paths, written = write_pair(tmp_path), tmp_path / "chemistry.h5"
    with pytest.raises(ReconstructionError, match="no half sets in the files"):
        write_chemistry(*paths, written)
    for path in paths:
        with h5py.File(path, "a") as file:
            group = file["entry"].create_group("resolution")
            group["frequency"] = [1e6]
            group["noise_delta"], group["noise_beta"] = 2e-7, 1e-7
    write_chemistry(*paths, written)
    with h5py.File(written) as file:
        assert json.loads(file["entry/process/parameters"].asstr()[()])["voxel_noise"] == [1e-7, 1e-7]


def test_one_energy_twice_is_refused(files, tmp_path):
    with pytest.raises(ReconstructionError, match=r"two energies, found 8326\.0 eV twice"):
        write_chemistry(files[0], files[0], tmp_path / "x.h5")
    with pytest.raises(StorageError, match="wanted a reconstruction"):
        write_chemistry(files[0], tmp_path / "none.h5", tmp_path / "x.h5")
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_the_profile(files, tmp_path, capsys):
    arguments = ["chemistry", *map(str, files), "--output", str(tmp_path / "out"), "--others", "Co=3,Mn=2"]
    assert main([*arguments, "--shell", "150", "--host", "none"]) == status.WELL
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "nm = distance from the particle's surface, inwards; densities in g/cm3, ratio by atoms"
    assert said[1].split() == ["nm", "Ni", "Co+Mn", "(Co+Mn)", "/", "Ni", "voxels"]
    assert [line.rsplit("/", 1)[1] for line in said[-2:]] == ["chemistry.h5", "chemistry.png"]
    assert (tmp_path / "out" / "chemistry.png").stat().st_size > 20_000


def test_the_command_refuses_what_it_does_not_know(files, tmp_path, capsys):
    assert main(["chemistry", "last", str(files[0]), "--data", str(tmp_path)]) == status.FAILED
    assert "wanted one run, found none of 0 runs" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["chemistry", *map(str, files), "--others", "Co=-1"])
