"""What a detector that writes a file of frames is asked to do, whatever the detector: frozen values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Trigger = Literal["internal", "external"]
"""Whether a camera runs freely, or waits for a rising edge with each frame."""


@dataclass(frozen=True, kw_only=True)
class FrameSetup:
    """One file of frames.

    Parameters
    ----------
    stream : str
        Name of the document stream the frames belong to.
    folder : Path
        Where the file goes; made by the file writer when missing.
    filename : str
        Without folder and without ``.h5``.
    frames : int
        Frames of the first acquisition; more can follow into the same file with `Rearm`.
    frame_timeout_s : float
        `complete` fails when no new frame comes for this long.
    """

    stream: str
    folder: Path
    filename: str
    frames: int
    frame_timeout_s: float = 30.0

    @property
    def path(self) -> Path:
        """The file that will be written."""
        return self.folder / f"{self.filename}.h5"


@dataclass(frozen=True)
class Rearm:
    """Acquire ``frames`` more into the file that is open, with the same settings: for retakes.

    ``trigger``: of a camera, where the frames wait for another one than those before.
    """

    frames: int
    trigger: Trigger | None = None
