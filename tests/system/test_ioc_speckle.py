"""The simulated PLS-II 6C from outside: every PV of its file, and frames of a region."""

import h5py
import numpy as np
import pytest

from tests.system.ca_client import Client
from tests.system.ioc import Ioc
from xsn_acq.beamline import connected
from xsn_acq.config import load_microscope

pytestmark = pytest.mark.system

CAM, HDF = "6C:PCO:cam1:", "6C:PCO:HDF1:"
FILE = load_microscope("pls2-6c")


@pytest.fixture(scope="module")
def speckle_ioc(second_ca_ports):
    running = Ioc(
        **second_ca_ports, beamline="pls2-6c", sample="few_spheres scale=0.4", hidden=["dead_fraction=0"]
    ).start()
    yield running
    running.stop()
    running.log.unlink()


@pytest.fixture
def ca(speckle_ioc):
    client = Client()
    yield client
    client.close()


def taken(ca, folder, name, **moves):
    """Mean of two frames, after motors have moved."""
    for motor, place in moves.items():
        ca.put(f"6C:{motor.replace('_', ':')}", place)
    for suffix, value in {
        "EnableCallbacks": 1, "FilePath": str(folder), "FileName": name, "FileTemplate": "%s%s.h5",
        "FileWriteMode": "Stream", "NumCapture": 2, "LazyOpen": 1, "SWMRMode": 1,
    }.items():  # fmt: skip
        ca.put(HDF + suffix, value)
    ca.put(f"{HDF}Capture", 1, wait=False)
    ca.until(f"{HDF}Capture_RBV", "Capturing")
    ca.put(f"{CAM}Acquire", 1)
    ca.until(f"{HDF}Capture_RBV", "Done")
    with h5py.File(folder / f"{name}.h5", "r") as file:
        frames = file["entry/data/data"]
        assert frames.shape == (2, 96, 96)
        return frames[:].astype(float).mean(axis=0)


def test_frames_of_a_region_are_dark_flat_reference_and_projection(ca, tmp_path):
    for suffix, value in {
        "SizeX": 96, "MinX": 1232, "SizeY": 96,
        "ImageMode": "Multiple", "NumImages": 2, "TriggerMode": "Auto", "AcquireTime": 0.1,
    }.items():  # fmt: skip
        ca.put(CAM + suffix, value)
    assert ca.get(f"{CAM}MinY_RBV") == 1032
    dark = taken(ca, tmp_path, "dark")
    ca.put("6C:SHT:Cmd", "Open")
    ca.until("6C:SHT:Sts", "Open")
    out = {"SAM_m1": FILE.geometry.sample_out_um}
    flat = taken(ca, tmp_path, "flat", DIF_m1=FILE.diffuser.x_out_mm, **out) - dark
    reference = (taken(ca, tmp_path, "reference", DIF_m1=0.0, **out) - dark) / flat
    projection = (taken(ca, tmp_path, "projection", SAM_m1=0.0) - dark) / flat
    assert np.median(flat) == pytest.approx(24_000, rel=0.05)  # 20,000 photons of 1.2 ADU
    assert 0.15 < np.std(reference) < 0.35
    # air at the border: noise of two frames each
    assert projection[:4] == pytest.approx(reference[:4], abs=0.06)
    assert np.abs(projection - reference).max() > 0.3


def test_every_device_of_the_file_connects(speckle_ioc):
    with connected(FILE, timeout_s=30.0) as devices:
        assert [device.name for device in devices.devices() if not device.connected] == []
        assert devices.mono.energy_ev.get() == pytest.approx(10_000, rel=1e-4)  # steps of the pitch's record
        assert devices.own_problems() == []


def test_a_diffuser_that_was_left_out_is_told(ca, speckle_ioc):
    ca.put("6C:DIF:m1", FILE.diffuser.x_out_mm)
    with connected(FILE, timeout_s=30.0) as devices:
        (told,) = devices.own_problems()
    ca.put("6C:DIF:m1", 0.0)
    assert told.startswith("diffuser_x: the diffuser is out of the beam, at 15.00 mm")
    assert told.endswith("move it back (caput 6C:DIF:m1 0)")
