"""The journal: every document of every run, one JSON line each, one append-only file per run.

The journal is the truth about a run; the catalogue can always be made again from it.
A line is ``{"name": ..., "doc": ...}``, written with one system call before the next document is looked at.
"""

import fcntl
import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xsn_acq.errors import StorageError
from xsn_acq.storage.layout import results_uid, short_uid
from xsn_acq.storage.lines import JournalLine, decode, encode

SUFFIX = ".jsonl"
FILE_NAME = re.compile(r"\d{8}T\d{6}Z_[0-9A-Za-z-]{8}\.jsonl")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunSummary:
    """What a list of runs shows.

    Parameters
    ----------
    uid : str
        The run's uid.
    path : Path
        Its journal file.
    start_time : float
        Unix time of the start document, seconds.
    plan_name : str
        Name of the plan; empty when the start document has none.
    complete : bool
        Whether the journal ends with a stop document.
    exit_status : str
        ``success``, ``abort``, ``fail``; empty when not complete.
    reason : str
        Why it ended so, in one line; empty when there is nothing to tell.
    hyperspectral : dict
        Of which hyperspectral scan it is a part, and which; empty for other runs.
    speckle : dict
        Of which series of diffuser positions it is a part, and which; empty for other runs.
    """

    uid: str
    path: Path
    start_time: float
    plan_name: str
    complete: bool
    exit_status: str = ""
    reason: str = ""
    hyperspectral: dict[str, Any] = field(default_factory=dict)
    speckle: dict[str, Any] = field(default_factory=dict)

    @property
    def results_uid(self) -> str:
        """Under which uid its results lie, see `xsn_acq.storage.layout.results_uid`."""
        return results_uid({"uid": self.uid, "speckle": self.speckle})

    @property
    def part(self) -> dict[str, Any]:
        """Its entry about the series it is of, whatever kind that is; empty for other runs."""
        return self.hyperspectral or self.speckle


class Journal:
    """A bluesky callback that keeps every document: ``RE.subscribe(Journal(folder))``.

    Parameters
    ----------
    folder : Path
        Where the files go; one per run, named by start time (UTC) and short uid, never overwritten.
    on_line : callable, optional
        Called with each `JournalLine` after it is written (the feed). What it raises is logged,
        and goes no further.

    Raises
    ------
    StorageError
        From the call, when a document cannot be written or belongs to no open run: a run that
        cannot be recorded must not go on.
    """

    def __init__(self, folder: Path, *, on_line: Callable[[JournalLine], None] | None = None) -> None:
        self._folder = Path(folder)
        self._on_line = on_line
        self._open: dict[str, _RunFile] = {}
        self._run_of: dict[str, str] = {}

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        """Write one document."""
        if name == "start":
            self._open[doc["uid"]] = _RunFile(self._folder, doc)
        run = self._run(name, doc)
        line = self._open[run].write(name, doc)
        if name == "stop":
            self._forget(run)
        if self._on_line is not None:
            try:
                self._on_line(line)
            except Exception:
                _log.exception("a follower of the journal failed; the run goes on")

    def close(self) -> None:
        """Close the files of runs that have no stop document yet."""
        for run in list(self._open):
            self._forget(run)

    def _run(self, name: str, doc: dict[str, Any]) -> str:
        """Uid of the run a document belongs to."""
        if name == "start":
            run = doc["uid"]
        elif "run_start" in doc:
            run = doc["run_start"]
        else:
            run = self._run_of.get(doc.get("descriptor") or doc.get("resource") or "", "")
        if run not in self._open:
            raise StorageError(f"journal {self._folder}: a {name} document belongs to no open run")
        if name in ("descriptor", "resource"):
            self._run_of[doc["uid"]] = run
        return str(run)

    def _forget(self, run: str) -> None:
        self._open.pop(run).close()
        self._run_of = {uid: owner for uid, owner in self._run_of.items() if owner != run}


class _RunFile:
    """The open journal file of one run."""

    def __init__(self, folder: Path, start: dict[str, Any]) -> None:
        moment = datetime.fromtimestamp(start["time"], UTC).strftime("%Y%m%dT%H%M%SZ")
        self.path = folder / f"{moment}_{short_uid(start['uid'])}{SUFFIX}"
        self._offset = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with this process, however it ends
        except FileExistsError as error:
            raise StorageError(f"journal {self.path}: exists already and is never overwritten") from error
        except OSError as error:
            raise StorageError(f"journal {self.path}: cannot be made: {error.strerror}") from error

    def write(self, name: str, doc: dict[str, Any]) -> JournalLine:
        """Append one line; a line that does not fit whole is taken back."""
        line = encode(name, doc)
        start = self._offset
        try:
            done = 0
            while done < len(line):
                done += os.write(self._file, line[done:])
            if name in ("start", "stop"):
                os.fsync(self._file)
                if name == "start":
                    _sync_folder(self.path.parent)
        except OSError as error:
            os.ftruncate(self._file, start)
            raise StorageError(
                f"journal {self.path}: a {name} document cannot be written: {error.strerror}; free disk space"
            ) from error
        self._offset = start + len(line)
        return JournalLine(self.path, start, self._offset, name, doc, line)

    def close(self) -> None:
        os.close(self._file)


def _sync_folder(folder: Path) -> None:
    """Make a new file's name last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_journal(path: Path, offset: int = 0) -> Iterator[JournalLine]:
    """Documents of one journal file, from a line's ``offset`` on.

    Stops before a last line that is half written.

    Raises
    ------
    StorageError
        When the file cannot be read, or a line that is not the last is no document.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            file.seek(offset)
            for raw in file:
                if not raw.endswith(b"\n"):
                    return
                line = decode(path, offset, raw)
                if line is None:
                    if any(rest.endswith(b"\n") for rest in file):
                        raise StorageError(
                            f"journal {path}: byte {offset}: not a document; the file is damaged"
                        )
                    return
                yield line
                offset = line.end
    except OSError as error:
        raise StorageError(f"journal {path}: cannot be read: {error.strerror}") from error


def is_being_written(path: Path) -> bool:
    """Whether the session that writes a journal file is alive and has the run open."""
    try:
        with Path(path).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        raise StorageError(f"journal {path}: cannot be read: {error.strerror}") from error
    return False


def journal_files(folder: Path) -> list[Path]:
    """Journal files of a folder, oldest first (their names carry the time)."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if FILE_NAME.fullmatch(entry.name))
    return [Path(folder) / name for name in names]


def list_runs(folder: Path) -> list[RunSummary]:
    """List the runs of a journal folder, oldest first; a file without a whole start document is left out."""
    summaries = (_summary(path) for path in journal_files(folder))
    return sorted((run for run in summaries if run is not None), key=lambda run: run.start_time)


def _summary(path: Path) -> RunSummary | None:
    with path.open("rb") as file:
        first = decode(path, 0, file.readline())
        last = decode(path, 0, _last_whole_line(file))
    if first is None or first.name != "start":
        return None
    stop = last.doc if last is not None and last.name == "stop" else None
    return RunSummary(
        uid=first.doc["uid"],
        path=path,
        start_time=float(first.doc["time"]),
        plan_name=str(first.doc.get("plan_name", "")),
        complete=stop is not None,
        exit_status=str(stop.get("exit_status", "")) if stop else "",
        reason=" ".join(str(stop.get("reason") or "").split()) if stop else "",
        hyperspectral=first.doc.get("hyperspectral") or {},
        speckle=first.doc.get("speckle") or {},
    )


def _last_whole_line(file: Any) -> bytes:
    """Last line of an open file that ends in a newline; blocks are read from the end."""
    size = file.seek(0, os.SEEK_END)
    block = 4096
    while True:
        start = max(0, size - block)
        file.seek(start)
        whole = file.read(size - start).rpartition(b"\n")[0]
        _, found, line = whole.rpartition(b"\n")
        if found or start == 0:
            return bytes(line) + b"\n"
        block *= 4


def find_run(folder: Path, which: str = "last") -> RunSummary:
    """One run by ``"last"`` or by the beginning of its uid.

    The uid of a series of diffuser positions, whose runs stand for each other, stands for its last run.

    Raises
    ------
    StorageError
        When there is none, or more than one.
    """
    runs = list_runs(folder)
    if which == "last":
        found = runs[-1:]
    else:
        found = [run for run in runs if run.uid.startswith(which)] if which else []
        found = found or _of_series(runs, which)
    if len(found) == 1:
        return found[0]
    many = ", ".join(run.uid[:13] for run in found[:5])
    what = (
        f"{len(found)} runs begin so ({many}); give more of the uid" if found else f"none of {len(runs)} runs"
    )
    raise StorageError(f"run {which!r} in {folder}: wanted one run, found {what}; xsn-acq runs lists them")


def _of_series(runs: list[RunSummary], which: str) -> list[RunSummary]:
    """The last run of each series of diffuser positions whose uid begins so."""
    last = {str(run.speckle["series"]): run for run in runs if run.speckle.get("series")}
    return [run for series, run in last.items() if which and series.startswith(which)]
