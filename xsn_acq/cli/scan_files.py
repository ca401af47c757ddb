"""Files of a hyperspectral scan: an NXtomo file for each energy, also of several runs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from xsn_acq.cli.saying import say

Try = Callable[[Callable[[], list[str]], str], bool]


@dataclass(frozen=True)
class Parted:
    """A tomogram that was taken in several runs: its first run's uid, its NXtomo file."""

    uid: str
    path: Path


def export_scan(scan: Any, data: Any, tried: Try) -> tuple[bool, list[Parted]]:
    """Write the NXtomo files of all energies that came to their end, those of earlier sessions too.

    Parameters
    ----------
    scan : HyperspectralScan
    data : DataFolder
    tried : callable
        Makes a file and says how it went.

    Returns
    -------
    well : bool
    parted : list of Parted
        Energies that were taken in several runs.
    """
    well, parted = True, []
    energies_ev = scan.runs[0].hyperspectral["energies_ev"]
    for number, records in scan.energies().items():
        if not _succeeded(records[-1]):
            continue
        path = data.exports / f"{records[0].uid[:8]}.nx"
        made = tried(partial(_export, records, path), f"NXtomo file at {energies_ev[number]:g} eV")
        well = well and made
        if made and len(records) > 1:
            parted.append(Parted(records[0].uid, path))
    return well, parted


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


def reconstruct_parted(parted: list[Parted], data: Any) -> bool:
    """Reconstruct tomograms of several runs from their files; whether all went well."""
    from xsn_acq.cli.services import spawn

    well, log = True, data.root / "logs" / "live.log"
    for tomogram in parted:
        output = ["--output", str(data.results(tomogram.uid)), "--quiet"]
        if spawn(["reconstruct", str(tomogram.path), *output], log).wait():
            say(f"no reconstruction of {tomogram.path}; see {log}")
            well = False
    return well
