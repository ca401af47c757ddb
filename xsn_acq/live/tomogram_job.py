"""The live worker's work on a tomogram: row by row of the ledger, orthoslices, the volume at its end."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from xsn_acq.analysis.orthoslices import Plane
from xsn_acq.analysis.pair_retrieval import PairField
from xsn_acq.analysis.xsn_stream import Preview, Quantity
from xsn_acq.errors import ReconstructionError
from xsn_acq.live.job import Job
from xsn_acq.live.offline import ending, reconstruct
from xsn_acq.live.reconstruction import GrowingReconstruction
from xsn_acq.live.results import ResultPublisher
from xsn_acq.live.scan import good_rows, has_frames, scan_of_run, scan_row
from xsn_acq.live.settings import expected_pairs, xsn_settings
from xsn_acq.live.volume import VolumeFile
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.storage.journal import JournalLine
from xsn_acq.storage.run import Row, RunRecord

LATE_FRAME_S = 10.0
"""How long a frame may be on its way to the file after the run has ended, seconds."""


class TomogramJob(Job):
    """One tomogram, as far as its documents have come.

    An error while the run goes on ends the live view of it; at the run's end the reconstruction is tried
    again from the store.

    Parameters
    ----------
    record : RunRecord
        With its start document.
    folder : Path
        Of the run's results.
    publisher : ResultPublisher
    publish_every_s : float
        Slices are published at most so often, seconds of this machine's clock.

    Raises
    ------
    ReconstructionError
        When the start document does not say what a reconstruction must know.
    """

    stream = "ledger"

    def __init__(
        self, record: RunRecord, folder: Path, publisher: ResultPublisher, *, publish_every_s: float = 1.0
    ) -> None:
        self._pixel_size_m = xsn_settings(record.start).pixel_size_m
        self._every_s = publish_every_s
        self._published_s = -float("inf")
        self._unpublished = False
        self._work: GrowingReconstruction | None = None
        self._stopped_s: float | None = None
        self._failed = False
        super().__init__(record, folder, publisher, expected=expected_pairs(record.start))

    def take(self, line: JournalLine) -> None:
        """Take in a document."""
        super().take(line)
        if line.name == "stop":
            self._stopped_s = time.monotonic()

    def close(self) -> None:
        """Close the files; what was retrieved is in the store."""
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
        self._finish()
        return True

    def _queue(self, rows: Sequence[Row]) -> None:
        if not self._failed:
            super()._queue(good_rows(rows))

    def _frames(self, rows: Sequence[Row]) -> int:
        return len(good_rows(rows))

    def _ready(self) -> bool:
        """Whether darks and flats have come; without flats before, all waits for the end of the run."""
        if self._work is not None:
            return True
        if not all(has_frames(self.record, name) for name in ("darks", "flats", "projections")):
            return False
        self._work = GrowingReconstruction(scan_of_run(self.record), self._folder, self.record)
        self._tell(state="retrieving")
        return True

    def _next_row(self) -> bool:
        """Work on the oldest row; previews are for who is not behind."""
        work, row = self._working(), scan_row(self._rows[0])
        if not work.has_frame(row):
            return self._wait_for_frame(row.index)
        results = work.push(row, preview=len(self._rows) == 1)
        self._rows.popleft()
        self._show(results)
        return True

    def _wait_for_frame(self, index: int) -> bool:
        if self._stopped_s is not None and time.monotonic() - self._stopped_s > LATE_FRAME_S:
            raise ReconstructionError(
                f"run {self.record.uid[:8]}: wanted frame {index} of the ledger, "
                "found none in the file of projections"
            )
        return False

    def _finish(self) -> None:
        """Write the volume; with flats taken after the projections the fields are made anew with both."""
        self._tell(state="volume", pairs=self._pairs)
        if self._work is None or has_frames(self.record, "flats_after"):
            self.close()
            paths = reconstruct(self.record, self._folder)
        else:
            paths = self._work.finish()
        with VolumeFile(paths.volume) as volume:
            summary = volume.summary()
        self.close()
        self.status = replace(self.status, pairs=len(summary.theta_deg))
        self._publish(summary.slices)
        self._tell(**ending(self.record))

    def _fail(self, message: str) -> None:
        again = self._stopped_s is None
        self.close()
        self._rows.clear()
        self._failed = True
        self._tell(state="waiting" if again else "failed", message=message)

    def _show(self, results: Iterable[Preview | PairField]) -> None:
        for result in results:
            if isinstance(result, Preview):
                header = self._header("preview", "phi", "rad")
                self._publisher.send({**header, "theta_deg": result.theta_deg}, result.phi)
            else:
                self._unpublished = True
        self._publish_if_due()

    def _publish_if_due(self) -> None:
        due = time.monotonic() - self._published_s >= self._every_s
        if self._unpublished and due and self._work is not None:
            self._publish(self._work.slices())

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

    def _working(self) -> GrowingReconstruction:
        if self._work is None:
            raise RuntimeError("no reconstruction is open")
        return self._work
