"""Runs of diffuser positions in a journal: what a series has, what speaks against going on with it."""

import pytest
from documents import T0, SyntheticRun

from xsn_acq.config import load_microscope
from xsn_acq.errors import ConfigError, StorageError
from xsn_acq.params import SpeckleTomography
from xsn_acq.storage.journal import Journal, find_run, list_runs
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.scans import all_scans, find_scan, hyperspectral_scans, refuse_other, unfinished_scan

PARAMS = SpeckleTomography(positions=2, projections=12)
PLAIN = PARAMS.model_dump(mode="json")
BEAMLINE = load_microscope("pls2-6c").model_dump(mode="json")
SERIES = "5ca1ab1e-0000-4000-8000-000000000000"


class Position(SyntheticRun):
    """A run of the series."""

    def __init__(self, number):
        super().__init__(seed=number + 1, time_s=T0 + 3600 * number)
        self.number = number

    def start_metadata(self):
        return {
            **super().start_metadata(),
            "plan_name": "speckle_tomography",
            "technique": "pwf",
            "params": PLAIN,
            "beamline": BEAMLINE,
            "tomogram": PLAIN,
            "speckle": {
                "series": SERIES,
                "number": self.number,
                "count": 2,
                "position_mm": list(PARAMS.places_mm[self.number]),
                "positions_mm": [list(place) for place in PARAMS.places_mm],
                "resumes": [],
                "taken": [],
            },
        }


@pytest.fixture
def data(tmp_path):
    return DataFolder(tmp_path / "data")


def begun(data, run, pages=None):
    """Journal a run, or the ledger's first pages of it before a kill."""
    journal, seen = Journal(data.journal), 0
    for name, doc in run.play(data.frames_root):
        journal(name, doc)
        seen += name == "event_page"
        if seen == pages:
            break
    journal.close()


def test_what_a_series_has(data):
    begun(data, Position(0))
    begun(data, Position(1), pages=2)
    (scan,) = all_scans(data.journal)
    assert hyperspectral_scans(data.journal) == []
    assert (scan.uid, scan.count, scan.parts_name) == (SERIES, 2, "diffuser positions")
    found = scan.progress()
    assert [found.complete(number, 12) for number in range(2)] == [True, False]
    assert 0 < len(found.at(1).good) < 12
    assert found.at(1).runs == (scan.runs[1].uid,)
    assert [run.part["position_mm"] for run in list_runs(data.journal)] == [[-0.05, 0.0], [0.05, 0.0]]


def test_the_unfinished_series_is_gone_on_with(data):
    begun(data, Position(0))
    begun(data, Position(1), pages=2)
    scan, found = unfinished_scan(data.journal, PLAIN)
    assert find_scan(data.journal, "5ca1").uid == scan.uid
    refuse_other(scan, found, PLAIN, BEAMLINE)
    sheet = BEAMLINE | {"diffuser": BEAMLINE["diffuser"] | {"layers": 3}}
    with pytest.raises(
        ConfigError, match=r"beamline\.diffuser\.layers: wanted 4, as the scan began, found 3"
    ):
        refuse_other(scan, found, PLAIN, sheet)
    axis = BEAMLINE["calibration"]["rotation_axis"] | {"date": "2026-11-20"}
    moved = BEAMLINE | {"calibration": BEAMLINE["calibration"] | {"rotation_axis": axis}}
    with pytest.raises(ConfigError, match="calibration rotation_axis: wanted that of 2026-11-02"):
        refuse_other(scan, found, PLAIN, moved)


def test_a_complete_series_is_not_gone_on_with(data):
    for number in range(2):
        begun(data, Position(number))
    assert unfinished_scan(data.journal, PLAIN) == (None, None)
    (scan,) = all_scans(data.journal)
    with pytest.raises(ConfigError, match="it is complete"):
        refuse_other(scan, scan.progress(), PLAIN, BEAMLINE)


def test_a_series_is_found_by_its_own_uid(data):
    for number in (0, 1):
        begun(data, Position(number))
    last = list_runs(data.journal)[-1].uid
    assert find_run(data.journal, SERIES[:8]).uid == last
    assert find_run(data.journal, last[:8]).uid == last
    with pytest.raises(StorageError, match="found none of 2 runs"):
        find_run(data.journal, "5ca1ab1f")
