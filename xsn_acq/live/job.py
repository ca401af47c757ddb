"""What the live worker's work on a run has in common: rows queue up, are worked on, and the state is told."""

import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import ClassVar

from xsn_acq.closing import Closing
from xsn_acq.errors import StorageError, XsnError
from xsn_acq.live.results import ResultPublisher, Status, write_status
from xsn_acq.storage.journal import JournalLine
from xsn_acq.storage.run import Row, RunRecord, rows_of

_log = logging.getLogger(__name__)


class Job(Closing, ABC):
    """One run, as far as its documents have come.

    Whatever error there is ends the work on this run, or puts it off; the worker goes on to others.

    Parameters
    ----------
    record : RunRecord
        With its start document.
    folder : Path
        Of the run's results.
    publisher : ResultPublisher
    expected : int
        Pairs, energies or patterns when the run is complete.
    """

    stream: ClassVar[str]
    """The stream whose rows are worked on."""
    remedy: ClassVar[str] = "xsn-acq reconstruct"
    """The command that makes of an interrupted run what it can."""

    def __init__(self, record: RunRecord, folder: Path, publisher: ResultPublisher, *, expected: int) -> None:
        self.record = record
        self._folder, self._publisher = folder, publisher
        self._rows: deque[Row] = deque()
        self.status = Status(record.uid, expected_pairs=expected)
        self._tell()

    @property
    def ended(self) -> bool:
        """Whether the work on the run is over."""
        return self.status.ended

    def take(self, line: JournalLine) -> None:
        """Take in a document."""
        self.record.add_line(line)
        if line.name in ("event", "event_page") and self.record.stream_name(line.doc) == self.stream:
            rows = list(rows_of(line.name, line.doc))
            self._queue(rows)
            self.status = replace(self.status, frames=self.status.frames + self._frames(rows))

    def step(self) -> bool:
        """Do one piece of work, or end; False when there is nothing to do now."""
        if self.ended:
            return False
        try:
            return self._work_on()
        except Exception as error:  # whatever it is, the worker goes on
            expected = isinstance(error, XsnError | OSError)
            message = str(error) if expected else f"{type(error).__name__}: {error}"
            _log.error("%s", message, exc_info=not expected)
            self._fail(message)
        return True

    def abandon(self) -> None:
        """Stop working on a run that was interrupted: it will get no more documents."""
        if not self.ended:
            self.close()
            message = f"the run was interrupted; {self.remedy} makes of it what it can"
            self._tell(state="partial", message=message)

    @abstractmethod
    def _work_on(self) -> bool:
        """Do one piece of work, or end; False when there is nothing to do now."""

    @abstractmethod
    def _frames(self, rows: Sequence[Row]) -> int:
        """How many good frames rows announce."""

    def _queue(self, rows: Sequence[Row]) -> None:
        self._rows.extend(rows)

    def _queued(self) -> list[Row]:
        """All rows that have come and were not worked on; they count as worked on now."""
        rows = list(self._rows)
        self._rows.clear()
        return rows

    def _fail(self, message: str) -> None:
        self.close()
        self._tell(state="failed", message=message)

    def _tell(self, **changes: object) -> None:
        """Say how far the work is, in ``live.json`` and to whoever listens."""
        self.status = replace(self.status, **{"behind": len(self._rows), **changes})  # type: ignore[arg-type]
        self._publisher.send({"kind": "status", **asdict(self.status)})
        try:
            write_status(self._folder, self.status)
        except StorageError as error:
            _log.error("%s", error)
