"""What the live worker's work on a tomogram has in common: row by row of the ledger, slices that grow."""

import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from xsn_acq.analysis.orthoslices import Plane
from xsn_acq.analysis.xsn_stream import Quantity
from xsn_acq.errors import ReconstructionError
from xsn_acq.live.job import Job
from xsn_acq.live.results import ResultPublisher
from xsn_acq.live.scan import ScanRow, good_rows, has_frames, scan_row
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.storage.journal import JournalLine
from xsn_acq.storage.run import Row, RunRecord

LATE_FRAME_S = 10.0
"""How long a frame may be on its way to the file after the run has ended, seconds."""


class Growing(Protocol):
    """A reconstruction of a run that goes on."""

    @property
    def pairs(self) -> int:
        """Number of fields so far."""

    def has_frame(self, row: ScanRow) -> bool:
        """Whether the frame of a row can be read now."""

    def push(self, row: ScanRow, *, preview: bool = True) -> Sequence[Any]:
        """Take a good projection; what came of it."""

    def slices(self) -> Mapping[Quantity, Mapping[Plane, FloatArray]]:
        """Orthoslices so far."""

    def close(self) -> None:
        """Close the files."""


Work = TypeVar("Work", bound=Growing)


class ProjectionJob(Job, Generic[Work]):
    """One tomogram, as far as its documents have come.

    An error in a projection ends the live view of the run; after its last document the reconstruction is
    tried again.

    Parameters
    ----------
    record, folder, publisher, expected
        See `Job`.
    pixel_size_m : float
        Of what is published.
    publish_every_s : float
        Slices are published at most so often, seconds of this machine's clock.
    """

    stream = "ledger"
    needed: Sequence[str]
    """Streams without which the work cannot begin."""

    def __init__(
        self,
        record: RunRecord,
        folder: Path,
        publisher: ResultPublisher,
        *,
        expected: int,
        pixel_size_m: float,
        publish_every_s: float,
    ) -> None:
        self._pixel_size_m = pixel_size_m
        self._every_s = publish_every_s
        self._published_s = -float("inf")
        self._unpublished = False
        self._work: Work | None = None
        self._stopped_s: float | None = None
        self._failed = self._ending = False
        super().__init__(record, folder, publisher, expected=expected)

    @abstractmethod
    def _begin(self) -> Work:
        """Open the work, now that all that is needed has come."""

    @abstractmethod
    def _take_result(self, result: Any) -> None:
        """Show what came of a projection, or keep in mind that slices have grown."""

    @abstractmethod
    def _finish(self) -> None:
        """Bring the work to its end, after the run's."""

    def take(self, line: JournalLine) -> None:
        """Take in a document."""
        super().take(line)
        if line.name == "stop":
            self._stopped_s = time.monotonic()

    def close(self) -> None:
        """Close the files; what was stored stays."""
        if self._work is not None:
            self._work.close()
            self._work = None

    def _work_on(self) -> bool:
        """Work on a frame, or end."""
        self._publish_if_due()
        if self._rows and self._ready():
            return self._next_row()
        if self._stopped_s is None:
            return False
        self._ending = True
        self._finish()
        return True

    def _queue(self, rows: Sequence[Row]) -> None:
        if not self._failed:
            super()._queue(good_rows(rows))

    def _frames(self, rows: Sequence[Row]) -> int:
        return len(good_rows(rows))

    def _ready(self) -> bool:
        """Whether all that is needed has come; else all waits for the end of the run."""
        if self._work is not None:
            return True
        if not all(has_frames(self.record, name) for name in self.needed):
            return False
        self._work = self._begin()
        self._tell(state="retrieving")
        return True

    def _next_row(self) -> bool:
        """Work on the oldest row; previews are for who is not behind."""
        work, row = self._working(), scan_row(self._rows[0])
        if not work.has_frame(row):
            return self._wait_for_frame(row.index)
        results = work.push(row, preview=len(self._rows) == 1)
        self._rows.popleft()
        for result in results:
            self._take_result(result)
        self._publish_if_due()
        return True

    def _wait_for_frame(self, index: int) -> bool:
        if self._stopped_s is not None and time.monotonic() - self._stopped_s > LATE_FRAME_S:
            raise ReconstructionError(
                f"run {self.record.uid[:8]}: wanted frame {index} of the ledger, "
                "found none in the file of projections"
            )
        return False

    def _fail(self, message: str) -> None:
        again = not self._ending
        self.close()
        self._rows.clear()
        self._failed = True
        self._tell(state="waiting" if again else "failed", message=message)

    def _publish_if_due(self) -> None:
        if self._unpublished and self._due and self._work is not None:
            self._publish(self._work.slices())

    @property
    def _due(self) -> bool:
        return time.monotonic() - self._published_s >= self._every_s

    def _publish(self, slices: Mapping[Quantity, Mapping[Plane, FloatArray]]) -> None:
        for quantity, planes in slices.items():
            for plane, image in planes.items():
                self._publisher.send({**self._header("slice", quantity, ""), "plane": plane}, image)
        self._unpublished = False
        self._published_s = time.monotonic()
        self._tell(pairs=self._pairs)

    def _header(self, kind: str, quantity: str, unit: str) -> dict[str, object]:
        return {
            "kind": kind,
            "run": self.record.uid,
            "quantity": quantity,
            "unit": unit,
            "pixel_size_m": self._pixel_size_m,
            "pairs": self._pairs,
            "expected_pairs": self.status.expected_pairs,
        }

    @property
    def _pairs(self) -> int:
        return self._work.pairs if self._work is not None else self.status.pairs

    def _working(self) -> Work:
        if self._work is None:
            raise RuntimeError("no reconstruction is open")
        return self._work
