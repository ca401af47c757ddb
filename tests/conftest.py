"""Channel Access stays on this machine, on ports of its own; set before anything imports epics."""

import os
import socket
from contextlib import ExitStack

import pytest


def free_ports(count):
    """Ports nobody uses, all different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


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
