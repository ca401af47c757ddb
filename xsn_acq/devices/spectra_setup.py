"""What a fluorescence detector is asked to do: a frozen value."""

from dataclasses import dataclass
from typing import Literal

from xsn_acq.devices.frame_setup import FrameSetup


@dataclass(frozen=True, kw_only=True)
class SpectraSetup(FrameSetup):
    """One file of spectra.

    Parameters
    ----------
    trigger : {"internal", "gate"}
        One after the other, ``exposure_s`` each; or one for each gate, as long as the gate.
    exposure_s : float
        Counting time of a spectrum, seconds; of a gate, what it is meant to be.
    others
        As in `FrameSetup`; a frame is a spectrum.
    """

    trigger: Literal["internal", "gate"]
    exposure_s: float

    def __post_init__(self) -> None:
        if self.frames < 1 or not 0 < self.exposure_s < self.frame_timeout_s:
            raise ValueError(
                f"spectra setup {self}: frames must be positive, exposure_s above 0 and below frame_timeout_s"
            )
