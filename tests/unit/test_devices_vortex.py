"""What a fluorescence detector is asked, and what is said of its spectra."""

from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from tests.unit.fake_devices import fake, lose
from xsn_acq.devices import xspress3_driver
from xsn_acq.devices.frame_file import FrameNumbers
from xsn_acq.devices.spectra_setup import SpectraSetup
from xsn_acq.devices.xspress3 import SCALERS, SpectrumFlag, Vortex
from xsn_acq.devices.xspress3_driver import Xspress3Driver
from xsn_acq.errors import DeviceError, UnansweredError

BINS = 4096
SATURATED, UNKNOWN = SpectrumFlag.SATURATED, SpectrumFlag.NO_DEAD_TIME


def setup(**changes):
    values = {
        "stream": "spectra",
        "folder": Path("/data/run"),
        "filename": "spectra",
        "frames": 5,
        "trigger": "gate",
        "exposure_s": 0.5,
    }
    return SpectraSetup(**{**values, **changes})


@pytest.fixture
def det():
    made = fake(Xspress3Driver, "V:det1:", name="det")
    for name, value in {
        "acquire": "Done",
        "connection": "Connected",
        "channels": 1,
        "bins": BINS,
        "correction": 1,
        "images_counter": 0,
    }.items():
        getattr(made, name).sim_put(value)
    return made


@pytest.fixture
def vortex():
    return fake(Vortex, "V:", name="vortex", bins=BINS, dead_time_s=5e-7, most_dead=0.3)


@pytest.mark.parametrize("changes", [{"frames": 0}, {"exposure_s": 0.0}, {"exposure_s": 30.0}])
def test_setup_refuses_what_cannot_be(changes):
    assert setup().path == Path("/data/run/spectra.h5")
    with pytest.raises(ValueError, match="must be"):
        setup(**changes)


@pytest.mark.parametrize(("trigger", "mode"), [("internal", "Internal"), ("gate", "TTL Veto Only")])
def test_a_setup_is_applied_and_correction_switched_off(det, trigger, mode):
    det.apply(setup(trigger=trigger), BINS)
    found = {
        name: getattr(det, name).get() for name in ("trigger_mode", "acquire_time", "images", "correction")
    }
    assert found == {"trigger_mode": mode, "acquire_time": 0.5, "images": 5, "correction": 0}
    assert det.erase_on_start.get() == "Yes"


@pytest.mark.parametrize(
    ("signal", "value", "message"),
    [
        ("acquire", "Acquiring", "wanted idle, found acquiring"),
        ("connection", "Disconnected", "wanted Connected, found Disconnected"),
        ("channels", 4, "wanted 1, found 4"),
        ("bins", 2048, "wanted 4096, found 2048"),
    ],
)
def test_a_detector_that_is_another_or_busy_is_refused(det, signal, value, message):
    getattr(det, signal).sim_put(value)
    with pytest.raises(DeviceError, match=message):
        det.apply(setup(), BINS)
    assert det.correction.get() == 1


def test_frames_that_are_not_forgotten_are_not_counted_again(det, monkeypatch):
    monkeypatch.setattr(xspress3_driver, "_ERASE_TIMEOUT_S", 0.05)
    det.images_counter.sim_put(3)
    with pytest.raises(DeviceError, match="erase: wanted 0 frames, found 3 frames"):
        det.order(5)
    det.erase.after_put = lambda _: det.images_counter.sim_put(0)
    det.order(5)


def test_a_lost_connection_is_named(det):
    lose(det.images_counter)
    with pytest.raises(UnansweredError, match="images_counter lost"):
        det.order(5)


def test_counts_must_be_raw(det):
    with pytest.raises(DeviceError, match="wanted raw counts, found corrected"):
        det.check_raw("kickoff")
    det.correction.sim_put(0)
    det.check_raw("kickoff")


def file_of(path, rows):
    """A file with the attributes that the flags need; rows are (clock ticks, reset ticks, all events)."""
    columns = dict.fromkeys(("NDArrayTimeStamp", *SCALERS.values()), np.zeros(len(rows)))
    columns |= dict(zip(("CHAN1SCA0", "CHAN1SCA1", "CHAN1SCA3"), np.transpose(rows), strict=True))
    with h5py.File(path, "w", libver="latest") as file:
        for name, column in columns.items():
            file[f"entry/instrument/NDAttributes/{name}"] = column
    return path


def test_flags_tell_dead_time_too_long_or_unknown(vortex, tmp_path):
    ticks = 8e6  # 0.1 s; an event costs 0.5 us, 40 ticks
    rows = {
        (ticks, 0, 0.29 * ticks / 40): 0,
        (ticks, 0, 0.31 * ticks / 40): SATURATED,
        (ticks, 0.02 * ticks, 0.29 * ticks / 40): SATURATED,  # the resets count as well
        (ticks, 0, 0): 0,
        (0, 0, 0): UNKNOWN,
        (np.nan, 0, 0): UNKNOWN,
        (ticks, 0, np.inf): UNKNOWN,
    }
    assert vortex.frame_flags().shape == (0,)
    vortex._numbers = FrameNumbers(file_of(tmp_path / "s.h5", list(rows)), vortex.number_names)
    assert list(vortex.frame_flags()) == list(rows.values())
    assert vortex.scalers().shape == (7, 11)


def test_flags_read_the_file_once(vortex):
    reads = []
    vortex._numbers = SimpleNamespace(read=lambda: reads.append(1) or np.ones((3, 12)))
    assert len(vortex.frame_flags()) == 3
    assert len(reads) == 1


def test_a_file_without_scalers_is_refused(vortex, tmp_path):
    with h5py.File(tmp_path / "s.h5", "w", libver="latest") as file:
        file["entry/instrument/NDAttributes/NDArrayTimeStamp"] = np.zeros(5)
    vortex.det.correction.sim_put(0)
    vortex._numbers = FrameNumbers(tmp_path / "s.h5", vortex.number_names)
    with pytest.raises(DeviceError, match="wanted 5 frames with scalers in the file, found 0"):
        vortex._check("complete", 5)


def test_spectra_and_scalers_are_described_and_announced_alike(vortex):
    vortex._setup = setup()
    described = vortex.describe_collect()
    assert described["vortex_spectra"]["shape"] == [1, BINS]
    assert described["vortex_spectra"]["dtype_numpy"] == "<u4"
    assert described["vortex_clock_ticks"]["shape"] == []
    vortex._documents = vortex._describe_file(setup())
    announced = list(vortex.collect_asset_docs(3))
    resources = [doc for name, doc in announced if name == "stream_resource"]
    assert [doc["data_key"] for doc in resources] == list(described)
    assert resources[4]["parameters"]["dataset"] == "/entry/instrument/NDAttributes/CHAN1SCA3"
    assert [doc["indices"] for name, doc in announced if name == "stream_datum"] == [
        {"start": 0, "stop": 3}
    ] * 12


def test_what_a_dead_session_left_at_work_is_named(vortex):
    vortex.det.acquire.sim_put("Acquiring")
    vortex.hdf.capture.sim_put("Capturing")
    vortex.hdf.full_file_name.sim_put("/data/spectra.h5")
    acquiring, capturing = vortex.left_behind()
    assert acquiring.startswith("vortex: wanted idle, found acquiring; unless another session")
    assert "found one (/data/spectra.h5)" in capturing
