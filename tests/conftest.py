"""Channel Access stays on this machine, on ports of its own; set before anything imports epics."""

import os

import pytest

from xsn_acq.sim.process import free_ports, loopback

_server_port, _repeater_port = free_ports(2)
os.environ.update(loopback(_server_port, _repeater_port))


@pytest.fixture(scope="session")
def ca_ports():
    """Ports of this session's simulated beamline: Channel Access, and its repeater."""
    return {"port": _server_port, "repeater_port": _repeater_port}
