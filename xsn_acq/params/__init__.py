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
from xsn_acq.params.energy import (
    ChangeEnergy,
    EnergyScan,
    HyperspectralTomography,
    MonoCalibration,
    UndulatorCalibration,
)
from xsn_acq.params.structured import StructuredIllumination
from xsn_acq.params.tomography import XsnTomography

__all__ = [
    "CameraParams",
    "ChangeEnergy",
    "EnergyScan",
    "FindRotationAxis",
    "FocusScan",
    "FoucaultTest",
    "HyperspectralTomography",
    "KnifeEdgeScan",
    "MonoCalibration",
    "PixelSize",
    "Roi",
    "StillsParams",
    "StructuredIllumination",
    "UndulatorCalibration",
    "XsnTomography",
]
