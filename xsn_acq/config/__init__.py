"""The beamline file: a frozen value with units and bounds, read from TOML.

A name (``pls2-7c-xni``) finds the file shipped with the package, a path finds yours.
Every fault is listed at once, with field, value and limit.
"""

from xsn_acq.config.axes import Axes, Axis
from xsn_acq.config.beamline import Beamline
from xsn_acq.config.load import beamline_path, load_beamline
from xsn_acq.config.parts import Detection
from xsn_acq.config.stored import (
    calibration_folder,
    calibrations_in_use,
    newest_calibrations,
    write_calibration,
)

__all__ = [
    "Axes",
    "Axis",
    "Beamline",
    "Detection",
    "beamline_path",
    "calibration_folder",
    "calibrations_in_use",
    "load_beamline",
    "newest_calibrations",
    "write_calibration",
]
