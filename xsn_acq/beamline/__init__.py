"""The instrument of a beamline file: one factory for each device; connect all, collect every failure."""

from xsn_acq.beamline.condition import make_safe, problems
from xsn_acq.beamline.connecting import AnyInstrument, baseline, build, connect, connected, destroy
from xsn_acq.beamline.full_field import FullFieldInstrument
from xsn_acq.beamline.parts import CommonInstrument
from xsn_acq.beamline.schlieren import Instrument
from xsn_acq.beamline.speckle import SpeckleInstrument
from xsn_acq.beamline.structured import StructuredInstrument

__all__ = [
    "AnyInstrument",
    "CommonInstrument",
    "FullFieldInstrument",
    "Instrument",
    "SpeckleInstrument",
    "StructuredInstrument",
    "baseline",
    "build",
    "connect",
    "connected",
    "destroy",
    "make_safe",
    "problems",
]
