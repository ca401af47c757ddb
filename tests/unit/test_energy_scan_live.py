"""Energy scans evaluated, all at once and point by point: stack, spectra, edge map, files."""

import json

import h5py
import numpy as np
import pytest
from energy_scan_run import EDGE_EV, EnergyScanRun, absorption

from xsn_acq.errors import ReconstructionError
from xsn_acq.live.energy_images import between
from xsn_acq.live.energy_job import EnergyJob
from xsn_acq.live.energy_scan import evaluate_energy_scan
from xsn_acq.live.energy_stack import FILE_NAME, GrowingStack
from xsn_acq.live.results import ResultPublisher
from xsn_acq.live.spectra import REGIONS_NAME, SPECTRA_NAME, WHOLE
from xsn_acq.storage.journal import JournalLine
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

CORE = (slice(20, 28), slice(28, 36))


def evaluated(tmp_path, run):
    record = RunRecord.from_documents(run.play(tmp_path / "frames"))
    data = DataFolder(tmp_path / "data")
    return evaluate_energy_scan(record, data), data, record


def spectra(data, record):
    found = json.loads((data.results(record.uid) / SPECTRA_NAME).read_text())
    return {each["region"]: each for each in found}


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    run = EnergyScanRun()
    return run, *evaluated(tmp_path_factory.mktemp("scan"), run)


def test_the_spectrum_of_a_region_is_the_true_one(scan):
    run, _, data, record = scan
    core = spectra(data, record)["core"]
    truth = [run.truth(energy)[CORE].mean() for energy in run.energies_ev]
    assert core["energy_ev"] == list(run.energies_ev)
    # 64 pixels x 4 frames of 20000 counts: 0.0006, with flats as many; the shift is taken out to 0.03 px
    np.testing.assert_allclose(core["mean"], truth, atol=4 * 0.0009)
    pulls = (np.array(core["mean"]) - truth) / np.array(core["error"])
    assert 0.4 < pulls.std() < 2.0  # 16 values: the error is right within a factor of two
    assert core["edge_method"] == "half_jump"
    assert core["edge_ev"] == pytest.approx(EDGE_EV, abs=0.25)  # 4 eV steps: 0.2 eV without noise


def test_the_edge_map_and_the_stack_are_in_the_exported_file(scan):
    run, made, _, _ = scan
    with h5py.File(made.stack) as file:
        assert file["img_xanes"].shape == (len(run.energies_ev), *run.shape)
        np.testing.assert_allclose(file["X_eng"][()] * 1e3, run.energies_ev)
        edges = file["entry/edge_energy/edge_energy"][()]
    # 1 % of noise on a jump of 0.3 a pixel: 0.5 eV; 64 pixels
    assert np.nanmedian(edges[CORE]) == pytest.approx(EDGE_EV, abs=0.3)
    assert np.isnan(edges[:6, :6]).mean() > 0.9  # air
    assert made.picture.read_bytes().startswith(b"\x89PNG")


def test_streamed_equals_batch(scan, tmp_path):
    _, _, data, record = scan
    (tmp_path / "live").mkdir()
    with GrowingStack(record, tmp_path / "live") as stack:
        for row in record.rows("points"):
            stack.push([row])
    with (
        h5py.File(tmp_path / "live" / FILE_NAME) as live,
        h5py.File(data.results(record.uid) / FILE_NAME) as batch,
    ):
        for name in ("absorbance", "noise", "shift_px"):
            np.testing.assert_array_equal(live[name][()], batch[name][()])


def test_an_image_that_walks_is_brought_back(tmp_path):
    run = EnergyScanRun(moves_px=(0.2, -0.35), seed=3)
    _, data, record = evaluated(tmp_path, run)
    with h5py.File(data.results(record.uid) / FILE_NAME) as file:
        shift = file["shift_px"][()]
    wanted = -np.outer(np.arange(len(run.energies_ev)), run.moves_px)
    print(np.round(shift - wanted, 3))
    assert np.abs(shift - wanted).max() < 0.15  # noise of 1 % on a smooth blob


@pytest.mark.parametrize("flats_first", [True, False])
def test_flats_between_energies_are_shared_in_proportion_to_time(tmp_path, flats_first):
    """Light that drifts by 2 % a point: the flat before alone would be 0.1 off in the middle."""
    last = 15
    run = EnergyScanRun(flats_at=(0, last), flats_first=flats_first, drift=0.02, thickness=0.0, seed=5)
    _, data, record = evaluated(tmp_path, run)
    means = np.array(spectra(data, record)[WHOLE]["mean"])
    # photons: 0.0001; first and last energy have flats of their own, one point away
    assert np.abs(means[1:-1]).max() < 0.0005


def test_weights_of_flats():
    assert between(1.0, [(7, 0.0), (9, 4.0)]) == ((7, 0.75), (9, 0.25))
    assert between(9.0, [(7, 0.0), (9, 4.0)]) == ((9, 1.0),)
    assert between(-1.0, [(9, 4.0), (7, 0.0)]) == ((7, 1.0),)
    assert between(0.0, []) == ()


class Feed:
    """An energy job that is fed documents."""

    def __init__(self, tmp_path, run):
        self.documents = list(run.play(tmp_path / "frames"))
        self.data = DataFolder(tmp_path / "data")
        self.record = RunRecord.from_documents(self.documents[:1])
        self.folder = self.data.results(self.record.uid)
        self.publisher = ResultPublisher(None)
        self.job = EnergyJob(self.record, self.data, self.publisher)

    def feed(self, documents):
        for name, doc in documents:
            self.job.take(JournalLine(None, 0, 0, name, doc, b""))
            while self.job.step():
                pass

    def regions(self):
        return {each["region"] for each in json.loads((self.folder / SPECTRA_NAME).read_text())}


def test_spectra_grow_with_the_scan_and_follow_the_regions_that_are_chosen(tmp_path):
    run = EnergyScanRun(energies_ev=(8320.0, 8330.0, 8340.0, 8350.0, 8360.0, 8370.0), frames=2)
    fed = Feed(tmp_path, run)
    half = len(fed.documents) // 2
    fed.feed(fed.documents[1:half])
    assert fed.job.status.state == "retrieving"
    assert 0 < fed.job.status.pairs < 6
    assert fed.regions() == {WHOLE, "core"}
    (fed.folder / REGIONS_NAME).write_text('{"corner": [0, 0, 8, 8]}')
    fed.feed(fed.documents[half:])
    assert fed.regions() == {WHOLE, "corner"}
    assert fed.job.status.state == "done"
    assert fed.job.status.pairs == 6


def test_an_error_nobody_thought_of_ends_the_work_on_this_run_only(tmp_path, monkeypatch):
    """The worker has other runs to come to."""

    def broken(*_):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("xsn_acq.live.energy_job.spectra_of", broken)
    fed = Feed(tmp_path, EnergyScanRun(energies_ev=(8320.0, 8350.0), frames=2))
    fed.feed(fed.documents[1:])
    assert (fed.job.status.state, fed.job.status.message) == ("failed", "ZeroDivisionError: by zero")


def test_a_region_outside_the_frame_is_named(tmp_path):
    run = EnergyScanRun(energies_ev=(8320.0, 8350.0), frames=2, regions=(("far", (60, 0, 8, 8)),))
    with pytest.raises(ReconstructionError, match="region 'far': wanted pixels within 64 x 48"):
        evaluated(tmp_path, run)


def test_a_scan_without_flats_is_refused(tmp_path):
    run = EnergyScanRun(energies_ev=(8320.0, 8350.0), frames=2, flats_at=())
    with pytest.raises(ReconstructionError, match="wanted images with flats, found none"):
        evaluated(tmp_path, run)


def test_the_absorption_of_these_tests_is_half_way_up_at_its_edge():
    assert absorption(EDGE_EV) == pytest.approx(1.0)
