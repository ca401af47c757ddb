"""What a hyperspectral scan has by its journal and files, and when one may go on with it."""

import subprocess
import sys
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from documents import T0, SyntheticRun

from xsn_acq.cli import main, resume
from xsn_acq.config import load_beamline
from xsn_acq.errors import ConfigError, StorageError
from xsn_acq.params import HyperspectralTomography
from xsn_acq.storage.journal import Journal
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.mending import mend
from xsn_acq.storage.nxtomo import write_nxtomo
from xsn_acq.storage.scans import find_scan, hyperspectral_scans, refuse_other, unfinished_scan

PARAMS = HyperspectralTomography(energies_ev=(8313.0, 8333.0), projections=12)
PLAIN = PARAMS.model_dump(mode="json")
FILE = load_beamline("pls2-7c-xni")
BEAMLINE = FILE.model_dump(mode="json")
PAGES_OF_FIVE = 5
SCAN = "5ca1ab1e-0000-4000-8000-000000000000"


@pytest.fixture
def data(tmp_path):
    return DataFolder(tmp_path / "data")


class Part(SyntheticRun):
    """A run of a scan."""

    def __init__(self, number, **changes):
        hour = changes.pop("hour", number)
        super().__init__(seed=hour + 1, time_s=T0 + 3600 * hour, **changes)
        self.number = number

    def start_metadata(self):
        energies = list(PARAMS.sequence_ev)
        return {
            **super().start_metadata(),
            "plan_name": "hyperspectral_tomography",
            "params": PLAIN,
            "tomogram": PARAMS.tomogram(self.number).model_dump(mode="json"),
            "hyperspectral": {
                "scan": SCAN,
                "number": self.number,
                "count": len(energies),
                "energies_ev": energies,
                "resumes": [],
                "taken": [],
            },
        }


def begun(data, run, pages=None):
    """Journal a run, or the ledger's first pages of it before a kill; its file of projections."""
    journal, seen = Journal(data.journal), 0
    for name, doc in run.play(data.frames_root):
        journal(name, doc)
        seen += name == "event_page"
        if seen == pages:
            break
    journal.close()
    return data.frames_root / run.uid[:8] / "projections.h5"


def good(data, number):
    (scan,) = hyperspectral_scans(data.journal)
    return scan.progress().at(number).good


def test_complete_energies_and_rows_up_to_the_kill(data):
    begun(data, Part(0))
    begun(data, Part(1), pages=2)
    (scan,) = hyperspectral_scans(data.journal)
    found = scan.progress()
    assert [found.complete(number, 12) for number in range(2)] == [True, False]
    assert found.at(1).good == set(range(2 * PAGES_OF_FIVE))
    assert found.at(1).runs == (scan.runs[1].uid,)
    assert found.at(1).phase_deg is None


def test_a_frame_that_its_file_lacks_or_that_was_never_written_does_not_count(data):
    path = begun(data, Part(1), pages=2)
    mend(path)
    with h5py.File(path, "r+") as file:
        frames = file["entry/data/data"]
        frames.resize(8, axis=0)
        frames[3] = 0
    assert good(data, 1) == {0, 1, 2, 4, 5, 6, 7}
    path.unlink()
    assert good(data, 1) == set()


def test_a_run_that_succeeded_is_believed_without_its_file(data):
    begun(data, Part(0)).unlink()
    assert good(data, 0) == set(range(12))


def test_an_energy_of_two_runs_is_exported_once(data):
    path = begun(data, Part(0), pages=2)
    mend(path)
    with h5py.File(path, "r+") as file:
        file["entry/data/data"][3] = 0
    begun(data, Part(0, hour=2))
    (scan,) = hyperspectral_scans(data.journal)
    records = scan.parts()[0]
    with h5py.File(write_nxtomo(records, data.exports / "a.nx")) as file:
        keys = file["entry/instrument/detector/image_key"][()]
        frames = file["entry/data/data"][()]
    assert (keys == 0).sum() == 12
    assert all(frame.any() for frame in frames[keys == 0])


def test_the_unfinished_scan_with_these_parameters(data):
    assert unfinished_scan(data.journal, PLAIN) == (None, None)
    begun(data, Part(0))
    scan, found = unfinished_scan(data.journal, PLAIN)
    assert (scan.uid, found.scan) == (SCAN, SCAN)
    assert unfinished_scan(data.journal, PLAIN | {"projections": 24}) == (None, None)
    begun(data, Part(1))
    assert unfinished_scan(data.journal, PLAIN) == (None, None)


def test_a_scan_is_found_by_the_beginning_of_its_uid(data):
    begun(data, Part(0))
    assert find_scan(data.journal, "5ca1").uid == SCAN
    with pytest.raises(ConfigError, match="begins with 'ffff', found 0; there are 5ca1ab1e"):
        find_scan(data.journal, "ffff")


def refused(data, params=PLAIN, beamline=BEAMLINE):
    (scan,) = hyperspectral_scans(data.journal)
    with pytest.raises(ConfigError) as error:
        refuse_other(scan, scan.progress(), params, beamline)
    return error.value.faults


def test_a_scan_that_was_begun_otherwise_is_refused_with_all_that_differs(data):
    begun(data, Part(0))
    (scan,) = hyperspectral_scans(data.journal)
    refuse_other(scan, scan.progress(), PLAIN, BEAMLINE)
    edge = BEAMLINE["calibration"]["knife_edge"] | {"date": "2027-01-02", "run": "abcdef0123"}
    other = {
        **BEAMLINE,
        "calibration": BEAMLINE["calibration"] | {"knife_edge": edge},
        "geometry": BEAMLINE["geometry"] | {"cutoff_x_zero_um": 2.0},
    }
    params, geometry, calibration = refused(data, PLAIN | {"exposure_s": 3.0}, other)
    assert params == "params.exposure_s: wanted 2.0, as the scan began, found 3.0"
    assert geometry == "beamline.geometry.cutoff_x_zero_um: wanted 0.0, as the scan began, found 2.0"
    assert calibration.startswith("calibration knife_edge: wanted that of ")
    assert "found that of 2027-01-02 abcdef01;" in calibration
    gap = {**BEAMLINE, "calibration": BEAMLINE["calibration"] | {"gap": [{"energy_ev": 8333.0}]}}
    refuse_other(scan, scan.progress(), PLAIN, gap)


def test_a_complete_scan_is_not_gone_on_with(data):
    begun(data, Part(0))
    begun(data, Part(1))
    assert refused(data) == ("it is complete; start a new one without --resume",)


def test_a_scan_that_is_being_taken_is_not_gone_on_with(data):
    journal = Journal(data.journal)
    documents = Part(0).play(data.frames_root)
    journal(*next(documents))
    assert refused(data) == ("it is being taken now; wait for its end",)
    journal.close()


@pytest.fixture
def resumed(data, capsys):
    """What the command's ``--resume`` finds and says."""

    def tried(option, params=PARAMS, plan="hyperspectral_tomography"):
        arguments = SimpleNamespace(plan=plan, resume=option)
        return resume.progress(arguments, FILE, params, data), capsys.readouterr().out

    return tried


def test_the_command_tells_of_an_unfinished_scan_and_goes_on_with_it(data, resumed):
    begun(data, Part(0))
    begun(data, Part(1), pages=1)
    have = "1 of 2 energies complete, 17 of 24 projections"
    done, said = resumed(None)
    assert done is None
    assert said.startswith(f"NOTE: scan 5ca1ab1e with these parameters is unfinished ({have})")
    assert said.endswith("--resume 5ca1ab1e goes on with it\n")
    for option in (resume.LAST, "5ca1"):
        done, said = resumed(option)
        assert (done.scan, said) == (SCAN, f"going on with scan 5ca1ab1e: {have}\n")


def test_the_command_refuses_what_cannot_be_resumed(data, resumed):
    with pytest.raises(ConfigError, match="wanted an unfinished scan with these parameters, found none"):
        resumed(resume.LAST, PARAMS.model_copy(update={"projections": 24}))
    with pytest.raises(ConfigError, match="plan xsn_tomography cannot be resumed"):
        resumed(resume.LAST, PARAMS.tomogram(0), "xsn_tomography")
    assert resumed(None, PARAMS.tomogram(0), "xsn_tomography") == (None, "")


def test_runs_are_listed_with_their_energy(data, capsys):
    begun(data, Part(1))
    assert main(["runs", "--data", str(data.root)]) == 0
    assert "  scan 5ca1ab1e 2/2, 8333 eV   complete" in capsys.readouterr().out


KILLED = """
import os, signal, sys, h5py
with h5py.File(sys.argv[1], "w", libver="latest") as file:
    data = file.create_dataset("entry/data/data", (0, 4, 4), "u2", maxshape=(None, 4, 4), chunks=(1, 4, 4))
    file.swmr_mode = True
    for index in range(200):
        data.resize(index + 1, 0)
        data[index] = index + 1
        data.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_file_whose_writer_was_killed_is_mended(tmp_path):
    path = tmp_path / "frames.h5"
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    with pytest.raises(OSError, match="already open for write"):
        h5py.File(path)
    assert mend(path)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["entry/data/data"][:, 0, 0], np.arange(1, 201))
    assert not mend(path)


def test_a_file_that_is_damaged_otherwise_is_left_alone(tmp_path):
    path = tmp_path / "frames.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(StorageError, match="no writer was killed"):
        mend(path)
    assert path.read_bytes().endswith(bytes(100))
    with pytest.raises(StorageError, match="not there"):
        mend(tmp_path / "none.h5")
