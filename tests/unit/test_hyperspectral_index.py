"""Index of a hyperspectral scan: one file that leads to the tomograms and volumes of all energies."""

import h5py
import numpy as np
import pytest
from documents import SyntheticRun
from silx.io.nxdata import get_default

from xsn_acq.errors import StorageError
from xsn_acq.storage.frames import FrameReader
from xsn_acq.storage.hyperspectral import EnergyTomogram, write_index
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.nxtomo import write_nxtomo
from xsn_acq.storage.run import RunRecord

ENERGIES_EV = (8329.0, 8333.0)
SHAPE = (3, 5, 5)
SCAN = "0f1e2d3c-0000-4000-8000-000000000000"


def tomogram(data, energy_ev, seed):
    """One energy in a single run; every projection of it has the energy's number as counts."""
    run = SyntheticRun(
        projections=6,
        shape=(8, 12),
        seed=seed,
        acquisition={"energy_ev": energy_ev},
        dark=lambda index: np.zeros((8, 12)),
        projection=lambda index, theta_deg: np.full((8, 12), energy_ev),
    )
    record = RunRecord.from_documents(run.play(data.frames_root))
    nxtomo = write_nxtomo(record, data.exports / f"{record.uid[:8]}.nx")
    return EnergyTomogram(energy_ev, (record.uid,), nxtomo, volume(data, record.uid, energy_ev)), record


def volume(data, uid, value, shape=SHAPE, voxel_m=40e-9):
    """What the index asks of a reconstruction, with the names of `xsn_acq.live.volume`."""
    path = data.results(uid) / "reconstruction.h5"
    with h5py.File(path, "w") as file:
        for quantity, sign in (("delta", 1), ("beta", -1)):
            group = file.create_group(f"entry/{quantity}")
            group[quantity] = np.full(shape, sign * value, np.float32)
            group["x"] = (np.arange(shape[2]) - (shape[2] - 1) / 2) * voxel_m
    return path


@pytest.fixture
def data(tmp_path):
    return DataFolder(tmp_path / "data")


@pytest.fixture
def tomograms(data):
    return [tomogram(data, energy_ev, seed)[0] for seed, energy_ev in enumerate(ENERGIES_EV)]


def test_each_energy_is_an_entry(data, tomograms):
    path = write_index(data.exports / "scan.h5", tomograms[::-1], scan=SCAN, title="battery")
    with h5py.File(path) as file:
        assert list(file) == ["scan", "8329.00_eV", "8333.00_eV"]
        assert file["scan/energy"][:].tolist() == list(ENERGIES_EV)
        assert file["scan/energy"].attrs["units"] == "eV"
        assert file["scan/entry_identifier"].asstr()[()] == SCAN
        for each in tomograms:
            entry = file[each.name]
            assert entry["definition"].asstr()[()] == "NXtomo"
            # frames behind the link, behind the virtual dataset
            assert entry["instrument/detector/data"][-1, 0, 0] == each.energy_ev
            assert file[f"scan/runs/{each.name}"].asstr()[:].tolist() == list(each.runs)
            link = file.get(each.name, getlink=True)
            assert (link.filename, link.path) == (each.nxtomo.name, "entry")


def test_volumes_are_a_stack_over_energy(data, tomograms):
    with h5py.File(write_index(data.exports / "scan.h5", tomograms, scan=SCAN)) as file:
        plot = get_default(file)
        assert plot.signal.shape == (2, *SHAPE)
        assert plot.axes_dataset_names == ["energy", "y", "z", "x"]
        for sign, quantity in ((1, "delta"), (-1, "beta")):
            stack = file[f"scan/{quantity}/{quantity}"]
            assert stack.is_virtual
            assert stack[:, 0, 0, 0].tolist() == [sign * energy for energy in ENERGIES_EV]
            assert file[f"scan/{quantity}/energy"][:].tolist() == list(ENERGIES_EV)
        assert file["scan/volumes/8333.00_eV/delta/delta"][0, 0, 0] == 8333.0
        # 5 voxels of 40 nm about the middle
        np.testing.assert_allclose(
            file["scan/delta/x"][:], np.array([-80, -40, 0, 40, 80]) * 1e-9, atol=1e-15
        )


def test_voxels_of_different_size_have_no_common_axes(data, tomograms):
    volume(data, tomograms[1].runs[0], 1.0, voxel_m=40.1e-9)
    with h5py.File(write_index(data.exports / "scan.h5", tomograms, scan=SCAN)) as file:
        group = file["scan/delta"]
        assert group.attrs["axes"].tolist() == ["energy", ".", ".", "."]
        # differences of coordinates in float64
        np.testing.assert_allclose(group["voxel_size"][:], [40e-9, 40.1e-9], rtol=1e-9)


def test_energies_without_a_volume_are_left_out_of_the_stack(data, tomograms):
    first, second = tomograms
    only = [EnergyTomogram(first.energy_ev, first.runs, first.nxtomo), second]
    with h5py.File(write_index(data.exports / "scan.h5", only, scan=SCAN)) as file:
        assert file["scan/delta/energy"][:].tolist() == [8333.0]
        assert file["scan/delta/delta"].shape == (1, *SHAPE)
        assert list(file["scan/volumes"]) == ["8333.00_eV"]
    with h5py.File(write_index(data.exports / "none.h5", only[:1], scan=SCAN)) as file:
        assert set(file["scan"]) == {"title", "entry_identifier", "program_name", "energy", "runs"}


def test_the_folder_may_be_moved(data, tomograms, tmp_path):
    path = write_index(data.exports / "scan.h5", tomograms, scan=SCAN)
    moved = tmp_path / "elsewhere" / "deeper"
    moved.parent.mkdir()
    data.root.rename(moved)
    with h5py.File(moved / path.relative_to(data.root)) as file:
        assert file["8333.00_eV/instrument/detector/data"][-1, 0, 0] == 8333.0
        assert file["scan/delta/delta"][1, 0, 0, 0] == 8333.0


def test_a_volume_that_is_gone_shows_no_zeros(data, tomograms):
    path = write_index(data.exports / "scan.h5", tomograms, scan=SCAN)
    tomograms[0].volume.unlink()
    with h5py.File(path) as file:
        stack = file["scan/delta/delta"][:, 0, 0, 0]
    assert np.isnan(stack[0])
    assert stack[1] == 8333.0


def test_all_that_is_missing_is_said_at_once(data, tomograms, tmp_path):
    first, second = tomograms
    first.nxtomo.unlink()
    second.volume.unlink()
    third, record = tomogram(data, 8337.0, 3)
    FrameReader(record.streams["flats"].resource).path.unlink()
    with pytest.raises(StorageError) as error:
        write_index(data.exports / "scan.h5", [first, second, third], scan=SCAN)
    message = str(error.value)
    assert "\n" not in message
    assert "8329.00_eV: " in message
    assert first.nxtomo.name in message
    assert f"8333.00_eV: volume {second.volume}" in message
    assert "8337.00_eV: " in message
    assert "flats.h5 cannot be read" in message
    assert not (data.exports / "scan.h5").exists()


def test_what_does_not_fit_is_refused(data, tomograms):
    first, second = tomograms

    def refused(*each, path=data.exports / "scan.h5"):
        with pytest.raises(StorageError) as error:
            write_index(path, each, scan=SCAN)
        return str(error.value)

    assert "wanted one energy or more" in refused()
    assert "8329.00_eV: wanted once, found more" in refused(first, first)
    assert "wanted uids of its runs" in refused(EnergyTomogram(8329.0, (), first.nxtomo))
    assert "found energy 8329.0 eV" in refused(EnergyTomogram(8340.0, ("u",), first.nxtomo))
    assert "would replace a file of its own" in refused(first, path=first.nxtomo)
    volume(data, second.runs[0], 1.0, shape=(3, 4, 4))
    assert "volumes: wanted one shape, found (3, 4, 4), (3, 5, 5)" in refused(first, second)
    with h5py.File(first.volume, "r+") as file:
        del file["entry/beta"]
    assert f"8329.00_eV: volume {first.volume}" in refused(first)
