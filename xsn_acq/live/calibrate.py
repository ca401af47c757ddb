"""A calibration run: analysed, its calibration stored for the next runs, a picture beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from xsn_acq.config import write_calibration
from xsn_acq.live.counts import gap_table
from xsn_acq.live.edge_scan import mono_offset
from xsn_acq.live.findings import Finding, find
from xsn_acq.live.points import TECHNIQUE, RunPoints
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

_OVER_ENERGIES: Mapping[str, Callable[[RunRecord], Finding]] = MappingProxyType(
    {"undulator_calibration": gap_table, "mono_calibration": mono_offset}
)
"""Runs over energies, by plan; `find` analyses those at one energy."""


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
    found = _found(run)
    picture = data.results(run.uid) / f"{found.kind}.png"
    figure = Figure(figsize=(9.0, 6.0), layout="constrained")
    FigureCanvasAgg(figure)
    found.draw(figure)
    figure.suptitle(f"run {run.uid[:8]}: {found.line}", fontsize=9, wrap=True)
    figure.savefig(picture, dpi=100)
    name = str(run.start["beamline"]["name"])
    time_s = float(run.start["time"])
    file = write_calibration(data.calibrations, name, found.kind, found.section, time_s)
    return Calibrated(found.line, file, picture)


def _found(run: RunRecord) -> Finding:
    """What a run says."""
    plan = str(run.start.get("plan_name"))
    if plan in _OVER_ENERGIES and is_calibration(run):
        return _OVER_ENERGIES[plan](run)
    with RunPoints(run) as points:
        return find(points)
