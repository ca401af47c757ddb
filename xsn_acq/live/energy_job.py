"""The live worker's work on an energy scan: spectra at each energy, stack and edge map at the end."""

import logging
from dataclasses import asdict, replace

from xsn_acq.errors import StorageError, XsnError
from xsn_acq.live.energy_images import has_darks
from xsn_acq.live.energy_scan import conclude, spectra_of
from xsn_acq.live.energy_stack import GrowingStack
from xsn_acq.live.offline import ending
from xsn_acq.live.results import ResultPublisher, Status, write_status
from xsn_acq.live.spectra import REGIONS_NAME
from xsn_acq.storage.journal import JournalLine
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import Row, RunRecord, rows_of

_log = logging.getLogger(__name__)


class EnergyJob:
    """One energy scan, as far as its documents have come.

    ``pairs`` and ``expected_pairs`` of its status count energies.

    Parameters
    ----------
    record : RunRecord
        With its start document.
    data : DataFolder
        Results and exports go here.
    publisher : ResultPublisher
    """

    def __init__(self, record: RunRecord, data: DataFolder, publisher: ResultPublisher) -> None:
        self.record = record
        self._data, self._publisher = data, publisher
        self._folder = data.results(record.uid)
        self._rows: list[Row] = []
        self._work: GrowingStack | None = None
        self._regions_s = 0.0
        energies = {round(float(e), 3) for e in record.start["acquisition"]["energies_ev"]}
        self.status = Status(record.uid, expected_pairs=len(energies))
        self._tell()

    @property
    def ended(self) -> bool:
        """Whether the work on the run is over."""
        return self.status.ended

    def take(self, line: JournalLine) -> None:
        """Take in a document."""
        self.record.add_line(line)
        if line.name in ("event", "event_page") and self.record.stream_name(line.doc) == "points":
            rows = list(rows_of(line.name, line.doc))
            self._rows += rows
            frames = sum(int(row["frames"]) for row in rows if row["status"] == "ok")
            self.status = replace(self.status, frames=self.status.frames + frames)

    def step(self) -> bool:
        """Work on the points that have come, or end; False when there is nothing to do now."""
        if self.ended:
            return False
        try:
            if self._rows and has_darks(self.record):
                self._push()
                return True
            if not self.record.complete:
                return self._regions_changed() and self._show()
            self._finish()
        except (XsnError, OSError) as error:
            _log.error("%s", error)
            self.close()
            self._tell(state="failed", message=str(error))
        return True

    def abandon(self) -> None:
        """Stop working on a run that was interrupted: it will get no more documents."""
        if not self.ended:
            self.close()
            self._tell(
                state="partial", message="the run was interrupted; xsn-acq spectra makes of it what it can"
            )

    def close(self) -> None:
        """Close the files."""
        if self._work is not None:
            self._work.close()
            self._work = None

    def _push(self) -> None:
        if self._work is None:
            self._work = GrowingStack(self.record, self._folder)
            self._tell(state="retrieving")
        rows, self._rows = self._rows, []
        if self._work.push(rows):
            self._show()

    def _show(self) -> bool:
        """Publish the spectra as they are now."""
        if self._work is None or not self._work.known:
            return False
        for spectrum in spectra_of(self._work, self.record, self._folder):
            self._publisher.send(*spectrum.message(self.record.uid))
        self._tell()
        return True

    def _regions_changed(self) -> bool:
        """Whether somebody has chosen other regions since they were last read."""
        path = self._folder / REGIONS_NAME
        changed_s = path.stat().st_mtime if path.exists() else 0.0
        if changed_s == self._regions_s:
            return False
        self._regions_s = changed_s
        return True

    def _finish(self) -> None:
        if self._work is None:
            self._work = GrowingStack(self.record, self._folder)
        self._tell(state="volume")
        conclude(self._work, self.record, self._data)
        pairs = len(self._work.known)
        self.close()
        self._tell(pairs=pairs, **ending(self.record))

    def _tell(self, **changes: object) -> None:
        """Say how far the work is, in ``live.json`` and to whoever listens."""
        pairs = len(self._work.known) if self._work is not None else self.status.pairs
        self.status = replace(self.status, **{"pairs": pairs, "behind": len(self._rows), **changes})  # type: ignore[arg-type]
        self._publisher.send({"kind": "status", **asdict(self.status)})
        try:
            write_status(self._folder, self.status)
        except StorageError as error:
            _log.error("%s", error)
