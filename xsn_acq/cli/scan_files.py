"""Files of a hyperspectral scan: an NXtomo file for each energy, also of several runs; their index."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from xsn_acq.cli.saying import say

Try = Callable[[Callable[[], list[str]], str], bool]
"""Makes a file, tells where it is, and whether that went well."""


@dataclass(frozen=True)
class EnergyFile:
    """The frames of one energy: what they were taken at, in which runs, and their NXtomo file."""

    energy_ev: float
    runs: tuple[str, ...]
    path: Path

    @property
    def parted(self) -> bool:
        """Whether they were taken in several runs."""
        return len(self.runs) > 1

    def volume(self, data: Any) -> Path | None:
        """Their reconstruction, if there is one."""
        from xsn_acq.live.volume import FILE_NAME

        path: Path = data.results(self.runs[0]) / FILE_NAME
        return path if path.exists() else None


def export_scan(scan: Any, data: Any, tried: Try) -> tuple[bool, list[EnergyFile]]:
    """Write the NXtomo files of all energies that came to their end, those of earlier sessions too.

    Parameters
    ----------
    scan : RunSeries
    data : DataFolder
    tried : callable
        See `Try`.

    Returns
    -------
    well : bool
    files : list of EnergyFile
        Those that were written.
    """
    well, files = True, []
    for records in scan.parts().values():
        if not _succeeded(records[-1]):
            continue
        energy = float(records[0].start["acquisition"]["energy_ev"])
        path = data.exports / f"{records[0].uid[:8]}.nx"
        if tried(partial(_export, records, path), f"NXtomo file at {energy:.1f} eV"):
            files.append(EnergyFile(energy, tuple(record.uid for record in records), path))
        else:
            well = False
    return well, files


def _succeeded(record: Any) -> bool:
    return bool(record.stop) and record.stop["exit_status"] == "success"


def _export(records: list[Any], path: Path) -> list[str]:
    """Write one NXtomo file; a frame file that a killed writer left is mended first."""
    from xsn_acq.storage.frames import path_of
    from xsn_acq.storage.mending import mend
    from xsn_acq.storage.nxtomo import write_nxtomo

    for record in records:
        for stream in record.streams.values():
            if stream.n_frames and not _succeeded(record):
                mend(path_of(stream.resource))
    return [f"NXtomo {write_nxtomo(records, path)}"]


def reconstruct_parted(files: Sequence[EnergyFile], data: Any) -> bool:
    """Reconstruct what was taken in several runs, from its file; whether all went well."""
    from xsn_acq.cli.services import spawn

    well, log = True, data.root / "logs" / "live.log"
    for file in files:
        output = ["--output", str(data.results(file.runs[0])), "--quiet"]
        if file.parted and spawn(["reconstruct", str(file.path), *output], log).wait():
            say(f"no reconstruction of {file.path}; see {log}")
            well = False
    return well


def index_scan(scan: Any, files: Sequence[EnergyFile], data: Any) -> list[str]:
    """Write the index of a scan; what to tell."""
    from xsn_acq.storage.hyperspectral import EnergyTomogram, write_index

    tomograms = [EnergyTomogram(file.energy_ev, file.runs, file.path, file.volume(data)) for file in files]
    path, title = data.exports / f"{scan.uid[:8]}-scan.h5", scan.start().get("note", "")
    return [f"index {write_index(path, tomograms, scan=scan.uid, title=title)}"]
