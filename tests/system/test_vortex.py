"""The fluorescence detector against a simulated Xspress3 that stands alone, over Channel Access."""

import sys
from pathlib import Path

import bluesky.plan_stubs as bps
import h5py
import numpy as np
import pytest
from bluesky.preprocessors import run_decorator

from tests.system import vortex_server as truth
from tests.system.ca_client import Client
from tests.system.ioc import Ioc
from tests.system.running import engine
from xsn_acq.devices.connection import connection_faults
from xsn_acq.devices.frame_setup import Rearm
from xsn_acq.devices.spectra_setup import SpectraSetup
from xsn_acq.devices.xspress3 import SCALERS, SpectrumFlag, Vortex
from xsn_acq.errors import DeviceError

pytestmark = pytest.mark.system
DONE_S = 30.0
DET = f"{truth.PREFIX}det1:"
PERIOD_S, WIDTH_S = 0.5, 0.25
"""Simulated seconds; 20 of them are a real one."""


class VortexIoc(Ioc):
    """The detector alone, in a process of its own."""

    faults_at = "SIM2:"

    def __init__(self, port, repeater_port):
        super().__init__(port=port, repeater_port=repeater_port)
        self._command = [sys.executable, str(Path(truth.__file__)), str(port)]


@pytest.fixture(scope="module")
def ioc(second_ca_ports):
    running = VortexIoc(**second_ca_ports).start()
    yield running
    running.stop()
    running.log.unlink()


@pytest.fixture(scope="module")
def ca(ioc):
    client = Client()
    yield client
    client.close()


@pytest.fixture(scope="module")
def connected(ioc):
    made = Vortex(truth.PREFIX, name="vortex", bins=truth.BINS, dead_time_s=truth.DEAD_TIME_S, most_dead=0.3)
    assert connection_faults([made], DONE_S) == []
    yield made
    made.destroy()


@pytest.fixture
def vortex(connected, ioc):
    yield connected
    connected.unstage()
    ioc.clear_faults()


def setup(folder, **changes):
    values = {"frames": 5, "trigger": "gate", "exposure_s": WIDTH_S, "frame_timeout_s": 2.0}
    return SpectraSetup(stream="spectra", folder=folder, filename="spectra", **{**values, **changes})


def gate(ca, count):
    """Send gates; when they began."""
    ca.put("SIM:Gates", [count, PERIOD_S, WIDTH_S])
    return np.asarray(ca.get("SIM:GateTimes"))


def count(vortex, ca, gates):
    """Count in so many gates; when they began."""
    vortex.kickoff().wait(DONE_S)
    begins = gate(ca, gates)
    vortex.complete().wait(DONE_S)
    return begins


def test_each_gate_gives_one_spectrum_with_its_scalers(vortex, ca, tmp_path):
    """A run: documents announce spectra and scalers, the file holds them, raw, at the times of the gates."""
    ca.put(f"{DET}CTRL_DTC", "Enable")  # as the template has it
    RE, documents = engine()
    begins = []

    @run_decorator()
    def plan():
        yield from bps.prepare(vortex, setup(tmp_path), wait=True)
        yield from bps.declare_stream(vortex, name="spectra", collect=True)
        for frames in (5, 3):
            if begins:
                yield from bps.prepare(vortex, Rearm(frames), wait=True)
            yield from bps.kickoff(vortex, wait=True)
            begins.append(gate(ca, frames))
            yield from bps.complete(vortex, wait=True)
            yield from bps.collect(vortex, name="spectra")

    RE(plan())
    assert (vortex.frames_counted(), vortex.frames_written(), vortex.dropped_arrays()) == (8, 8, 0)
    # read out 1 us after the gate; the float64 stamps, seconds since 1990, resolve 0.24 us
    ends = np.concatenate(begins) + WIDTH_S + 1e-6
    np.testing.assert_allclose(vortex.frame_times_s(), ends, atol=1e-6)
    assert not vortex.frame_flags().any()
    vortex.close_file().wait(DONE_S)
    resources = [doc for name, doc in documents.all if name == "stream_resource"]
    assert len(resources) == 1 + len(SCALERS)
    with h5py.File(tmp_path / "spectra.h5") as file:
        data = {doc["data_key"]: file[doc["parameters"]["dataset"]][()] for doc in resources}
    spectra = data["vortex_spectra"]
    assert (spectra.shape, spectra.dtype) == ((8, 1, truth.BINS), np.uint32)
    assert (spectra[:, 0, truth.PEAK_BIN] == truth.PEAK_PER_S * WIDTH_S).all()
    # times that are differences of epoch seconds: 0.24 us of 0.25 s
    np.testing.assert_allclose(data["vortex_clock_ticks"], 80e6 * WIDTH_S, rtol=3e-6)
    np.testing.assert_allclose(data["vortex_dead_time_percent"], 10.0, rtol=1e-6)
    last = [doc["indices"] for name, doc in documents.all if name == "stream_datum"][-1]
    assert last == {"start": 5, "stop": 8}


def test_spectra_follow_each_other_without_gates(vortex, tmp_path):
    vortex.prepare(setup(tmp_path, trigger="internal")).wait(DONE_S)
    vortex.kickoff().wait(DONE_S)
    vortex.complete().wait(DONE_S)
    # counting time and 1 us between two frames
    np.testing.assert_allclose(np.diff(vortex.frame_times_s()), WIDTH_S + 1e-6, atol=1e-6)


def test_a_gate_that_makes_no_spectrum_fails_with_expected_and_counted(vortex, ca, ioc, tmp_path):
    vortex.prepare(setup(tmp_path, frame_timeout_s=0.5)).wait(DONE_S)
    ioc.fault("swallow_pulse index=2")
    with pytest.raises(DeviceError, match="vortex: complete: wanted 5 frames, found 4 frames"):
        count(vortex, ca, 5)
    assert "wanted idle, found acquiring" in vortex.left_behind()[0]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("drop_spectra count=2", "wanted 10 frames, found 8 frames"),
        ("writer_overrun every=2", "dropped arrays"),
    ],
)
def test_a_spectrum_that_is_lost_fails_the_acquisition(vortex, ca, ioc, tmp_path, fault, message):
    vortex.prepare(setup(tmp_path, frames=10, frame_timeout_s=0.5)).wait(DONE_S)
    ioc.fault(fault)
    with pytest.raises(DeviceError, match=message):
        count(vortex, ca, 10)


@pytest.mark.parametrize(
    ("fault", "flag"),
    [("high_rate times=50", SpectrumFlag.SATURATED), ("lost_scalers", SpectrumFlag.NO_DEAD_TIME)],
)
def test_a_spectrum_that_cannot_be_corrected_is_flagged_and_kept(vortex, ca, ioc, tmp_path, fault, flag):
    vortex.prepare(setup(tmp_path, frames=2)).wait(DONE_S)
    ioc.fault(fault)
    count(vortex, ca, 2)
    assert list(vortex.frame_flags()) == [flag, flag]


def test_counts_corrected_in_hardware_are_refused(vortex, ca, tmp_path):
    vortex.prepare(setup(tmp_path)).wait(DONE_S)
    ca.put(f"{DET}CTRL_DTC", "Enable")
    with pytest.raises(DeviceError, match="wanted raw counts, found corrected for dead time"):
        vortex.kickoff().wait(DONE_S)


def test_a_detector_that_is_not_connected_is_refused(vortex, ca, tmp_path):
    ca.put(f"{DET}DISCONNECT", 1)
    with pytest.raises(DeviceError, match="wanted Connected, found Disconnected"):
        vortex.prepare(setup(tmp_path)).wait(DONE_S)
    ca.put(f"{DET}CONNECT", 1)


def test_an_ioc_that_dies_fails_the_acquisition_and_keeps_the_spectra(vortex, ca, ioc, tmp_path):
    vortex.prepare(setup(tmp_path)).wait(DONE_S)
    vortex.kickoff().wait(DONE_S)
    gate(ca, 3)
    ca.until(f"{truth.PREFIX}HDF1:NumCaptured_RBV", 3)
    status = vortex.complete()
    ioc.kill()
    with pytest.raises(DeviceError, match="is the IOC running"):
        status.wait(DONE_S)
    with h5py.File(tmp_path / "spectra.h5", "r", libver="latest", swmr=True) as file:
        assert file["entry/data/data"].shape == (3, 1, truth.BINS)
    ioc.start()
    assert connection_faults([vortex], DONE_S) == []
