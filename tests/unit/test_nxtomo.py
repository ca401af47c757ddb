import json
import shutil

import h5py
import numpy as np
import pytest
from documents import SyntheticRun

from xsn_acq.errors import StorageError
from xsn_acq.storage.frames import FrameReader
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.nxtomo import check_nxtomo, write_nxtomo
from xsn_acq.storage.run import RunRecord

DETECTOR = "entry/instrument/detector"


@pytest.fixture
def data(tmp_path):
    return DataFolder(tmp_path / "data")


def marked(run):
    """Frames that say what they are: darks 100, flats 1000, projections 2000 + index in their file."""
    run.dark = lambda index: np.full(run.shape, 100 + index)
    run.flat = lambda index: np.full(run.shape, 1000 + index)
    run.projection = lambda index, theta_deg: np.full(run.shape, 2000 + index)
    return run


def exported(data, **settings):
    run = marked(SyntheticRun(**settings))
    record = RunRecord.from_documents(run.play(data.frames_root))
    return run, record, write_nxtomo(record, data.exports / f"{record.uid[:8]}.nx")


def test_frames_stand_in_order_of_acquisition(data):
    _, _, path = exported(data, darks=2, flats=3, projections=6, flats_after=2)
    with h5py.File(path) as file:
        values = file[f"{DETECTOR}/data"][:, 0, 0].tolist()
        assert values == [100, 101, 1000, 1001, 1002, *range(2000, 2006), 1000, 1001]
        assert file[f"{DETECTOR}/image_key"][:].tolist() == [2, 2, 1, 1, 1, *[0] * 6, 1, 1]
        assert file[f"{DETECTOR}/image_key_control"][:].tolist() == file[f"{DETECTOR}/image_key"][:].tolist()
        assert file["entry/data/data"].shape == file[f"{DETECTOR}/data"].shape
    assert check_nxtomo(path) == 13


def test_references_stand_beside_the_frames(data):
    run = marked(SyntheticRun(projections=3, references=2, references_after=1))
    run.reference = lambda index: np.full(run.shape, 500 + index)
    record = RunRecord.from_documents(run.play(data.frames_root))
    path = write_nxtomo(record, data.exports / "speckle.nx")
    with h5py.File(path) as file:
        assert file["entry/references/data"][:, 0, 0].tolist() == [500, 501, 500]
        times = file["entry/references/frame_time"][:].tolist()
        ledger = [row["frame_time"] for row in record.ledger]
        assert times == [ledger[0], ledger[0], ledger[-1]]
        assert len(file[f"{DETECTOR}/data"]) == 8
    (run_folder,) = data.frames_root.iterdir()
    (run_folder / "references_after.h5").unlink()
    with pytest.raises(StorageError, match="references_after"):
        check_nxtomo(path)


def test_angles_are_those_of_mid_exposure(data):
    run, _, path = exported(data, projections=6)
    with h5py.File(path) as file:
        angles = file["entry/sample/rotation_angle"]
        assert angles.attrs["units"] == "degree"
        assert angles[5:].tolist() == [run.theta_mid_deg(target) for target in range(6)]


def test_first_and_last_frames_without_a_pulse_leave_no_gap(data):
    record = RunRecord.from_documents(marked(SyntheticRun(flats_after=2)).play(data.frames_root))
    for row in (record.ledger[0], record.ledger[-1]):
        row.update(theta_deg=float("nan"), theta_mid_deg=float("nan"), pulse=-1, target=-1, status="flagged")
    with h5py.File(write_nxtomo(record, data.exports / "gap.nx")) as file:
        angles = file["entry/sample/rotation_angle"][:]
        assert np.isfinite(angles).all()
        assert angles[0] == record.ledger[1]["theta_deg"]
        assert angles[-1] == record.ledger[-2]["theta_deg"]
        assert np.isfinite(file["entry/control/data"][:]).all()


def test_retaken_and_flagged_frames(data):
    run, _, path = exported(data, projections=6, lost=(2,), flagged=(4,))
    # Frames in the file: targets 0 1 3 4(flagged) 5, then 2 and 4 again.
    with h5py.File(path) as file:
        assert file[f"{DETECTOR}/image_key"][5:].tolist() == [0, 0, 0, 3, 0, 0, 0]
        targets = [0, 1, 3, 4, 5, 2, 4]
        assert file["entry/sample/rotation_angle"][5:].tolist() == [run.theta_mid_deg(t) for t in targets]


def test_the_first_good_frame_of_an_angle_counts_and_unknown_frames_do_not(data):
    run = marked(SyntheticRun(projections=4))
    record = RunRecord()
    for name, doc in run.play(data.frames_root):
        if name == "event_page" and record.stream_name(doc) == "ledger":
            doc["data"]["target"] = [0, 0, 2, 3]
            doc["data"]["frame_index"] = [0, 1, 2, -1]
        record.add(name, doc)
    path = write_nxtomo(record, data.exports / "a.nx")
    with h5py.File(path) as file:
        assert file[f"{DETECTOR}/image_key"][5:].tolist() == [0, 3, 0, 3]
        assert np.isfinite(file["entry/sample/rotation_angle"][:]).all()


def interrupted(data, rows):
    """A run that ends after so many ledger rows, and a copy of its frames as the open writer left them."""
    run = marked(SyntheticRun(projections=12, per_flush=5))
    record = RunRecord()
    documents = run.play(data.frames_root)
    while len(record.ledger) < rows:
        record.add(*next(documents))
    shutil.copytree(data.frames_root, data.root / "copy")
    documents.close()
    return record


def test_an_interrupted_run_is_written_as_far_as_it_goes(data):
    record = interrupted(data, 10)
    path = write_nxtomo(record, data.exports / "a.nx")
    with h5py.File(path) as file:
        assert file[f"{DETECTOR}/image_key"][5:].tolist() == [0] * 10
    assert check_nxtomo(path) == 15


def test_a_file_that_is_still_written_is_told_not_read_as_zeros(data):
    record = interrupted(data, 10)
    shutil.rmtree(data.frames_root)
    (data.root / "copy").rename(data.frames_root)  # the flag of an open writer is set, as after its death
    with pytest.raises(StorageError, match="still being written"):
        write_nxtomo(record, data.exports / "a.nx")
    assert list(data.exports.iterdir()) == []


def test_values_and_units(data):
    run, record, path = exported(data, acquisition={"axis_column": 9.0}, shape=(10, 16))
    acquisition = record.start["acquisition"]
    with h5py.File(path) as file:
        entry = file["entry"]
        assert entry["definition"][()] == b"NXtomo"
        assert entry["entry_identifier"][()].decode() == record.uid
        energy = entry["instrument/beam/incident_energy"]
        # keV from eV in float64: one rounding.
        assert (energy[()] * 1000, energy.attrs["units"]) == (pytest.approx(8333.0, rel=1e-12), "keV")
        assert entry["instrument/detector/x_rotation_axis_pixel_position"][()] == 9.0 - 7.5
        assert entry["instrument/detector/x_pixel_size"][()] == acquisition["pixel_size_m"]
        assert entry["sample/y_pixel_size"].attrs["units"] == "m"
        assert entry["instrument/detector/distance"][()] == acquisition["sample_to_scintillator_m"]
        assert entry["instrument/detector/count_time"][:].tolist() == [run.exposure_s] * 17
        # The ring current falls from row to row; darks and flats have the first.
        assert entry["control/data"][:7].tolist() == [400.0] * 6 + [399.99]
        assert json.loads(entry["start_document/data"][()])["acquisition"]["axis_column"] == 9.0


def test_frames_are_not_copied(data):
    _, _, path = exported(data, shape=(100, 120))
    frames = sum(file.stat().st_size for file in data.frames_root.rglob("*.h5"))
    assert path.stat().st_size < frames / 5
    assert not list(path.parent.glob("*.partial"))


def test_the_data_folder_may_be_moved(data, tmp_path):
    _, _, path = exported(data)
    moved = tmp_path / "elsewhere"
    data.root.rename(moved)
    path = moved / path.relative_to(data.root)
    assert check_nxtomo(path) == 17
    with h5py.File(path) as file:
        assert file[f"{DETECTOR}/data"][:, 0, 0].min() >= 100  # a missing source reads 0


def test_a_missing_source_is_told_not_read_as_zeros(data):
    _, record, path = exported(data)
    flats = FrameReader(record.streams["flats"].resource).path
    flats.rename(flats.with_suffix(".gone"))
    with h5py.File(path) as file:
        assert file[f"{DETECTOR}/data"][3].max() == 0  # why the check is there
    with pytest.raises(StorageError, match=r"flats\.h5 cannot be read"):
        check_nxtomo(path)
    with pytest.raises(StorageError, match=r"flats\.h5: not there"):
        write_nxtomo(record, path)


def test_a_source_that_is_too_short_is_told(data):
    _, record, path = exported(data)
    flats = FrameReader(record.streams["flats"].resource).path
    flats.unlink()
    with h5py.File(flats, "w") as file:
        file["entry/data/data"] = np.zeros((2, 10, 16), np.uint16)
    with pytest.raises(StorageError, match="wanted 3 frames, found 2"):
        check_nxtomo(path)
    with pytest.raises(StorageError, match="wanted 3 frames, found 2"):
        write_nxtomo(record, path)


def test_frames_of_two_shapes_are_refused(data):
    _, record, _ = exported(data)
    darks = FrameReader(record.streams["darks"].resource).path
    darks.unlink()
    with h5py.File(darks, "w") as file:
        file["entry/data/data"] = np.zeros((2, 10, 17), np.uint16)
    with pytest.raises(StorageError, match="one shape and type"):
        write_nxtomo(record, data.exports / "a.nx")


def test_a_run_without_frames(data):
    record = RunRecord.from_documents(list(SyntheticRun().play(data.frames_root))[:1])
    with pytest.raises(StorageError, match="found none"):
        write_nxtomo(record, data.exports / "a.nx")


def test_never_over_a_frame_file(data):
    _, record, _ = exported(data)
    with pytest.raises(StorageError, match="is a frame file"):
        write_nxtomo(record, FrameReader(record.streams["darks"].resource).path)
