"""The instrument of the simulated beamline, connected for a test module."""

from contextlib import contextmanager

from xsn_acq import beamline
from xsn_acq.config import load_beamline

CONNECT_TIMEOUT_S = 30.0


@contextmanager
def connected_instrument(name="pls2-7c-xni"):
    """Build, connect, and let go at the end."""
    instrument = beamline.build(load_beamline(name))
    try:
        beamline.connect(instrument, timeout_s=CONNECT_TIMEOUT_S)
        yield instrument
    finally:
        beamline.destroy(instrument)
