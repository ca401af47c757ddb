"""The instrument of the simulated beamline, connected for a test module."""

from xsn_acq import beamline
from xsn_acq.config import load_beamline

CONNECT_TIMEOUT_S = 30.0


def connected_instrument(name="pls2-7c-xni"):
    """Build, connect, and let go at the end."""
    return beamline.connected(load_beamline(name), timeout_s=CONNECT_TIMEOUT_S)
