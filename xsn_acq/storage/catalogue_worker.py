"""A process of its own that keeps the catalogue level with the journal.

It may be killed at any time: what it left half done is taken out and entered anew; the journal has it all.
"""

import fcntl
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xsn_acq.errors import StorageError
from xsn_acq.storage.catalogue import RunWriter, insert, is_catalogued, opened_catalogue
from xsn_acq.storage.feed import Follower
from xsn_acq.storage.journal import RunSummary, is_being_written, list_runs
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.lines import JournalLine

_log = logging.getLogger(__name__)


def follow(
    root: Path,
    address: str | None = None,
    *,
    once: bool = False,
    one_run: bool = False,
    since: float | None = None,
    stop: threading.Event | None = None,
    to_the_end: bool = False,
) -> None:
    """Bring the catalogue level with the journal, then follow the runs that go on.

    Parameters
    ----------
    root : Path
        The data folder.
    address : str, optional
        Where the session publishes; without it the journal folder alone is watched.
    once : bool
        Bring it level and return; a run that is being written is left for later.
    one_run : bool
        Return when a run that started at or after ``since`` has been entered to its end.
    since : float, optional
        Unix time in seconds; default: any run that was not in the catalogue before.
    stop : threading.Event, optional
        Return soon after it is set.
    to_the_end : bool
        When ``stop`` is set, first enter every run that has ended by then.

    Raises
    ------
    StorageError
        When the catalogue cannot be opened; with ``once``, ``one_run`` or ``to_the_end``, when a run could
        not be entered.

    Notes
    -----
    One process at a time writes to a catalogue; a second one leaves the work to the first and returns.
    """
    data = DataFolder(root)
    stop = stop or threading.Event()
    with (data.catalogue / "writer.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.warning("catalogue %s: another process keeps it level; nothing to do", data.catalogue)
            return
        with opened_catalogue(data.root) as catalogue:
            if once:
                level(catalogue, data.journal)
                return
            strict = one_run or to_the_end
            worker = _Worker(catalogue, since if strict and since is not None else 0.0)
            with Follower(data.journal, address) as follower:
                worker.follow(follower, data.journal, stop, one_run=one_run, to_the_end=to_the_end)
            if strict and worker.fault:
                raise StorageError(worker.fault)


def level(catalogue: Any, journal: Path) -> int:
    """Enter every run that has ended and is not there whole; how many there were.

    Raises
    ------
    StorageError
        When some could not be entered; the others are.
    """
    entered, faults = 0, []
    for run in list_runs(journal):
        if not run.complete and is_being_written(run.path):
            continue
        try:
            entered += insert(catalogue, run.path)
        except StorageError as error:
            faults.append(str(error))
    if faults:
        raise StorageError("; ".join(faults))
    return entered


class _Worker:
    """Runs that are being entered.

    ``entered`` once a run that started at or after ``since`` is whole, ``fault`` when it cannot be.
    """

    def __init__(self, catalogue: Any, since: float) -> None:
        self.entered = False
        self.fault = ""
        self._catalogue = catalogue
        self._since = since
        self._writers: dict[Path, RunWriter | None] = {}
        self._started: dict[Path, float] = {}

    def follow(
        self, follower: Follower, journal: Path, stop: threading.Event, *, one_run: bool, to_the_end: bool
    ) -> None:
        """Level first, then each document as it comes; see `follow`."""
        self.level(list_runs(journal))
        while not stop.is_set() and not (one_run and (self.entered or self.fault)):
            self.turn(follower)
        if to_the_end:
            while self.turn(follower):
                pass
            self.level(list_runs(journal))

    def level(self, runs: list[RunSummary]) -> None:
        """Enter what ended before; a run that fails is logged and passed over."""
        for run in runs:
            if run.complete or not is_being_written(run.path):
                self._insert(run.path, run.start_time)

    def turn(self, follower: Follower) -> bool:
        """Take the next documents, or see whether a session has died; whether there were any."""
        silent = [path for path in self._writers if not is_being_written(path)]
        lines = follower.poll()
        for line in lines:
            self._take(line)
        if not lines:
            for path in silent:
                self._end(path, stopped=False)
        return bool(lines)

    def _take(self, line: JournalLine) -> None:
        if line.name == "start":
            self._begin(line)
        elif line.path not in self._writers:
            return
        elif (writer := self._writers[line.path]) is not None:
            self._try(line.path, lambda: writer.add(line))
        if line.name == "stop":
            self._end(line.path, stopped=True)

    def _begin(self, line: JournalLine) -> None:
        uid = line.doc["uid"]
        if is_catalogued(self._catalogue, uid, stopped=False):
            return
        self._started[line.path] = float(line.doc["time"])
        self._writers[line.path] = writer = RunWriter(self._catalogue, uid)
        self._try(line.path, lambda: writer.add(line))

    def _end(self, path: Path, *, stopped: bool) -> None:
        """Finish a run; one that the catalogue refused on the way is entered anew from its journal."""
        writer = self._writers.get(path)
        if writer is not None and not stopped:
            self._try(path, writer.interrupt)
        whole = self._writers.pop(path, None) is not None
        started = self._started.pop(path, None)
        if started is None:
            return
        if whole:
            self._note(started)
        else:
            self._insert(path, started)

    def _try(self, path: Path, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception:
            _log.exception("the catalogue refused a document of %s; the run is entered anew at its end", path)
            self._writers[path] = None

    def _insert(self, path: Path, started: float) -> None:
        try:
            if insert(self._catalogue, path):
                self._note(started)
        except StorageError as error:
            _log.error("%s", error)
            self.fault = str(error) if started >= self._since else self.fault

    def _note(self, started: float) -> None:
        self.entered = self.entered or started >= self._since
