"""Runs of a journal that belong together: what they have, what speaks against going on with them.

A hyperspectral scan has a run for each energy, a speckle scan one for each position of the diffuser.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xsn_acq.errors import ConfigError
from xsn_acq.params.progress import PartProgress, Progress
from xsn_acq.storage.journal import RunSummary, is_being_written, list_runs, read_journal
from xsn_acq.storage.run import RunRecord
from xsn_acq.storage.sound import good_targets, sound_record

_PLACES = (
    "sample_x",
    "sample_y",
    "sample_z",
    "cutoff_x",
    "cutoff_z",
    "detector_z",
    "zone_plate_x",
    "zone_plate_y",
    "mono_energy_ev",
)
"""Motors that must stand where they stood as the scan began; the energy of a series at one energy."""
_SECTIONS = ("detection", "geometry", "zone_plate", "monochromator", "multilayer", "diffuser")
_CALIBRATIONS = ("knife_edge", "rotation_axis", "pupil_plane", "focus", "pixel_size", "mono")
"""What of a beamline decides the images; the gap table decides their brightness alone."""


@dataclass(frozen=True)
class RunSeries:
    """One scan.

    Attributes
    ----------
    uid : str
    runs : tuple of RunSummary
        Oldest first, those without frames included.
    """

    uid: str
    runs: tuple[RunSummary, ...]

    @property
    def count(self) -> int:
        """Energies, or positions of the diffuser, of the scan."""
        return int(self.runs[0].part["count"])

    @property
    def parts_name(self) -> str:
        """What there is a run for."""
        return "energies" if self.runs[0].hyperspectral else "diffuser positions"

    def start(self) -> dict[str, Any]:
        """Start document of the first run."""
        return next(read_journal(self.runs[0].path)).doc

    def parts(self) -> dict[int, list[RunRecord]]:
        """Runs with good frames by the number of their energy or position, oldest first: `sound_record`."""
        found: dict[int, list[RunRecord]] = {}
        for run in self.runs:
            number = run.part["number"]
            record = sound_record(run)
            if number is not None and good_targets(record):
                found.setdefault(int(number), []).append(record)
        return dict(sorted(found.items()))

    def progress(self) -> Progress:
        """What the scan has: for each energy or position the targets with a good frame in its file."""
        parts = {number: _progress(records) for number, records in self.parts().items()}
        rows = RunRecord.from_journal(self.runs[0].path).rows("baseline")
        first = rows[0] if rows else {}
        places = {name: float(first[name]) for name in _PLACES if isinstance(first.get(name), float)}
        return Progress(self.uid, parts, places)


def _progress(records: list[RunRecord]) -> PartProgress:
    good = frozenset[int]().union(*(good_targets(record) for record in records))
    return PartProgress(good, tuple(record.uid for record in records), _phase_deg(records[0]))


def _phase_deg(record: RunRecord) -> float | None:
    """Where in its step the first frame of a camera that ran freely lay, degrees."""
    tomogram = record.start["tomogram"]
    if tomogram["trigger"] != "free_running":
        return None
    step, first = record.start["acquisition"]["step_deg"], tomogram["start_deg"]
    found = [
        row["theta_deg"] - first - row["target"] * step for row in record.ledger if row["status"] == "ok"
    ]
    return float(np.median(found))


def hyperspectral_scans(folder: Path) -> list[RunSeries]:
    """List the hyperspectral scans of a journal folder, oldest first."""
    return [scan for scan in all_scans(folder) if scan.runs[0].hyperspectral]


def all_scans(folder: Path) -> list[RunSeries]:
    """List the scans of a journal folder, oldest first."""
    found: dict[str, list[RunSummary]] = {}
    for run in list_runs(folder):
        if run.part:
            found.setdefault(str(run.part.get("scan") or run.part["series"]), []).append(run)
    return [RunSeries(uid, tuple(runs)) for uid, runs in found.items()]


def records_of_series(folder: Path, series: str) -> list[RunRecord]:
    """Runs with good frames of one series of diffuser positions, by position, oldest first."""
    found = [scan for scan in all_scans(folder) if scan.runs[0].speckle and scan.uid == series]
    return [record for scan in found for records in scan.parts().values() for record in records]


def unfinished_scan(
    folder: Path, params: Mapping[str, Any]
) -> tuple[RunSeries, Progress] | tuple[None, None]:
    """The last scan with these parameters, if it is unfinished, with what it has.

    Parameters
    ----------
    folder : Path
        The journal folder.
    params : mapping
        As in the start document.
    """
    for scan in reversed(all_scans(folder)):
        if scan.start()["params"] == params:
            progress = scan.progress()
            return (scan, progress) if _unfinished(scan, progress) else (None, None)
    return None, None


def find_scan(folder: Path, which: str) -> RunSeries:
    """One scan by the beginning of its uid.

    Raises
    ------
    ConfigError
        There is none, or more than one.
    """
    scans = all_scans(folder)
    found = [scan for scan in scans if scan.uid.startswith(which)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(scan.uid[:8] for scan in scans[-5:]) or "none"
    raise ConfigError(
        "--resume", [f"wanted one scan that begins with {which!r}, found {len(found)}; there are {known}"]
    )


def _unfinished(scan: RunSeries, progress: Progress) -> bool:
    projections = int(scan.start()["params"]["projections"])
    return not all(progress.complete(number, projections) for number in range(scan.count))


def refuse_other(
    scan: RunSeries, progress: Progress, params: Mapping[str, Any], beamline: Mapping[str, Any]
) -> None:
    """Refuse to go on with a scan that is finished, being taken, or was begun otherwise.

    Parameters
    ----------
    scan, progress
    params, beamline : mapping
        As they would stand in the start document.

    Raises
    ------
    ConfigError
        With every reason.
    """
    start = scan.start()
    faults = [*_differing(start["params"], params, "params")]
    for name in _SECTIONS:
        faults += _differing(start["beamline"].get(name), beamline.get(name), f"beamline.{name}")
    faults += _other_calibrations(start["beamline"]["calibration"], beamline["calibration"])
    if any(is_being_written(run.path) for run in scan.runs):
        faults.append("it is being taken now; wait for its end")
    if not faults and not _unfinished(scan, progress):
        faults.append("it is complete; start a new one without --resume")
    if faults:
        raise ConfigError(f"resume scan {scan.uid[:8]}", faults)


def _differing(wanted: Any, found: Any, name: str) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in dict.fromkeys((*wanted, *found)):
            yield from _differing(wanted.get(key), found.get(key), f"{name}.{key}")
    elif wanted != found:
        yield f"{name}: wanted {wanted}, as the scan began, found {found}"


def _other_calibrations(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for name in _CALIBRATIONS:
        if wanted.get(name) != found.get(name):
            yield (
                f"calibration {name}: wanted {_named(wanted.get(name))}, as the scan began, found "
                f"{_named(found.get(name))}; take the newer one out of the data folder, or start a new scan"
            )


def _named(calibration: Any) -> str:
    """Name a calibration, or a table of them, by date and run."""
    entries = calibration if isinstance(calibration, list) else [calibration]
    named = [f"that of {entry['date']} {entry['run'][:8]}".strip() for entry in entries if entry]
    return ", ".join(dict.fromkeys(named)) or "none"
