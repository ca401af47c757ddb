"""Programs that others use open one energy taken in two runs, and each energy by the index of a scan."""

import h5py
import numpy as np
import pytest
from documents import T0, SyntheticRun

from xsn_acq.storage.hyperspectral import EnergyTomogram, write_index
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.nxtomo import write_nxtomo
from xsn_acq.storage.run import RunRecord

# The readers' own warnings are not ours to fail on.
pytestmark = [pytest.mark.system, pytest.mark.filterwarnings("ignore")]

SHAPE = (8, 12)
ENERGIES_EV = (8329.0, 8333.0)


def part(data, energy_ev, seed):
    """A run whose projections have the energy's number as counts."""
    run = SyntheticRun(
        projections=6,
        shape=SHAPE,
        seed=seed,
        time_s=T0 + 1000 * seed,
        acquisition={"energy_ev": energy_ev},
        projection=lambda index, theta_deg: np.full(SHAPE, energy_ev),
    )
    return RunRecord.from_documents(run.play(data.frames_root))


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """The first energy in two runs of which the second takes all angles again, the second in one."""
    data = DataFolder(tmp_path_factory.mktemp("data"))
    runs = [[part(data, ENERGIES_EV[0], 1), part(data, ENERGIES_EV[0], 2)], [part(data, ENERGIES_EV[1], 3)]]
    tomograms = [
        EnergyTomogram(
            energy_ev,
            tuple(run.uid for run in of_one),
            write_nxtomo(of_one, data.exports / f"{energy_ev}.nx"),
        )
        for energy_ev, of_one in zip(ENERGIES_EV, runs, strict=True)
    ]
    return write_index(data.exports / "scan.h5", tomograms, scan="scan")


def links(index):
    """File and entry that each energy's link leads to."""
    with h5py.File(index) as file:
        found = [file.get(name, getlink=True) for name in file if name != "scan"]
    return [(str(index.parent / link.filename), link.path) for link in found]


def test_tomoscan_opens_each_energy(index):
    from tomoscan.esrf.scan.nxtomoscan import NXtomoScan
    from tomoscan.validator import ReconstructionValidator

    for (path, entry), energy_ev, runs in zip(links(index), ENERGIES_EV, (2, 1), strict=True):
        scan = NXtomoScan(path, entry)
        validator = ReconstructionValidator(scan, check_phase_retrieval=True, check_values=True)
        assert validator.is_valid(), validator.checkup()
        assert (len(scan.projections), len(scan.flats), len(scan.darks)) == (6, 3 * runs, 2 * runs)
        # eV to keV and tomoscan's own conversions: a few roundings
        assert scan.energy * 1000 == pytest.approx(energy_ev, rel=1e-9)


def test_nxtomo_finds_each_energy_consistent(index):
    from nxtomo.application.nxtomo import NXtomo

    for (path, entry), energy_ev in zip(links(index), ENERGIES_EV, strict=True):
        loaded = NXtomo().load(path, entry, detector_data_as="as_numpy_array")
        NXtomo.check_consistency(loaded, raises_error=True)
        assert loaded.instrument.detector.data[-1, 0, 0] == energy_ev


def test_tomoscan_opens_an_energy_in_the_index_itself(index):
    from tomoscan.esrf.scan.nxtomoscan import NXtomoScan

    scan = NXtomoScan(str(index), "8333.00_eV")
    assert len(scan.projections) == 6
    assert scan.energy * 1000 == pytest.approx(8333.0, rel=1e-9)
