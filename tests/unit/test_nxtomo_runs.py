"""One energy taken in more than one run: a run that was killed, and the one that went on with it."""

import json

import h5py
import numpy as np
import pytest
from documents import T0, SyntheticRun
from xsn_run import xsn_run

from xsn_acq.errors import StorageError
from xsn_acq.live.frames import ScanFrames
from xsn_acq.live.nxtomo_scan import scan_of_nxtomo
from xsn_acq.live.offline import reconstruct_file
from xsn_acq.live.results import read_status
from xsn_acq.storage.frames import FrameReader
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.nxtomo import check_nxtomo, write_nxtomo
from xsn_acq.storage.nxtomo_reading import read_nxtomo
from xsn_acq.storage.run import RunRecord

DETECTOR = "entry/instrument/detector"
SHAPE = (10, 16)


@pytest.fixture
def data(tmp_path):
    return DataFolder(tmp_path / "data")


def recorded(data, level, **settings):
    """A run whose frames say what they are: darks, flats and projections have hundreds and their index."""
    run = SyntheticRun(seed=level, time_s=T0 + 1000 * level, shape=SHAPE, **settings)
    run.dark = lambda index: np.full(SHAPE, 100 + level)
    run.flat = lambda index: np.full(SHAPE, 5000 + 1000 * level)
    run.projection = lambda index, theta_deg: np.full(SHAPE, 2000 + 100 * level + index)
    return RunRecord.from_documents(run.play(data.frames_root))


def cut(record, first, last):
    """Leave the ledger rows of some targets only, as a run that ends early or takes what is missing."""
    rows = [row for row in record.ledger if first <= row["target"] < last]
    record._rows["ledger"][:] = rows
    return record


def killed_and_resumed(data):
    """Targets 0 to 4 in the first run, 3 to 7 in the second: 3 and 4 twice."""
    first = cut(recorded(data, 1, projections=8, darks=2, flats=2), 0, 5)
    second = cut(recorded(data, 2, projections=8, darks=1, flats=3, flats_after=2), 3, 8)
    first.stop = None
    return first, second


def test_frames_of_both_stand_in_order_of_time(data):
    first, second = killed_and_resumed(data)
    path = write_nxtomo([second, first], data.exports / "a.nx")
    assert check_nxtomo(path) == 2 + 2 + 8 + 1 + 3 + 8 + 2
    with h5py.File(path) as file:
        values = file[f"{DETECTOR}/data"][:, 0, 0].tolist()
        assert values == [
            *[101, 101, 6000, 6000, *range(2100, 2108)],
            *[102, 7000, 7000, 7000, *range(2200, 2208), 7000, 7000],
        ]
        # without a row 3; targets 3 and 4 were good in the first run already: 3 in the second
        keys = [2, 2, 1, 1, 0, 0, 0, 0, 0, 3, 3, 3, 2, 1, 1, 1, 3, 3, 3, 3, 3, 0, 0, 0, 1, 1]
        assert file[f"{DETECTOR}/image_key"][:].tolist() == keys
        angles = file["entry/sample/rotation_angle"][:]
        run = SyntheticRun(projections=8)
        assert angles[np.array(keys) == 0].tolist() == [run.theta_mid_deg(target) for target in range(8)]
        assert [uid.decode() for uid in file["entry/xsn_acq/runs"][:]] == [first.uid, second.uid]
        assert file["entry/entry_identifier"][()].decode() == first.uid
        assert json.loads(file["entry/start_document/data"][()])["uid"] == first.uid
        assert file["entry/start_time"][()] < file["entry/end_time"][()]
        assert len(file["entry/control/data"]) == len(file["entry/sample/x_translation"]) == len(keys)


def test_frames_are_not_copied(data):
    first, second = killed_and_resumed(data)
    path = write_nxtomo([first, second], data.exports / "a.nx")
    with h5py.File(path) as file:
        sources = {source.file_name for source in file[f"{DETECTOR}/data"].virtual_sources()}
    assert len(sources) == 3 + 4
    FrameReader(first.streams["flats"].resource).path.unlink()
    with pytest.raises(StorageError, match=r"flats\.h5 cannot be read"):
        check_nxtomo(path)


def test_projections_lie_between_the_flats_of_both_runs(data):
    first, second = killed_and_resumed(data)
    path = write_nxtomo([first, second], data.exports / "a.nx")
    scan, rows = scan_of_nxtomo(path)
    assert [row.index for row in rows] == [4, 5, 6, 7, 8, 21, 22, 23]
    assert [flat.spans for flat in scan.flats] == [((2, 4),), ((13, 16),), ((24, 26),)]
    assert scan.darks.spans == ((0, 2), (12, 13))
    with ScanFrames(scan) as frames:
        dark = (2 * 101 + 102) / 3
        assert frames.dark[0, 0] == pytest.approx(dark, rel=1e-6)  # float32
        assert [flat[0, 0] for flat in frames.flats] == [6000, 7000, 7000]
        times = [flat.time_s for flat in scan.flats]
        for row in rows:
            flat = np.interp(row.time_s, times, [6000, 7000, 7000])
            wanted = (read_value(path, row.index) - dark) / (flat - dark)
            np.testing.assert_allclose(frames.transmission(row), wanted, rtol=1e-6)  # float32


def read_value(path, index):
    with h5py.File(path) as file:
        return float(file[f"{DETECTOR}/data"][index, 0, 0])


def test_flats_after_one_run_and_before_the_next_are_two_sets(data):
    first = cut(recorded(data, 1, projections=8, flats=2, flats_after=2), 0, 5)
    second = cut(recorded(data, 2, projections=8, darks=0, flats=3), 5, 8)
    scan, _ = scan_of_nxtomo(write_nxtomo([first, second], data.exports / "a.nx"))
    assert [flat.spans for flat in scan.flats] == [((2, 4),), ((12, 14),), ((14, 17),)]
    assert np.all(np.diff([flat.time_s for flat in scan.flats]) > 0)


def test_two_parts_are_reconstructed_as_one_whole_turn(data, tmp_path):
    """The images of every angle are those of a run that was not killed, and none is missing."""
    records = [
        RunRecord.from_documents(xsn_run(4, seed=n, time_s=T0 + 1000 * n).run.play(data.frames_root))
        for n in range(3)
    ]
    whole = write_nxtomo(records[0], data.exports / "whole.nx")
    parts = write_nxtomo([cut(records[1], 0, 5), cut(records[2], 4, 8)], data.exports / "parts.nx")
    images = []
    for path in (whole, parts):
        scan, rows = scan_of_nxtomo(path)
        with ScanFrames(scan) as frames:
            images.append({row.theta_deg: frames.transmission(row) for row in rows})
    assert list(images[0]) == list(images[1])
    # dark and flats of both parts are the same images: the rounding of a mean of more of them in float32
    for theta, image in images[0].items():
        np.testing.assert_allclose(images[1][theta], image, rtol=1e-5)
    reconstruct_file(parts, tmp_path / "out")
    status = read_status(tmp_path / "out")
    assert (status.state, status.frames, status.pairs) == ("done", 8, 4)


def test_a_run_killed_before_its_first_projection_gives_its_flats(data):
    first = cut(recorded(data, 1, projections=8), 0, 0)
    del first.streams["projections"]
    second = recorded(data, 2, projections=8)
    file = read_nxtomo(write_nxtomo([first, second], data.exports / "a.nx"))
    assert (file.image_key == 0).sum() == 8
    assert file.time_s[0] >= first.start["time"]
    assert np.all(np.diff(file.time_s) >= 0)


def test_one_run_in_a_list_is_that_run(data):
    record = recorded(data, 1, projections=4)
    paths = [write_nxtomo(runs, data.exports / f"{i}.nx") for i, runs in enumerate((record, [record]))]
    alone, listed = (read_nxtomo(path) for path in paths)
    np.testing.assert_array_equal(alone.image_key, listed.image_key)
    assert (alone.uid, alone.start) == (listed.uid, listed.start)
    with pytest.raises(StorageError, match="wanted one run or more, found none"):
        write_nxtomo([], data.exports / "none.nx")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"acquisition": {"energy_ev": 8337.0}}, r"energy_ev: wanted 8333\.0, found 8337\.0 eV"),
        ({"acquisition": {"pixel_size_m": 4e-8}}, "pixel_size_m: wanted .*, found 4e-08 m"),
        ({"acquisition": {"axis_column": 9.0}}, "axis_column"),
        ({"acquisition": {"roi": [0, 0, 32, 20]}}, "roi"),
        ({"acquisition": {"frame_shape": [10, 17]}}, r"frame_shape: wanted \[10, 16\], found \[10, 17\]"),
        ({"exposure_s": 0.04}, r"exposure_s: .*; frame_period_s"),
        ({"projections": 9}, "step_deg"),
        ({"start_deg": 180.0}, "angle of target 0: wanted 0, found 180 degrees"),
    ],
)
def test_runs_of_different_scans_are_refused(data, settings, says):
    first = recorded(data, 1, **{"projections": 8})
    second = recorded(data, 2, **{"projections": 8, **settings})
    with pytest.raises(StorageError, match=says) as error:
        write_nxtomo([first, second], data.exports / "a.nx")
    assert "\n" not in str(error.value)
    assert list(data.exports.iterdir()) == []


def test_readings_may_differ_a_little(data):
    first = recorded(data, 1, projections=8)
    near = {"energy_ev": 8333.03, "pixel_size_m": first.start["acquisition"]["pixel_size_m"] * (1 + 4e-6)}
    second = recorded(data, 2, projections=8, acquisition=near, start_deg=0.2)
    assert check_nxtomo(write_nxtomo([first, second], data.exports / "a.nx")) == 2 * (2 + 3 + 8)


def test_a_run_twice_is_refused(data):
    record = recorded(data, 1, projections=4)
    with pytest.raises(StorageError, match="it is the same run"):
        write_nxtomo([record, record], data.exports / "a.nx")
