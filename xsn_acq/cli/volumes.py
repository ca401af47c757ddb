"""Volumes named on the command line."""

from pathlib import Path

from xsn_acq.errors import StorageError


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
    uid = find_run(folder.journal, which).uid
    path = folder.results(uid) / FILE_NAME
    if not path.is_file():
        raise StorageError(f"volume {path}: not there; xsn-acq reconstruct {uid[:8]} makes it")
    return path
