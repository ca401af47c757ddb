"""Start, sudden death and restart of the simulated beamline, on a port of its own."""

import os
import re
import socket
import subprocess

import h5py
import pytest

from tests.system.ca_client import Client
from tests.system.command import command
from tests.system.ioc import Ioc
from xsn_acq.errors import XsnError
from xsn_acq.sim.process import free_ports

pytestmark = pytest.mark.system

CAM, HDF = "7C:KTX:cam1:", "7C:KTX:HDF1:"


@pytest.fixture
def own(monkeypatch):
    """A simulated beamline and a client, apart from those of the session."""
    (port,) = free_ports(1)
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", f"127.0.0.1:{port}")
    running = Ioc(port=port, faults=["motor_stops_short axis=sample_x by=1.0"]).start()
    client = Client()
    yield running, client
    client.close()
    running.stop()
    running.log.unlink()


def test_a_killed_writer_leaves_a_readable_file(own, tmp_path):
    ioc, ca = own
    for suffix, value in {
        "EnableCallbacks": 1, "FilePath": str(tmp_path), "FileName": "f", "FileTemplate": "%s%s.h5",
        "FileWriteMode": "Stream", "NumCapture": 0, "LazyOpen": 1, "SWMRMode": 1,
    }.items():  # fmt: skip
        ca.put(HDF + suffix, value)
    ca.put(f"{HDF}Capture", 1, wait=False)
    for suffix, value in {"BinX": 2, "BinY": 2, "SizeX": 64, "SizeY": 64, "MinExpRes": "us"}.items():
        ca.put(CAM + suffix, value)
    ca.put(f"{CAM}AcquireTime", 0.2)
    ca.put(f"{CAM}ImageMode", "Continuous")
    ca.put(f"{CAM}Acquire", 1, wait=False)
    written = ca.until(f"{HDF}NumCaptured_RBV", lambda count: count >= 5)
    ioc.kill()
    with h5py.File(tmp_path / "f.h5", "r", libver="latest", swmr=True) as file:
        assert file["entry/data/data"].shape[0] >= written


def test_it_comes_back_aligned_and_with_its_faults(own):
    ioc, ca = own
    ca.put("7C:SAM:m1", 50.0)
    assert ca.get("7C:SAM:m1.RBV") == pytest.approx(49.0, abs=0.001)
    ioc.restart()
    assert ca.until("7C:SAM:m1.RBV", 0.0) == 0.0
    ca.put("7C:SAM:m1", 20.0)
    assert ca.get("7C:SAM:m1.RBV") == pytest.approx(19.0, abs=0.001)


def test_a_wrong_fault_on_the_command_line_is_refused():
    (port,) = free_ports(1)
    broken = Ioc(port=port, faults=["motor_dead axis=nowhere"])
    with pytest.raises(XsnError, match="no axis 'nowhere'"):
        broken.start()
    broken.stop()
    broken.log.unlink()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_in_use_is_refused_in_one_line(kind):
    with socket.socket(type=kind) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            command("sim", "pls2-7c-xni", "--port", port), capture_output=True, text=True, check=False
        )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"xsn-acq sim: port {port} on 127.0.0.1: cannot be used")
    assert line.endswith("or choose --port")


def test_it_says_how_to_reach_it_from_another_shell():
    (port,) = free_ports(1)
    simulated = subprocess.Popen(
        command("sim", "pls2-7c-xni", "--port", port), stdout=subprocess.PIPE, text=True
    )
    try:
        simulated.stdout.readline()
        export = re.fullmatch(r"to reach it from another shell: (export .*)\n", simulated.stdout.readline())[
            1
        ]
        elsewhere = {name: value for name, value in os.environ.items() if not name.startswith("EPICS")}
        read = f'{export}; "{command()[0]}" -c "import epics; print(epics.caget(\'7C:SAM:m1.EGU\'))"'
        done = subprocess.run(["sh", "-c", read], env=elsewhere, capture_output=True, text=True, check=True)
        assert done.stdout == "um\n"
    finally:
        simulated.terminate()
        simulated.communicate()
