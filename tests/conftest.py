"""Channel Access stays on this machine, on ports of its own; set before anything imports epics."""

import os

import pytest

from tests.system.ports import free_ports

_server_port, _repeater_port = free_ports(2)
os.environ.update(
    EPICS_CA_ADDR_LIST="127.0.0.1",
    EPICS_CA_AUTO_ADDR_LIST="NO",
    EPICS_CA_SERVER_PORT=str(_server_port),
    EPICS_CA_REPEATER_PORT=str(_repeater_port),
    EPICS_CA_MAX_ARRAY_BYTES="1000000",
)


@pytest.fixture(scope="session")
def ca_port():
    """Port on which the simulated beamline of this session serves."""
    return _server_port
