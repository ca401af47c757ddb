"""A library is looked up before anything moves: it must have the sweep's patterns, seen the same way."""

from contextlib import closing

import pytest
from small_sweep import small
from structured_machine import StructuredMachine
from sweep_run import SweepRun

from xsn_acq.cli import main, status
from xsn_acq.config import load_microscope
from xsn_acq.errors import LimitError, StorageError
from xsn_acq.params.library import Library, library_faults, library_refusals
from xsn_acq.params.structured import CondenserSetting, Sheets
from xsn_acq.plans.structured_illumination import structured_illumination
from xsn_acq.session import Session, refuse_library
from xsn_acq.storage.journal import Journal
from xsn_acq.storage.layout import DataFolder

UID = "deadbeef-0000-4000-8000-000000000000"
SETTINGS = (CondenserSetting(), CondenserSetting(x_um=10.0))


def seen(**changes):
    return {"energy_ev": 9000.0, "detector_z_mm": 0.0, "pixel_size_m": 50e-9} | changes


def start(acquisition=None, **changes):
    params = small(**({"passes": "out"} | changes)).model_dump(mode="json")
    acquisition = seen() if acquisition is None else acquisition
    return {"uid": UID, "plan_name": "structured_illumination", "params": params, "acquisition": acquisition}


def library(*given, has=range(6), **changes):
    """The run, all of whose patterns are sound unless others are said."""
    return Library(start(*given, **changes), frozenset(has))


def faults(library, acquisition=None, **changes):
    params = small(**({"passes": "in", "library": UID} | changes)).model_dump(mode="json")
    return library_faults(params, seen() if acquisition is None else acquisition, library)


@pytest.mark.parametrize(
    ("library", "what"),
    [
        (start(sheets=Sheets(step_mm=0.005)), "sheets"),
        (start(per_line=4), "per_line"),
        (start(lines=1), "lines"),
        (start(mode="fly"), "mode"),
        (start(binning=4), "binning"),
        (start(roi=None), "roi"),
        (start(settings=SETTINGS[1:]), "settings"),
        (start(passes="in", library="01234567"), "passes"),
        (start(seen(energy_ev=9002.0)), "energy"),
        (start(seen(detector_z_mm=3.0)), "detector z"),
        (start(seen(pixel_size_m=50.1e-9)), "pixel size"),
        (start({}), "energy, detector z, pixel size"),
        (start() | {"plan_name": "focus_scan"}, "plan"),
        (start(lines=5, settings=SETTINGS[1:], binning=4), "binning, settings"),
    ],
)
def test_other_patterns_are_told_by_what_differs(library, what):
    (line,) = faults(library)
    assert f"found deadbeef with other {what}; name another one" in line


def test_the_same_patterns_are_not():
    near = seen(energy_ev=9000.5, detector_z_mm=0.2, pixel_size_m=50.02e-9)
    assert faults(start(near, exposure_s=2.0, references_every=0, lines_per_block=2)) == []
    assert faults(start(passes="pairs")) == []
    assert faults(start({}), {}) == []  # nothing is known of the beamline yet


def test_patterns_at_the_begin_of_a_library_keep_their_numbers():
    assert faults(start(lines=5)) == []
    assert faults(start(settings=SETTINGS)) == []
    more = start(lines=5, settings=SETTINGS)
    assert faults(more, settings=SETTINGS)  # pattern 6 is in the second setting, or in the third line


LACKING = [
    ({}, {0, 1, 3, 4, 5}, "each of 6 patterns, found deadbeef without 1 of them, as 2;"),
    ({}, {5}, "each of 6 patterns, found deadbeef without 5 of them, as 0;"),
    ({"chosen": (5, 2)}, {1, 5}, "each of 2 patterns, found deadbeef without 1 of them, as 2;"),
    ({"chosen": (5, 2)}, {2, 5}, ""),
    ({}, set(range(6)), ""),
    ({"per_line": 4}, set(), "with other per_line;"),
]


@pytest.mark.parametrize(("changes", "has", "what"), LACKING)
def test_images_that_a_library_lacks_are_told_by_number(changes, has, what):
    params = small(**{"passes": "in", "library": UID} | changes)
    found = library_refusals(params, seen(), library(has=has))
    assert len(found) == bool(what)
    assert not what or what in found[0]


@pytest.mark.parametrize(("lacking", "refused"), [(5, False), (6, True)])
def test_one_in_twenty_is_left_out_later(lacking, refused):
    params = small(passes="in", library=UID, per_line=50)
    found = library_refusals(params, seen(), library(per_line=50, has=range(lacking, 100)))
    assert bool(found) == refused


def test_the_plan_refuses_a_library_that_was_broken_off(tmp_path):
    machine = StructuredMachine()
    size_m = machine.devices.file.pixel_size_m(9000.0, 2, 0.0)
    short = library(seen(pixel_size_m=size_m), has=range(4))
    params = small(passes="in", library=UID)
    with pytest.raises(LimitError, match="found deadbeef without 2 of them, as 4;"):
        machine.run(structured_illumination(machine.devices, params, folder=tmp_path, library=short))
    assert not machine.messages


def test_the_plan_refuses_it_with_all_other_reasons_before_anything_moves(tmp_path):
    machine = StructuredMachine()
    machine.devices.ring.current.value = 50.0
    params = small(passes="in", library=UID)
    plan = structured_illumination(
        machine.devices, params, folder=tmp_path, library=library(seen(energy_ev=9100.0), binning=4)
    )
    with pytest.raises(LimitError) as caught:
        machine.run(plan)
    assert [line.partition(":")[0] for line in caught.value.faults] == ["ring", "library"]
    assert "with other binning, energy;" in caught.value.faults[1]
    assert not machine.messages


def folder_with(run, root):
    """A data folder with this run in its journal."""
    made = DataFolder(root / "data")
    with closing(Journal(made.journal)) as journal:
        for name, doc in run.play(root / "frames"):
            journal(name, doc)
    return made


def taken(**changes):
    """A library of 4 lines of 2 patterns."""
    size_m = load_microscope("ssrl-6-2c").pixel_size_m(9000.0, 2)
    return SweepRun(lines=4, per_line=2, passes="out", pixel_size_m=size_m, uid=UID, **changes)


@pytest.fixture
def data(tmp_path):
    return folder_with(taken(), tmp_path)


def wanted(**changes):
    run = SweepRun(lines=4, per_line=2)
    return run.params.model_copy(update={"passes": "in", "library": "deadbeef"} | changes)


def test_a_session_looks_it_up(data):
    """The journal's library has frames of 32 x 32 pixels of the whole sensor, at 9000 eV."""
    machine = StructuredMachine()
    session = Session(RE=None, instrument=machine.devices, data=data)
    with pytest.raises(StorageError, match="0badc0de"):
        session.plan("structured_illumination", wanted(library="0badc0de"))
    with pytest.raises(LimitError, match="found deadbeef with other per_line;"):
        machine.run(session.plan("structured_illumination", wanted(per_line=3)))
    assert not machine.messages


@pytest.fixture
def dry_run(data, tmp_path, capsys):
    """What a dry run says."""

    def tried(**changes):
        path = tmp_path / "sweep.yaml"
        path.write_text(wanted(**changes).to_yaml())
        options = ["structured_illumination", str(path), "--dry-run", "--data", str(data.root)]
        return main(["run", "ssrl-6-2c", *options]), capsys.readouterr().err

    return tried


def test_a_dry_run_looks_it_up(dry_run):
    assert dry_run() == (status.WELL, "")
    ended, said = dry_run(library="0badc0de")
    assert ended != status.WELL
    assert "run '0badc0de'" in said
    ended, said = dry_run(per_line=3, binning=4)
    assert ended == status.REFUSED
    assert "found deadbeef with other per_line, binning, pixel size; name another one" in said


def test_a_library_without_some_of_its_images_is_refused(tmp_path):
    """The frames of two patterns did not come; one that lost its beam was taken again."""
    file = load_microscope("ssrl-6-2c")
    faults = {("out", 3): "no frame", ("out", 5): "flagged", ("out", 6): "no frame"}
    journal = folder_with(taken(faults=faults), tmp_path).journal
    with pytest.raises(LimitError, match="of 8 patterns, found deadbeef without 2 of them, as 3;"):
        refuse_library("structured_illumination", file, wanted(), journal)
    refuse_library("structured_illumination", file, wanted(chosen=(0, 1, 2, 4, 5, 7)), journal)
