"""Camera, file writer and position compare of the simulated beamline, from outside."""

import h5py
import numpy as np
import pytest

from xsn_acq.errors import ConfigError

pytestmark = pytest.mark.system

CAM, HDF, ZEB, THETA = "7C:KTX:cam1:", "7C:KTX:HDF1:", "7C:ZEB:", "7C:SAM:m4"
EPICS_EPOCH_S = 631_152_000


@pytest.fixture
def camera(ca, no_faults):
    """A small region on the rotation axis, binned, exposures in microseconds."""
    if ca.get(f"{CAM}Acquire_RBV") != "Done":
        ca.put(f"{CAM}Acquire", 0)
    for suffix, value in {
        "MinExpRes": "us", "BinX": 2, "BinY": 2,
        "MinX": 1540, "MinY": 1568, "SizeX": 1668, "SizeY": 1632,
        "ImageMode": "Multiple", "TriggerMode": "Internal", "AcquireTime": 0.5, "ArrayCounter": 0,
    }.items():  # fmt: skip
        ca.put(CAM + suffix, value)
    return ca


@pytest.fixture
def writer(camera, tmp_path):
    """A stream of unlimited length, opened at the first frame."""
    ca = camera
    for suffix, value in {
        "EnableCallbacks": 1, "CreateDirectory": -3,
        "FilePath": str(tmp_path / "a" / "b"), "FileName": "frames",
        "FileTemplate": "%s%s.h5", "FileWriteMode": "Stream", "NumCapture": 0, "LazyOpen": 1, "SWMRMode": 1,
    }.items():  # fmt: skip
        ca.put(HDF + suffix, value)
    ca.put(f"{HDF}Capture", 1, wait=False)
    ca.until(f"{HDF}Capture_RBV", "Capturing")
    yield tmp_path / "a" / "b" / "frames.h5"
    if ca.get(f"{HDF}Capture_RBV") == "Capturing":
        ca.put(f"{HDF}Capture", 0)


def frame_times(path):
    """Simulated epoch seconds at the end of each readout."""
    with h5py.File(path, "r", libver="latest", swmr=True) as file:
        group = file["entry/instrument/NDAttributes"]
        return EPICS_EPOCH_S + group["NDArrayEpicsTSSec"][:] + 1e-9 * group["NDArrayEpicsTSnSec"][:]


def test_internal_acquisition_is_written_and_readable_while_open(camera, writer):
    ca = camera
    ca.put(f"{CAM}NumImages", 5)
    ca.put(f"{CAM}Acquire", 1)
    assert ca.get(f"{CAM}NumImagesCounter_RBV") == 5
    ca.until(f"{HDF}NumCaptured_RBV", 5)
    with h5py.File(writer, "r", libver="latest", swmr=True) as file:
        data = file["entry/data/data"]
        assert data.shape == (5, 32, 64)
        assert data.chunks == (1, 32, 64)
        assert data.dtype == np.uint16
        assert list(file["entry/instrument/NDAttributes/NDArrayUniqueId"]) == [1, 2, 3, 4, 5]
    # exposure and readout of 64 rows; the float64 epoch resolves 0.24 us
    np.testing.assert_allclose(np.diff(frame_times(writer)), 0.5 + 0.0114 * 64 / 3200, atol=1e-6)


def fly(ca, *, count=12, step=0.4, start=10.0, exposure=0.5, frames=None):
    """Turn through ``count`` positions; the captured angles and absolute times."""
    velocity = 0.5
    ca.put(THETA, start - 2.0)
    for suffix, value in {
        "PC_ENC": "Enc1", "PC_DIR": "Positive", "PC_TSPRE": "s", "PC_GATE_SEL": "Position",
        "PC_GATE_START": start, "PC_GATE_WID": count * step,
        "PC_GATE_STEP": 0.0, "PC_GATE_NGATE": 1,
        "PC_PULSE_SEL": "Position", "PC_PULSE_START": 0.0, "PC_PULSE_STEP": step,
        "PC_PULSE_WID": 0.001,
        "PC_PULSE_MAX": count,
    }.items():  # fmt: skip
        ca.put(ZEB + suffix, value)
    ca.put(f"{CAM}AcquireTime", exposure)
    ca.put(f"{CAM}TriggerMode", "Rising Edge")
    ca.put(f"{CAM}NumImages", frames or count)
    ca.put(f"{CAM}Acquire", 1, wait=False)
    ca.until(f"{CAM}Acquire_RBV", "Acquiring")
    ca.put(f"{ZEB}PC_ARM", 1)
    ca.put(f"{THETA}.VELO", velocity)
    ca.put(THETA, start + count * step + 2.0)
    ca.put(f"{THETA}.VELO", 10.0)
    ca.until(f"{ZEB}PC_ARM_OUT", "No")
    captured = ca.get(f"{ZEB}PC_NUM_CAP")
    angles = ca.get(f"{ZEB}PC_ENC1")[:captured]
    return angles, ca.get(f"{ZEB}PC_TIME")[:captured]


def test_position_compare_fires_at_the_exact_angles(camera, writer):
    ca = camera
    angles, times = fly(ca)
    np.testing.assert_allclose(angles, 10.0 + 0.4 * np.arange(12), atol=1e-9)
    # 0.4 degrees at 0.5 degrees a second; the float64 epoch resolves 0.24 us
    np.testing.assert_allclose(np.diff(times), 0.8, atol=1e-6)
    ca.until(f"{HDF}NumCaptured_RBV", 12)
    ca.until(f"{CAM}Acquire_RBV", "Done")
    # the stamp of arming plus the captured time is when the exposure began
    begun = frame_times(writer) - 0.5 - 0.0114 * 64 / 3200
    np.testing.assert_allclose(begun, ca.stamp(f"{ZEB}PC_ARM_OUT") + times, atol=2e-6)


def test_frames_show_where_the_stage_was(camera, writer, no_faults):
    """Two flies over the same angles give the same images but for noise; other angles, others."""
    ca = camera
    ca.put("7C:SHT:Cmd", "Open")
    fly(ca, count=4, step=5.0)
    fly(ca, count=4, step=5.0)
    ca.until(f"{HDF}NumCaptured_RBV", 8)
    with h5py.File(writer, "r", libver="latest", swmr=True) as file:
        frames = file["entry/data/data"][:].astype(float)
    same = np.abs(frames[:4] - frames[4:]).mean()
    other = np.abs(frames[0] - frames[3]).mean()
    assert other > 1.02 * same  # photon noise, a few per cent of the signal, dominates both
    ca.put("7C:SHT:Cmd", "Close")


def test_lost_frames_are_neither_counted_nor_seen_in_the_identifiers(camera, writer, ioc):
    ca = camera
    ioc.fault("drop_frames count=3 seed=1")
    angles, _ = fly(ca)
    ca.until(f"{HDF}NumCaptured_RBV", 9)
    assert len(angles) == 12
    assert ca.get(f"{CAM}NumImagesCounter_RBV") == 9
    assert ca.get(f"{CAM}Acquire_RBV") == "Acquiring"  # a missed trigger never completes
    with h5py.File(writer, "r", libver="latest", swmr=True) as file:
        identifiers = file["entry/instrument/NDAttributes/NDArrayUniqueId"][:]
    assert list(np.diff(identifiers)) == [1] * 8
    ca.put(f"{CAM}Acquire", 0)
    assert ca.get(f"{CAM}DetectorState_RBV") == "Idle"
    fly(ca)  # the fault was for one acquisition
    ca.until(f"{HDF}NumCaptured_RBV", 21)


def test_a_swallowed_pulse_is_captured_but_exposes_nothing(camera, writer, ioc):
    ca = camera
    ioc.fault("swallow_pulse index=5")
    angles, _ = fly(ca)
    assert len(angles) == 12
    ca.until(f"{HDF}NumCaptured_RBV", 11)
    gaps = np.diff(frame_times(writer))
    assert list(np.flatnonzero(gaps > 1.2)) == [4]
    ca.put(f"{CAM}Acquire", 0)


def test_pulses_faster_than_the_camera_are_ignored(camera, writer):
    ca = camera
    angles, _ = fly(ca, exposure=1.2)  # a pulse every 0.8 s
    assert len(angles) == 12
    ca.until(f"{HDF}NumCaptured_RBV", 6)
    ca.put(f"{CAM}Acquire", 0)
    assert ca.get(f"{CAM}NumImagesCounter_RBV") == 6


def test_an_encoder_glitch_shows_in_one_captured_angle(camera, writer, ioc):
    ioc.fault("encoder_glitch index=3 jump_deg=7.0")
    angles, _ = fly(camera)
    wrong = angles - (10.0 + 0.4 * np.arange(12))
    assert list(np.flatnonzero(np.abs(wrong) > 1e-6)) == [3]
    assert wrong[3] == pytest.approx(7.0)
    camera.until(f"{CAM}Acquire_RBV", "Done")


def test_a_free_running_camera_captures_the_encoder(camera, writer):
    ca = camera
    ca.put(f"{CAM}AcquireTime", 0.4)
    for suffix, value in {
        "PC_GATE_START": 10.0, "PC_GATE_WID": 5.0, "PC_PULSE_SEL": "External", "PC_PULSE_MAX": 0,
        "PC_DIR": "Positive", "PC_TSPRE": "s", "PC_GATE_SEL": "Position", "PC_GATE_NGATE": 1,
    }.items():  # fmt: skip
        ca.put(ZEB + suffix, value)
    ca.put(THETA, 8.0)
    ca.put(f"{CAM}NumImages", 40)
    ca.put(f"{ZEB}PC_ARM", 1)
    ca.put(f"{CAM}Acquire", 1, wait=False)
    ca.put(f"{THETA}.VELO", 0.5)
    ca.put(THETA, 17.0)
    ca.put(f"{THETA}.VELO", 10.0)
    ca.until(f"{ZEB}PC_ARM_OUT", "No")
    count = ca.get(f"{ZEB}PC_NUM_CAP")
    angles, times = ca.get(f"{ZEB}PC_ENC1")[:count], ca.get(f"{ZEB}PC_TIME")[:count]
    period = 0.4 + 0.0114 * 64 / 3200
    assert count in (24, 25)  # ten seconds in the gate
    np.testing.assert_allclose(np.diff(times), period, atol=1e-6)
    # an encoder count is 1e-4 degrees, so two readings may differ by half a count each
    np.testing.assert_allclose(np.diff(angles), 0.5 * period, atol=1.01e-4)
    ca.put(f"{CAM}Acquire", 0)


def test_an_overrun_of_the_writer_shows_in_dropped_arrays_only(camera, writer, ioc):
    ca = camera
    before = ca.get(f"{HDF}DroppedArrays_RBV")
    ioc.fault("writer_overrun every=2")
    ca.put(f"{CAM}NumImages", 6)
    ca.put(f"{CAM}Acquire", 1)
    assert ca.get(f"{CAM}NumImagesCounter_RBV") == 6
    ca.until(f"{HDF}NumCaptured_RBV", 3)
    assert ca.get(f"{HDF}DroppedArrays_RBV") - before == 3
    assert ca.get(f"{HDF}WriteStatus") == "Write OK"
    assert ca.get(f"{HDF}Capture_RBV") == "Capturing"


def test_a_full_disk_ends_the_file_and_says_so(camera, writer, ioc):
    ca = camera
    ioc.fault("disk_full after=2")
    ca.put(f"{CAM}NumImages", 4)
    ca.put(f"{CAM}Acquire", 1)
    ca.until(f"{HDF}WriteStatus", "Write error")
    assert "No space left" in ca.get(f"{HDF}WriteMessage")
    ca.until(f"{HDF}Capture_RBV", "Done")
    with h5py.File(writer, "r") as file:
        assert file["entry/data/data"].shape[0] == 2


def test_no_file_is_overwritten(camera, writer):
    ca = camera
    ca.put(f"{CAM}NumImages", 1)
    ca.put(f"{CAM}Acquire", 1)
    ca.until(f"{HDF}NumCaptured_RBV", 1)
    ca.put(f"{HDF}Capture", 0)
    held = writer.read_bytes()
    ca.put(f"{HDF}Capture", 1, wait=False)
    ca.until(f"{HDF}Capture_RBV", "Capturing")
    ca.put(f"{CAM}Acquire", 1)
    ca.until(f"{HDF}WriteStatus", "Write error")
    assert writer.read_bytes() == held


def test_a_folder_that_cannot_be_made_does_not_exist(camera, tmp_path):
    ca = camera
    ca.put(f"{HDF}CreateDirectory", -1)
    ca.put(f"{HDF}FilePath", str(tmp_path / "a" / "b"))
    assert ca.get(f"{HDF}FilePathExists_RBV") == "No"
    assert ca.get(f"{HDF}FilePath_RBV").endswith("/")


def test_region_size_is_a_stop_index(camera):
    ca = camera
    for suffix, value in (("BinX", 1), ("BinY", 1), ("MinX", 576), ("SizeX", 2048)):
        ca.put(CAM + suffix, value)
    assert ca.get(f"{CAM}SizeX_RBV") == ca.get(f"{CAM}ArraySizeX_RBV") == 1472


def test_a_readout_mode_takes_two_steps(camera):
    ca = camera
    ca.put(f"{CAM}SpeedIdx", "3")
    assert ca.get(f"{CAM}ReadoutModeValid_RBV") == "Invalid"
    ca.put(f"{CAM}SpeedIdx", "1")
    ca.put(f"{CAM}ReadoutPortIdx", "2")
    assert ca.get(f"{CAM}ReadoutModeValid_RBV") == "Valid"
    assert ca.get(f"{CAM}DataType_RBV") == "UInt16"
    ca.put(f"{CAM}ApplyReadoutMode", 1)
    assert ca.get(f"{CAM}DataType_RBV") == "UInt8"
    ca.put(f"{CAM}ReadoutPortIdx", "1")
    ca.put(f"{CAM}ApplyReadoutMode", 1)


def test_exposure_in_milliseconds_is_cut(camera):
    ca = camera
    ca.put(f"{CAM}MinExpRes", "ms")
    ca.put(f"{CAM}AcquireTime", 0.0125)
    ca.put(f"{CAM}NumImages", 2)
    ca.put(f"{CAM}Acquire", 1)
    first = 1e-9 * ca.get(f"{CAM}EpicsTSNsec_RBV") + ca.get(f"{CAM}EpicsTSSec_RBV")
    ca.put(f"{CAM}NumImages", 1)
    ca.put(f"{CAM}Acquire", 1)
    assert 1e-9 * ca.get(f"{CAM}EpicsTSNsec_RBV") + ca.get(f"{CAM}EpicsTSSec_RBV") > first


def test_a_wrong_fault_is_refused(ca, ioc):
    ioc.clear_faults()
    with pytest.raises(ConfigError, match="no fault 'no_such_fault'"):
        ioc.fault("no_such_fault")
    ca.put("SIM:Fault", "no_such_fault", wait=False)
    assert ca.get("SIM:Fault") == ""
