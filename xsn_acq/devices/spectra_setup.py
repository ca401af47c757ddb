"""What a fluorescence detector is asked to do: a frozen value."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class SpectraSetup:
    """One file of spectra.

    Parameters
    ----------
    stream : str
        Name of the document stream the spectra belong to.
    folder : Path
        Where the file goes; made by the file writer when missing.
    filename : str
        Without folder and without ``.h5``.
    frames : int
        Spectra of the first acquisition; more can follow into the same file with `Rearm`.
    trigger : {"internal", "gate"}
        One after the other, ``exposure_s`` each; or one for each gate, as long as the gate.
    exposure_s : float
        Counting time of a spectrum, seconds; of a gate, what it is meant to be.
    frame_timeout_s : float
        `Vortex.complete` fails when no new spectrum comes for this long.
    """

    stream: str
    folder: Path
    filename: str
    frames: int
    trigger: Literal["internal", "gate"]
    exposure_s: float
    frame_timeout_s: float = 30.0

    def __post_init__(self) -> None:
        if self.frames < 1 or not 0 < self.exposure_s < self.frame_timeout_s:
            raise ValueError(
                f"spectra setup {self}: frames must be positive, exposure_s above 0 and below frame_timeout_s"
            )

    @property
    def path(self) -> Path:
        """The file that will be written."""
        return self.folder / f"{self.filename}.h5"
