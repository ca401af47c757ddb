"""The beamline file: a frozen value with units and bounds, read from TOML.

A name (``pls2-7c-xni``) finds the file shipped with the package, a path finds yours.
Every fault is listed at once, with field, value and limit.
"""

from xsn_acq.config.axes import Axes, Axis
from xsn_acq.config.beamline import Beamline
from xsn_acq.config.full_field import FullField
from xsn_acq.config.load import (
    AnyBeamline,
    TurningBeamline,
    beamline_path,
    load_beamline,
    load_microscope,
)
from xsn_acq.config.microscope import Microscope
from xsn_acq.config.parts import Detection
from xsn_acq.config.speckle import SpeckleBeamline
from xsn_acq.config.stored import (
    calibration_folder,
    calibrations_in_use,
    newest_calibrations,
    write_calibration,
)
from xsn_acq.config.structured import StructuredBeamline

__all__ = [
    "AnyBeamline",
    "Axes",
    "Axis",
    "Beamline",
    "Detection",
    "FullField",
    "Microscope",
    "SpeckleBeamline",
    "StructuredBeamline",
    "TurningBeamline",
    "beamline_path",
    "calibration_folder",
    "calibrations_in_use",
    "load_beamline",
    "load_microscope",
    "newest_calibrations",
    "write_calibration",
]
