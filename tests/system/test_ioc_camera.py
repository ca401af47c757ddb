"""Camera, file writer and position compare of the simulated beamline, from outside."""

import h5py
import numpy as np
import pytest

pytestmark = pytest.mark.system

CAM, HDF, ZEB, THETA = "7C:KTX:cam1:", "7C:KTX:HDF1:", "7C:ZEB:", "7C:SAM:m4"
EPICS_EPOCH_S = 631_152_000


@pytest.fixture
def camera(ca, no_faults):
    """A small region on the rotation axis, binned, exposures in microseconds."""
    if ca.get(f"{CAM}Acquire_RBV") != "Done":
        ca.put(f"{CAM}Acquire", 0)
    for suffix, value in {
        "MinExpRes": "us", "BinX": 2, "BinY": 2, "MinX": 1540, "MinY": 1568, "SizeX": 1668, "SizeY": 1632,
        "ImageMode": "Multiple", "TriggerMode": "Internal", "AcquireTime": 0.5, "ArrayCounter": 0,
    }.items():  # fmt: skip
        ca.put(CAM + suffix, value)
    return ca


@pytest.fixture
def writer(camera, tmp_path):
    """A stream of unlimited length, opened at the first frame."""
    ca = camera
    for suffix, value in {
        "EnableCallbacks": 1, "CreateDirectory": -3, "FilePath": str(tmp_path / "a" / "b"), "FileName": "frames",
        "FileTemplate": "%s%s.h5", "FileWriteMode": "Stream", "NumCapture": 0, "LazyOpen": 1, "SWMRMode": 1,
    }.items():  # fmt: skip
        ca.put(HDF + suffix, value)
    ca.put(f"{HDF}Capture", 1, wait=False)
    ca.until(f"{HDF}Capture_RBV", "Capturing")
    yield tmp_path / "a" / "b" / "frames.h5"
    if ca.get(f"{HDF}Capture_RBV") == "Capturing":
        ca.put(f"{HDF}Capture", 0)


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
        group = file["entry/instrument/NDAttributes"]
        times = group["NDArrayEpicsTSSec"][:] + 1e-9 * group["NDArrayEpicsTSnSec"][:]
        period = 0.5 + 0.0114 * 64 / 3200
        # the float64 epoch resolves 0.24 us
        np.testing.assert_allclose(np.diff(times), period, atol=1e-6)
        assert list(group["NDArrayUniqueId"]) == [1, 2, 3, 4, 5]


def test_capture_needs_a_first_array(ca, ioc):
    """Runs against a plugin that was primed by earlier tests only when LazyOpen is used; both answers are told apart."""
    assert ca.get(f"{HDF}PluginType_RBV").startswith("NDFileHDF5")


def fly(ca, *, count=12, step=0.4, start=10.0, exposure=0.5, frames=None):
    """Turn through ``count`` positions; the captured angles and absolute times."""
    velocity = 0.5
    ca.put(THETA, start - 2.0)
    for suffix, value in {
        "PC_ENC": "Enc1", "PC_DIR": "Positive", "PC_TSPRE": "s", "PC_GATE_SEL": "Position",
        "PC_GATE_START": start, "PC_GATE_WID": count * step + 0.5 * step, "PC_GATE_STEP": 0.0, "PC_GATE_NGATE": 1,
        "PC_PULSE_SEL": "Position", "PC_PULSE_START": 0.0, "PC_PULSE_STEP": step, "PC_PULSE_WID": 0.001,
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
    np.testing.assert_allclose(np.diff(times), 0.8, atol=1e-6)  # 0.4 degrees at 0.5 degrees a second
    ca.until(f"{HDF}NumCaptured_RBV", 12)
    ca.until(f"{CAM}Acquire_RBV", "Done")
