import logging
import threading

import pytest

from tests.system.ca_client import Client
from tests.system.ioc import Ioc
from tests.system.running import put_back
from xsn_acq import beamline
from xsn_acq.config import load_beamline


@pytest.fixture(scope="session")
def ioc(ca_ports):
    """The simulated beamline, shared by the whole session; 20 times real time."""
    running = Ioc(**ca_ports).start()
    yield running
    running.stop()
    running.log.unlink()


@pytest.fixture(scope="module")
def devices(ioc):
    """The instrument, connected; the simulated ring tells a loss within 0.2 s, and optics settle at once."""
    file = load_beamline("pls2-7c-xni")
    ring = file.ring.model_copy(update={"late_s": 0.4, "settle_s": 0.3})
    with beamline.connected(file.model_copy(update={"ring": ring}), timeout_s=30.0) as made:
        put_back(made)  # the tests of another file may have left it anywhere
        yield made


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


@pytest.fixture
def beam_awaited():
    """Set once a plan has said that it waits for beam."""
    event = threading.Event()

    class Listener(logging.Handler):
        def emit(self, record):
            if "waiting for beam" in record.getMessage():
                event.set()

    logger, listener = logging.getLogger("xsn_acq.plans.beam"), Listener()
    logger.addHandler(listener)
    yield event
    logger.removeHandler(listener)
