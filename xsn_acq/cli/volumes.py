"""Volumes named on the command line."""

from pathlib import Path
from typing import TYPE_CHECKING

from xsn_acq.errors import StorageError

if TYPE_CHECKING:
    from xsn_acq.storage.run import RunRecord


def volume_path(data: Path, which: str) -> Path:
    """``reconstruction.h5`` of a run of the data folder, or the file itself.

    Raises
    ------
    StorageError
        When there is no such run, or it has not been reconstructed.
    """
    from xsn_acq.live.volume import FILE_NAME
    from xsn_acq.storage.journal import find_run
    from xsn_acq.storage.layout import DataFolder

    if Path(which).is_file():
        return Path(which)
    folder = DataFolder(data)
    found = find_run(folder.journal, which)
    uid = found.uid
    path = folder.results(found.results_uid) / FILE_NAME
    if not path.is_file():
        raise StorageError(f"volume {path}: not there; of a tomogram, xsn-acq reconstruct {uid[:8]} makes it")
    return path


def record_of(data: Path, volume: Path) -> "RunRecord | None":
    """Run that a volume was made from: of the data folder it lies in, else of ``data``; None if not there."""
    from xsn_acq.live.volume import VolumeFile
    from xsn_acq.storage.journal import find_run
    from xsn_acq.storage.layout import DataFolder
    from xsn_acq.storage.run import RunRecord

    with VolumeFile(volume) as file:
        uid = file.run
    for root in (*volume.absolute().parents[2:3], data):
        if (root / "journal").is_dir():
            try:
                return RunRecord.from_journal(find_run(DataFolder(root).journal, uid).path)
            except StorageError:
                continue
    return None
