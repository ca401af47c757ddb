"""What a camera is asked to do: frozen values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class CameraSetup:
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
    exposure_s : float
        Exposure time, seconds; microseconds are kept.
    trigger : {"internal", "external"}
        Free-running, or one frame for each rising edge.
    binning : int
        On-chip binning, the same along x and y.
    roi : tuple of int
        (min_x, min_y, size_x, size_y) in unbinned pixels; sizes are multiples of the binning.
    readout_port : str
        "1" sensitivity, "2" speed, "3" dynamic range, "4" sub-electron.
    frame_timeout_s : float
        `Kinetix.complete` fails when no new frame comes for this long.
    """

    stream: str
    folder: Path
    filename: str
    frames: int
    exposure_s: float
    trigger: Literal["internal", "external"]
    binning: int
    roi: tuple[int, int, int, int]
    readout_port: str = "1"
    frame_timeout_s: float = 30.0

    def __post_init__(self) -> None:
        _, _, size_x, size_y = self.roi
        if self.frames < 1 or self.exposure_s <= 0 or self.binning < 1 or min(self.roi) < 0:
            raise ValueError(
                f"camera setup {self}: frames, exposure_s and binning must be positive, roi not negative"
            )
        if not size_x or not size_y or size_x % self.binning or size_y % self.binning:
            raise ValueError(
                f"camera setup: roi {size_x} x {size_y} must be a multiple of the binning {self.binning}"
            )

    @property
    def frame_shape(self) -> tuple[int, int]:
        """(rows, columns) of a frame, binned pixels."""
        return self.roi[3] // self.binning, self.roi[2] // self.binning

    @property
    def path(self) -> Path:
        """The file that will be written."""
        return self.folder / f"{self.filename}.h5"


@dataclass(frozen=True)
class Rearm:
    """Acquire ``frames`` more into the file that is open, with the same settings: for retakes."""

    frames: int
