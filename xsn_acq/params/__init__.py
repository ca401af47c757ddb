"""What is acquired, as frozen values with units and bounds."""

from xsn_acq.params.calibration import (
    FindRotationAxis,
    FocusScan,
    FoucaultTest,
    KnifeEdgeScan,
    PixelSize,
    StillsParams,
)
from xsn_acq.params.camera import CameraParams, Roi
from xsn_acq.params.tomography import XsnTomography

__all__ = [
    "CameraParams",
    "FindRotationAxis",
    "FocusScan",
    "FoucaultTest",
    "KnifeEdgeScan",
    "PixelSize",
    "Roi",
    "StillsParams",
    "XsnTomography",
]
