"""Any NXtomo file as the source of a reconstruction: what it says, in which units, and what it lacks."""

import json
from datetime import date

import h5py
import numpy as np
import pytest
from documents import SyntheticRun
from xsn_run import xsn_run

from xsn_acq.config import load_beamline
from xsn_acq.config.imaging import detector_fwhm_m
from xsn_acq.errors import ConfigError, ReconstructionError, StorageError
from xsn_acq.live.frames import ScanFrames
from xsn_acq.live.nxtomo_scan import Beside, scan_of_nxtomo
from xsn_acq.live.offline import reconstruct, reconstruct_file
from xsn_acq.live.results import read_status
from xsn_acq.live.scan import good_rows, scan_of_run, scan_row, span_of
from xsn_acq.live.settings import xsn_settings
from xsn_acq.live.volume import VolumeFile
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.nxtomo import write_nxtomo
from xsn_acq.storage.nxtomo_reading import read_nxtomo
from xsn_acq.storage.run import RunRecord

BEAMLINE = "pls2-7c-xni"
SHAPE = (8, 12)
KEYS = [2, 2, 1, 1, 0, 0, 3, 0, 0, 1, 1]
ANGLES = [0, 0, 0, 0, 0, 90, 135, 180, 270, 270, 270]
PIXEL_M = 40e-9


def frame(index):
    """Darks 100, flats 1000 and more, projections 500 and more: each can be told from the others."""
    return np.full(SHAPE, {2: 100, 1: 1000, 0: 500, 3: 7}[KEYS[index]] + index, np.uint16)


def foreign(
    path, *, entry="entry0000", energy=(8.333, "keV"), pixel=(40.0, "nm"), angle="degree", without=()
):
    """A file as another program might write it: one stack, its own entry's name, its own units."""
    with h5py.File(path, "w") as file:
        group = file.create_group(entry)
        group["definition"] = "NXtomo"
        group["title"] = "battery"
        detector = group.create_group("instrument/detector")
        detector["data"] = np.stack([frame(index) for index in range(len(KEYS))])
        detector["image_key"] = KEYS
        detector["x_rotation_axis_pixel_position"] = 0.25
        sample = group.create_group("sample")
        values = np.array(ANGLES, float)
        sample["rotation_angle"] = np.deg2rad(values) if angle == "rad" else values
        sample["rotation_angle"].attrs["units"] = angle
        for name, (value, unit) in {
            "instrument/beam/incident_energy": energy,
            "instrument/detector/x_pixel_size": pixel,
            "instrument/detector/y_pixel_size": pixel,
            "instrument/detector/count_time": (500.0, "ms"),
        }.items():
            group[name] = value
            if unit:
                group[name].attrs["units"] = unit
        for name in without:
            del group[name]
    return path


def acquisition(path, **beside):
    return scan_of_nxtomo(path, Beside(**{"beamline": BEAMLINE, **beside}))[0].start["acquisition"]


@pytest.mark.parametrize(
    "units",
    [
        {},
        {"energy": (8333.0, "eV"), "pixel": (0.04, "um"), "angle": "rad"},
        {"energy": (8.333, "keV"), "pixel": (40e-6, "mm"), "angle": "deg"},
        {"pixel": (4e-8, "m"), "entry": "scan_7"},
    ],
)
def test_units_are_honoured(tmp_path, units):
    scan, rows = scan_of_nxtomo(foreign(tmp_path / "a.nx", **units), Beside(BEAMLINE))
    settings = xsn_settings(scan.start)
    # a unit conversion in float64: a few roundings
    assert settings.wavelength_m == pytest.approx(1.239841984e-6 / 8333.0, rel=1e-12)
    assert settings.pixel_size_m == pytest.approx(PIXEL_M, rel=1e-12)
    assert [row.index for row in rows] == [4, 5, 7, 8]
    assert [row.theta_deg for row in rows] == pytest.approx([0, 90, 180, 270], abs=1e-12)
    assert settings.step_deg == pytest.approx(90)
    assert scan.start["acquisition"]["exposure_s"] == pytest.approx(0.5)


def test_the_beamline_says_what_the_file_does_not(tmp_path):
    beamline = load_beamline(BEAMLINE)
    settings = xsn_settings(
        scan_of_nxtomo(foreign(tmp_path / "a.nx"), Beside(BEAMLINE, cutoff_x_um=9.0))[0].start
    )
    # zone plate of 30 nm: NA / lambda = 1 / (2 dr); D dr = lambda f
    assert settings.aperture_per_m == pytest.approx(1 / 60e-9, rel=1e-12)
    assert settings.cutoff_per_m == pytest.approx(9e-6 / (300e-6 * 30e-9), rel=1e-12)
    assert settings.passes == "positive"
    assert settings.axis_column == 5.5 + 0.25
    curve = beamline.calibration.knife_edge
    assert settings.knife_edge.frequency_per_m[-1] == pytest.approx(
        curve.frequency_per_um[-1] * 1e6 * 8333.0 / curve.energy_ev, rel=1e-12
    )


def test_without_a_position_the_cutoff_is_taken_as_centred_and_that_is_told(tmp_path, caplog):
    assert acquisition(foreign(tmp_path / "a.nx"))["cutoff_per_m"] == 0.0
    assert "--cutoff-x" in caplog.text


def test_frames_dark_and_flats_are_those_of_the_keys(tmp_path):
    scan, rows = scan_of_nxtomo(foreign(tmp_path / "a.nx"), Beside(BEAMLINE))
    with ScanFrames(scan) as frames:
        assert frames.dark[0, 0] == 100.5
        assert [flat[0, 0] for flat in frames.flats] == [1002.5, 1009.5]
        for row in rows:
            # from the first projection, frame 4, to the last, frame 8, the flat goes from one to the other
            flat = 1002.5 + 7.0 * (row.index - 4) / 4
            wanted = (500 + row.index - 100.5) / (flat - 100.5)
            np.testing.assert_allclose(frames.transmission(row), wanted, rtol=1e-6)  # float32


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"without": ["instrument/beam"]}, "energy: wanted a number above 0"),
        ({"without": ["instrument/detector/x_pixel_size", "instrument/detector/y_pixel_size"]}, "pixel size"),
        ({"without": ["sample/rotation_angle"]}, "rotation_angle: wanted 11 numbers"),
        ({"without": ["instrument/detector/image_key"]}, "wanted one entry with .*image_key, found none"),
        ({"without": ["instrument/detector/data"]}, "instrument/detector/data: cannot be read"),
        ({"energy": (8.333, "furlong")}, "incident_energy: wanted a unit of ev.*, found 'furlong'"),
        ({"energy": (8.333, "")}, "incident_energy: wanted a unit of ev"),
    ],
)
def test_what_is_missing_is_named(tmp_path, changes, says):
    with pytest.raises((ReconstructionError, StorageError), match=says):
        acquisition(foreign(tmp_path / "a.nx", **changes))


@pytest.mark.parametrize(
    ("key", "says"), [(2, r"wanted darks \(image_key 2\)"), (1, "wanted flats"), (0, "wanted proj")]
)
def test_frames_that_are_missing_are_named(tmp_path, key, says):
    path = foreign(tmp_path / "a.nx")
    with h5py.File(path, "r+") as file:
        data = file["entry0000/instrument/detector/image_key"]
        data[:] = np.where(data[:] == key, 3, data[:])
    with pytest.raises(ReconstructionError, match=says):
        scan_of_nxtomo(path, Beside(BEAMLINE, cutoff_x_um=0.0))


def test_a_file_that_says_nothing_of_its_optics_wants_a_beamline(tmp_path):
    with pytest.raises(ReconstructionError, match="give --beamline"):
        scan_of_nxtomo(foreign(tmp_path / "a.nx"))


def test_an_axis_that_nothing_tells_is_asked_for(tmp_path):
    path = foreign(tmp_path / "a.nx", without=["instrument/detector/x_rotation_axis_pixel_position"])
    with pytest.raises(ReconstructionError, match=r"found 8 x 12; .*--axis-column"):
        acquisition(path)
    assert acquisition(path, axis_column=6.5)["axis_column"] == 6.5


def test_a_link_to_frames_elsewhere_is_followed_and_a_broken_one_told(tmp_path):
    path, frames = foreign(tmp_path / "a.nx"), tmp_path / "frames.h5"
    with h5py.File(path, "r+") as file, h5py.File(frames, "w") as other:
        detector = file["entry0000/instrument/detector"]
        other["data"] = detector["data"][()]
        del detector["data"]
        detector["data"] = h5py.ExternalLink("frames.h5", "/data")
    scan, rows = scan_of_nxtomo(path, Beside(BEAMLINE))
    with ScanFrames(scan) as opened:
        assert opened.transmission(rows[0]).shape == SHAPE
    frames.unlink()
    with pytest.raises(StorageError, match="is a linked file missing"):
        read_nxtomo(path)


def show(group, name, source, dataset):
    """Make a stack that shows another one."""
    shape = (len(KEYS), *SHAPE)
    layout = h5py.VirtualLayout(shape, np.uint16)
    layout[:] = h5py.VirtualSource(source, dataset, shape, np.uint16)
    group.create_virtual_dataset(name, layout)


def test_a_source_behind_a_source_is_checked(tmp_path):
    """The stack shows a dataset of the same file, which shows one of another: where that is gone, zeros."""
    path, frames = foreign(tmp_path / "a.nx"), tmp_path / "frames.h5"
    with h5py.File(frames, "w") as other, h5py.File(path, "r+") as file:
        other["data"] = file["entry0000/instrument/detector/data"][()]
        del file["entry0000/instrument/detector/data"]
        show(file, "raw", "frames.h5", "data")
        show(file["entry0000/instrument/detector"], "data", ".", "raw")
    assert len(read_nxtomo(path).image_key) == len(KEYS)
    frames.rename(tmp_path / "gone.h5")
    with pytest.raises(StorageError, match=r"source .*frames\.h5 cannot be read"):
        read_nxtomo(path)


def test_frames_of_zeros_are_refused(tmp_path):
    path = foreign(tmp_path / "a.nx")
    with h5py.File(path, "r+") as file:
        file["entry0000/instrument/detector/data"][7] = 0
    scan, rows = scan_of_nxtomo(path, Beside(BEAMLINE))
    with ScanFrames(scan) as frames, pytest.raises(StorageError, match="frame 7: wanted counts, found zeros"):
        frames.transmission(rows[2])


@pytest.fixture
def ours(tmp_path):
    """A run and the file it was written to."""
    data = DataFolder(tmp_path / "data")
    made = xsn_run(lost=(1, 7), flagged=(4,), flats_after=2)
    record = RunRecord.from_documents(made.run.play(data.frames_root))
    return record, write_nxtomo(record, data.exports / "a.nx")


def test_our_file_alone_says_all_that_its_run_says(ours):
    record, path = ours
    rows = [scan_row(row) for row in good_rows(record.ledger)]
    wanted = scan_of_run(record, span_of(rows))
    scan, found = scan_of_nxtomo(path)
    ahead = {row.index: row for row in found}
    first = 2 + 3  # darks and flats stand before the projections
    for row in rows:
        got = ahead[row.index + first]
        assert (got.theta_deg, got.time_s) == (row.theta_deg, row.time_s)
    assert scan.start["acquisition"] == json.loads(json.dumps(wanted.start["acquisition"]))
    assert scan.uid == record.uid
    with ScanFrames(scan) as raw, ScanFrames(wanted) as run:
        np.testing.assert_array_equal(raw.dark, run.dark)
        for row in rows:
            np.testing.assert_array_equal(raw.transmission(ahead[row.index + first]), run.transmission(row))


def test_our_file_gives_the_volume_of_its_run(ours, tmp_path):
    record, path = ours
    volumes = [reconstruct(record, tmp_path / "run"), reconstruct_file(path, tmp_path / "file")]
    with VolumeFile(volumes[0].volume) as run, VolumeFile(volumes[1].volume) as file:
        truth = run.delta[()]
        # FINUFFT adds in an order that depends on its threads: the rounding of float32
        np.testing.assert_allclose(file.delta[()], truth, rtol=0, atol=2e-6 * np.abs(truth).max())
    assert read_status(tmp_path / "file").state == "done"


def test_a_part_of_a_run_is_told(tmp_path):
    data = DataFolder(tmp_path / "data")
    run = xsn_run(lost=(2,), retake=False).run
    path = write_nxtomo(RunRecord.from_documents(run.play(data.frames_root)), data.exports / "a.nx")
    reconstruct_file(path, tmp_path / "out")
    status = read_status(tmp_path / "out")
    assert (status.state, status.pairs) == ("partial", 5)
    assert "11 of 12 projections" in status.message


def recalibrated(path, prefix="calibration."):
    path.write_text(
        f"[{prefix}knife_edge]\ndate = 2026-11-20\nenergy_ev = 8333.0\n"
        "frequency_per_um = [-3.0, 0.0, 3.0]\ntransmitted = [1.0, 0.5, 0.0]\n"
    )
    return path


@pytest.mark.parametrize("prefix", ["calibration.", ""])
def test_a_calibration_file_overrides_its_sections_only(ours, tmp_path, prefix):
    _, path = ours
    before = scan_of_nxtomo(path)[0].start["acquisition"]
    calibration = recalibrated(tmp_path / "new.toml", prefix)
    after = scan_of_nxtomo(path, Beside(calibration=calibration))[0].start["acquisition"]
    # from cycles per um to cycles per m: one rounding
    assert after["knife_edge"]["frequency_per_m"] == pytest.approx([-3e6, 0.0, 3e6], rel=1e-15)
    assert {name for name in before if before[name] != after[name]} == {"knife_edge"}


def test_the_axis_is_calibrated_anew(tmp_path):
    """A file of ours knows its region on the sensor; the synthetic one is 16 binned pixels at the middle."""
    data = DataFolder(tmp_path / "data")
    path = write_nxtomo(
        RunRecord.from_documents(SyntheticRun().play(data.frames_root)), data.exports / "a.nx"
    )
    calibration = tmp_path / "axis.toml"
    section = {"date": date(2026, 11, 20), "energy_ev": 8333.0, "column": 1601.5, "sample_x_um": 0.0}
    lines = [f"{name} = {value}" for name, value in section.items()]
    calibration.write_text("\n".join(["[calibration.rotation_axis]", *lines]))
    known = scan_of_nxtomo(path, Beside(calibration=calibration))[0].start["acquisition"]
    # column 1601.5 of the sensor, region from 1584 on, two by two: pixel centres at integers
    assert known["axis_column"] == pytest.approx((1601.5 - 1584 - 0.5) / 2, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "found none"),
        ("x = [", "not TOML"),
        ("[calibration.knife]\na = 1", "knife"),
        ("[knife_edge]\ndate = 2026-11-20\nenergy_ev = -1.0", "energy_ev"),
    ],
)
def test_a_wrong_calibration_file_is_refused(ours, tmp_path, text, says):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        scan_of_nxtomo(ours[1], Beside(calibration=path))


def test_a_beamline_overrides_what_a_file_of_ours_says(ours):
    known = scan_of_nxtomo(ours[1], Beside(BEAMLINE, cutoff_x_um=4.5, axis_column=20.0))[0].start[
        "acquisition"
    ]
    assert known["cutoff_per_m"] == pytest.approx(4.5e-6 / (300e-6 * 30e-9), rel=1e-12)
    assert known["axis_column"] == 20.0


def test_a_foreign_file_with_beamline_and_calibration_gives_the_same_volume(ours, tmp_path):
    """The run's own file, stripped of all that is not NXtomo; the optics come from the files beside it."""
    record, path = ours
    known = record.start["acquisition"]
    with h5py.File(path, "r+") as file:
        del file["entry/start_document"], file["entry/xsn_acq"]
        # the synthetic run says a wavelength and an energy that do not belong together; NXtomo knows one only
        file["entry/instrument/beam/incident_energy"][()] = 1.239841984e-9 / known["wavelength_m"]
        keys = file["entry/instrument/detector/image_key"]
        keys[-2:] = 3  # without times the flats after would be weighed by the frames' numbers
    curve, energy_ev = known["knife_edge"], 1.239841984e-6 / known["wavelength_m"]
    calibration = tmp_path / "knife_edge.toml"
    calibration.write_text(
        f"[calibration.knife_edge]\ndate = 2026-11-20\nenergy_ev = {energy_ev!r}\n"
        f"frequency_per_um = {[f * 1e-6 for f in curve['frequency_per_m']]}\n"
        f"transmitted = {curve['transmitted']}\n"
    )
    found = reconstruct_file(path, tmp_path / "file", Beside(BEAMLINE, calibration, cutoff_x_um=0.0))
    del record.streams["flats_after"]
    known["detector_fwhm_m"] = detector_fwhm_m(load_beamline(BEAMLINE), energy_ev)
    with VolumeFile(reconstruct(record, tmp_path / "run").volume) as run, VolumeFile(found.volume) as file:
        for name in ("delta", "beta"):
            truth = getattr(run, name)[()]
            # the optics went through other units: rounding, seen through seven iterations in float32
            np.testing.assert_allclose(
                getattr(file, name)[()], truth, rtol=0, atol=1e-4 * np.abs(truth).max()
            )


@pytest.mark.parametrize("column", [-50.0, 47.5, 1603.4])
def test_an_axis_beside_the_frame_is_refused(ours, tmp_path, column):
    # frames of 48 columns; 1603.4 would be a column of the sensor
    with pytest.raises(ReconstructionError, match="wanted a column of the frame, 0 to 47"):
        reconstruct_file(ours[1], tmp_path, Beside(axis_column=column))
