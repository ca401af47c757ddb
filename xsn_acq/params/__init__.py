"""What is acquired, as frozen values with units and bounds."""

from xsn_acq.params.calibration import (
    FindRotationAxis,
    FocusScan,
    FoucaultTest,
    KnifeEdgeScan,
    PixelSize,
    StillsParams,
)
from xsn_acq.params.camera import CameraParams, FrameParams, Roi
from xsn_acq.params.energy import (
    ChangeEnergy,
    EnergyScan,
    HyperspectralTomography,
    MonoCalibration,
    UndulatorCalibration,
)
from xsn_acq.params.speckle import SpeckleTomography
from xsn_acq.params.structured import StructuredIllumination
from xsn_acq.params.tomography import FlyTomography, XsnTomography

__all__ = [
    "CameraParams",
    "ChangeEnergy",
    "EnergyScan",
    "FindRotationAxis",
    "FlyTomography",
    "FocusScan",
    "FoucaultTest",
    "FrameParams",
    "HyperspectralTomography",
    "KnifeEdgeScan",
    "MonoCalibration",
    "PixelSize",
    "Roi",
    "SpeckleTomography",
    "StillsParams",
    "StructuredIllumination",
    "UndulatorCalibration",
    "XsnTomography",
]
