"""A calibration run: analysed, its calibration stored for the next runs, a picture beside it."""

from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from xsn_acq.config import write_calibration
from xsn_acq.live.findings import find
from xsn_acq.live.points import TECHNIQUE, RunPoints
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord


@dataclass(frozen=True)
class Calibrated:
    """A calibration that is stored: one line for a person, its file, its picture."""

    line: str
    file: Path
    picture: Path

    def lines(self) -> list[str]:
        """What to tell a person."""
        return [self.line, f"calibration {self.file}", f"picture {self.picture}"]


def is_calibration(run: RunRecord) -> bool:
    """Whether a run was made to calibrate."""
    return bool(run.start.get("technique") == TECHNIQUE)


def calibrate(run: RunRecord, data: DataFolder) -> Calibrated:
    """Analyse a calibration run and store what it found.

    The calibration counts from the time of its run: analysed once more, it takes its own place again.

    Parameters
    ----------
    run : RunRecord
        That came to its end.
    data : DataFolder
        Calibration and picture go here.

    Raises
    ------
    CalibrationError
        The run is no calibration, or does not show what it was made for; nothing is stored.
    StorageError
        Frames cannot be read, or results not written.
    """
    with RunPoints(run) as points:
        found = find(points)
        picture = data.results(run.uid) / f"{found.kind}.png"
        figure = Figure(figsize=(9.0, 6.0), layout="constrained")
        FigureCanvasAgg(figure)
        found.draw(figure)
        figure.suptitle(f"run {run.uid[:8]}: {found.line}", fontsize=9, wrap=True)
        figure.savefig(picture, dpi=100)
        file = write_calibration(
            data.calibrations, points.beamline.name, found.kind, found.section, float(run.start["time"])
        )
    return Calibrated(found.line, file, picture)
