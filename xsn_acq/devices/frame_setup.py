"""What every setup of a detector says, whatever the detector."""

from pathlib import Path
from typing import Protocol


class FrameSetup(Protocol):
    """One file of frames: see `CameraSetup`."""

    @property
    def folder(self) -> Path:
        """Where the file goes."""

    @property
    def filename(self) -> str:
        """Without folder and without ``.h5``."""

    @property
    def path(self) -> Path:
        """The file that will be written."""

    @property
    def frames(self) -> int:
        """Frames of the first acquisition."""

    @property
    def frame_timeout_s(self) -> float:
        """`complete` fails when no new frame comes for this long."""
