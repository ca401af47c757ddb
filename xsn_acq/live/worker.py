"""The live worker: follows the documents of runs, reconstructs each while it goes on, its volume at the end.

It may lag, be killed and be started again at any time: the journal tells it what happened meanwhile, the
store of fields what it had done. It commands nothing.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from xsn_acq.errors import ReconstructionError, XsnError
from xsn_acq.live.energy_job import EnergyJob
from xsn_acq.live.energy_stack import is_energy_scan
from xsn_acq.live.hyperspectral import publish_spectra
from xsn_acq.live.job import Job
from xsn_acq.live.results import ResultPublisher, Status, read_status
from xsn_acq.live.settings import is_rest, is_xsn
from xsn_acq.live.speckle_job import SpeckleJob
from xsn_acq.live.speckle_scan import is_speckle
from xsn_acq.live.sweep import is_sweep, shows_sample
from xsn_acq.live.sweep_job import SweepJob
from xsn_acq.live.tomogram_job import TomogramJob
from xsn_acq.storage.feed import Follower
from xsn_acq.storage.journal import JournalLine, RunSummary, is_being_written, list_runs, read_journal
from xsn_acq.storage.layout import DataFolder, short_uid
from xsn_acq.storage.run import RunRecord

_LATE_S = 0.1
"""Time between two looks for a frame that is not in its file yet, seconds."""

_log = logging.getLogger(__name__)


class LiveWorker:
    """Reconstructs runs as they are measured.

    Parameters
    ----------
    data : DataFolder
        Where the journal is and results go.
    documents : str or None
        Address at which the session publishes; None: the journal folder alone is watched.
    results : str or None
        Address at which live results are published; None: they go to files only.
    publish_every_s : float
        Slices are published at most so often, seconds.
    """

    def __init__(
        self,
        data: DataFolder,
        documents: str | None,
        results: str | None = None,
        *,
        publish_every_s: float = 1.0,
    ) -> None:
        self._data = data
        self._documents = documents
        self._results = results
        self._every_s = publish_every_s
        self._jobs: dict[Path, Job] = {}
        self._over = False
        self._failures: list[str] = []

    def run(
        self,
        stop: threading.Event | None = None,
        *,
        one_run: bool = False,
        since: float | None = None,
        to_the_end: bool = False,
    ) -> None:
        """Work until ``stop`` is set; with ``one_run`` until one run has ended and been reconstructed.

        Without both, runs that an earlier worker left unfinished are finished first. With ``one_run``, the
        run may have ended before this worker listened: it counts if it started at unix time ``since`` or
        later. With ``to_the_end``, all that began before ``stop`` is set is reconstructed, runs since
        ``since`` that ended before this worker listened too.

        Raises
        ------
        ReconstructionError
            With ``one_run`` or ``to_the_end``, when a reconstruction failed.
        StorageError
            When an address cannot be used, or the journal is damaged.
        """
        stop = stop or threading.Event()
        with (
            Follower(self._data.journal, self._documents) as follower,
            ResultPublisher(self._results) as publisher,
        ):
            try:
                if not (one_run or to_the_end):
                    self._finish(self._left, publisher, stop)
                elif one_run and since is not None:
                    self._finish(lambda run: run.start_time >= since, publisher, stop)
                while not (stop.is_set() or (one_run and self._over)):
                    self._turn(follower, publisher, one_run=one_run, since=since)
                if to_the_end:
                    self._end(follower, publisher, since)
            finally:
                for job in self._jobs.values():
                    job.close()

    def _end(self, follower: Follower, publisher: ResultPublisher, since: float | None) -> None:
        """Do all that there is to do, and say what failed."""
        while self._turn(follower, publisher, one_run=False, since=since) or self._jobs:
            pass
        if since is not None:
            self._finish(
                lambda run: run.start_time >= since and not self._done(run), publisher, threading.Event()
            )
        if self._failures:
            raise ReconstructionError("; ".join(self._failures))

    def _turn(
        self, follower: Follower, publisher: ResultPublisher, *, one_run: bool, since: float | None
    ) -> bool:
        """One piece of work for each run, then the documents that have come; whether there was anything."""
        busy = sum(job.step() for job in self._jobs.values()) > 0
        for path, job in list(self._jobs.items()):
            if job.ended:
                del self._jobs[path]
                recent = since is not None and float(job.record.start["time"]) >= since
                self._over = self._over or job.record.complete or recent
                self._note(job, publisher)
                if one_run and self._failures:
                    raise ReconstructionError(self._failures[0])
        silent = [path for path in self._jobs if not is_being_written(path)]
        lines = follower.poll(0.0 if busy else None)
        for line in lines:
            self._take(line, publisher, one_run=one_run)
        if not (busy or lines):
            for path in silent:
                self._abandon(self._jobs[path])
        return bool(busy or lines)

    def _note(self, job: Job, publisher: ResultPublisher) -> None:
        if job.status.state == "failed":
            self._failures.append(job.status.message)
            return
        try:
            publish_spectra(job.record.start, self._data, publisher)
        except (XsnError, OSError) as error:
            _log.error("%s", error)

    @staticmethod
    def _abandon(job: Job) -> None:
        """Stop work on a run whose session has died; one with its stop document comes to its own end."""
        if not job.record.complete:
            job.abandon()

    def _take(self, line: JournalLine, publisher: ResultPublisher, *, one_run: bool) -> None:
        if line.name == "start":
            self._begin(line, publisher, one_run=one_run)
        elif line.path in self._jobs:
            self._jobs[line.path].take(line)
        elif line.name == "stop":
            self._over = True

    def _begin(self, line: JournalLine, publisher: ResultPublisher, *, one_run: bool) -> None:
        """Start work on a run. One that is still open was interrupted: a session has one run at a time.

        A run that cannot be reconstructed stops no worker that others may still come to.
        """
        for job in self._jobs.values():
            self._abandon(job)
        if not _is_ours(line.doc):
            return
        try:
            self._jobs[line.path] = self._job(line, publisher)
        except XsnError as error:
            if one_run:
                raise
            _log.error("%s", error)
            self._failures.append(str(error))

    def _job(self, line: JournalLine, publisher: ResultPublisher) -> Job:
        record = RunRecord.from_documents([(line.name, line.doc)])
        if is_energy_scan(line.doc):
            return EnergyJob(record, self._data, publisher)
        if is_sweep(line.doc):
            return SweepJob(record, self._data, publisher)
        if is_speckle(line.doc):
            return SpeckleJob(record, self._data, publisher, publish_every_s=self._every_s)
        folder = self._data.results(record.uid)
        return TomogramJob(record, folder, publisher, publish_every_s=self._every_s)

    def _finish(
        self, wanted: Callable[[RunSummary], bool], publisher: ResultPublisher, stop: threading.Event
    ) -> None:
        """Reconstruct the wanted ones of the runs that have ended."""
        for run in list_runs(self._data.journal):
            if run.complete and wanted(run) and not stop.is_set():
                self._finish_one(run, publisher, stop)
                self._over = True

    def _left(self, run: RunSummary) -> bool:
        """Whether an earlier worker began with a run and did not come to its end."""
        status = self._status(run)
        return status is not None and not status.ended

    def _done(self, run: RunSummary) -> bool:
        status = self._status(run)
        return status is not None and status.ended

    def _status(self, run: RunSummary) -> Status | None:
        return read_status(self._data.root / "results" / short_uid(run.uid))

    def _finish_one(self, run: RunSummary, publisher: ResultPublisher, stop: threading.Event) -> None:
        job: Job | None = None
        for line in read_journal(run.path):
            if job is not None:
                job.take(line)
            elif _is_ours(line.doc):
                job = self._job(line, publisher)
            else:
                return
        while job is not None and not job.ended and not stop.is_set():
            if not job.step():
                stop.wait(_LATE_S)
        if job is not None:
            self._note(job, publisher)
            job.close()


def _is_ours(start: Mapping[str, Any]) -> bool:
    """Whether a run is worked on here, alone."""
    if is_energy_scan(start) or shows_sample(start) or is_speckle(start):
        return True
    return is_xsn(start) and not is_rest(start)
