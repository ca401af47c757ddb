import pytest

from tests.system.ca_client import Client
from tests.system.ioc import Ioc


@pytest.fixture(scope="session")
def ioc(ca_ports):
    """The simulated beamline, shared by the whole session; 20 times real time."""
    running = Ioc(**ca_ports).start()
    yield running
    running.stop()
    running.log.unlink()


@pytest.fixture
def no_faults(ioc):
    """Faults of a test end with it."""
    yield ioc
    ioc.clear_faults()


@pytest.fixture(scope="session")
def ca(ioc):
    """Channel Access without pyepics."""
    client = Client()
    yield client
    client.close()
