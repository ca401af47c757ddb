"""The instrument of a beamline file: one factory for each device; connect all, collect every failure."""

from xsn_acq.beamline.condition import make_safe, problems
from xsn_acq.beamline.connecting import baseline, build, connect, connected, destroy
from xsn_acq.beamline.parts import CommonInstrument
from xsn_acq.beamline.schlieren import Instrument

__all__ = [
    "CommonInstrument",
    "Instrument",
    "baseline",
    "build",
    "connect",
    "connected",
    "destroy",
    "make_safe",
    "problems",
]
