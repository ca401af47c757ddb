"""Channel Access stays on this machine, on ports of its own; set before anything imports epics."""

import os

import pytest

from xsn_acq.sim.process import free_ports, loopback

_server_port, _repeater_port, _second_port = free_ports(3)
os.environ.update(loopback(_server_port, _repeater_port))
os.environ["EPICS_CA_ADDR_LIST"] += f" 127.0.0.1:{_second_port}"


@pytest.fixture(scope="session")
def ca_ports():
    """Ports of this session's simulated beamline: Channel Access, and its repeater."""
    return {"port": _server_port, "repeater_port": _repeater_port}


@pytest.fixture(scope="session")
def second_ca_ports():
    """The same of a second simulated IOC, which clients of this session find too."""
    return {"port": _second_port, "repeater_port": _repeater_port}
