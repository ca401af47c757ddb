"""Where everything of one data folder lies.

::

    <root>/journal/20261102T093000Z_1a2b3c4d.jsonl     documents, one file per run
    <root>/frames/2026-11-02/1a2b3c4d/<stream>.h5      frames, written once by the camera's file writer
    <root>/results/1a2b3c4d/                           reconstruction of a run or of a series of runs
    <root>/calibrations/<beamline>/                    what calibrations have measured, a dated file each
    <root>/catalogue/                                  the embedded Tiled catalogue
    <root>/exports/1a2b3c4d.nx                         files that other programs open
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from xsn_acq.errors import StorageError

_UID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{7,63}")


def short_uid(run_uid: str) -> str:
    """First eight characters of a run's uid, which name its files.

    Raises
    ------
    StorageError
        When ``run_uid`` is not a uid: no path may leave the data folder.

    >>> short_uid("1a2b3c4d-0000-4000-8000-000000000000")
    '1a2b3c4d'
    """
    if not _UID.fullmatch(run_uid):
        raise StorageError(f"run uid: wanted 8 to 64 letters, digits and hyphens, found {run_uid[:80]!r}")
    return run_uid[:8]


def results_uid(start: Mapping[str, Any]) -> str:
    """Under which uid the results of a run lie: positions of one speckle series have theirs together.

    >>> results_uid({"uid": "a", "speckle": {"series": "s"}}), results_uid({"uid": "a"})
    ('s', 'a')
    """
    return str((start.get("speckle") or {}).get("series") or start["uid"])


@dataclass(frozen=True)
class DataFolder:
    """One data folder; its own folders are made when first asked for.

    Parameters
    ----------
    root : Path
        Any folder; made absolute, because documents carry absolute paths.
    """

    root: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root).expanduser().absolute())

    def require_writable(self) -> None:
        """Refuse a folder that cannot be written, before anything is measured.

        Raises
        ------
        StorageError
            With the place and the reason.
        """
        for folder in (self.journal, self.frames_root, self._made("logs")):
            try:
                with TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                raise StorageError(
                    f"data folder {folder}: cannot be written: {error.strerror}; choose another with --data"
                ) from error

    def _made(self, *parts: str) -> Path:
        path = self.root.joinpath(*parts)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"data folder {path}: cannot be made: {error.strerror}; choose another with --data"
            ) from error
        return path

    @property
    def journal(self) -> Path:
        """Folder of the journal: one file of documents per run."""
        return self._made("journal")

    @property
    def catalogue(self) -> Path:
        """Folder of the embedded catalogue."""
        return self._made("catalogue")

    @property
    def calibrations(self) -> Path:
        """Folder of the calibrations, one folder in it for each beamline (made when one is stored)."""
        return self.root / "calibrations"

    @property
    def exports(self) -> Path:
        """Folder of the files that other programs open."""
        return self._made("exports")

    @property
    def frames_root(self) -> Path:
        """Folder below which every frame file lies."""
        return self._made("frames")

    def frames_of_day(self, day: date | datetime) -> Path:
        """Folder of one day's frames; a plan adds the run's short uid, and the file writer makes it."""
        return self._made("frames", day.strftime("%Y-%m-%d"))

    def frames(self, run_uid: str, day: date | datetime) -> Path:
        """Folder of one run's frames (not made: the file writer makes it)."""
        return self.frames_of_day(day) / short_uid(run_uid)

    def results(self, run_uid: str) -> Path:
        """Folder of one run's reconstruction."""
        return self._made("results", short_uid(run_uid))
