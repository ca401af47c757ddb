"""The live worker's work on a structured-illumination run: maps that refine as patterns arrive."""

import logging
from dataclasses import asdict, replace

import numpy as np

from xsn_acq.analysis.nxsci.problem import Maps
from xsn_acq.errors import ReconstructionError, StorageError, XsnError
from xsn_acq.live.offline import ending
from xsn_acq.live.results import ResultPublisher, Status, write_status
from xsn_acq.live.sweep import GrowingSweep
from xsn_acq.live.sweep_dependence import DependenceCurve
from xsn_acq.live.sweep_files import UNIT, conclude_sweep, library_of
from xsn_acq.live.sweep_maps import SweepMaps, make_maps
from xsn_acq.storage.journal import JournalLine
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import Row, RunRecord, rows_of

_log = logging.getLogger(__name__)


class SweepJob:
    """One structured-illumination run, as far as its documents have come.

    ``pairs`` and ``expected_pairs`` of its status count patterns; those taken again for reference are none.

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
        self._work = GrowingSweep(record, library_of(record, data))
        self._curve: DependenceCurve | None = None
        self._maps: Maps | None = None
        self.status = Status(record.uid, expected_pairs=int(record.start["acquisition"]["patterns"]))
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
            good = sum(row["status"] == "ok" for row in rows)
            self.status = replace(self.status, frames=self.status.frames + good)

    def step(self) -> bool:
        """Work on the patterns that have come, or end; False when there is nothing to do now."""
        if self.ended:
            return False
        try:
            if self._rows:
                rows, self._rows = self._rows, []
                self._work.push(rows)
            over = self.record.complete  # its files are closed: what cannot be read now never can
            if (over or self._work.ready()) and self._work.settle(final=over):
                self._refine()
                return True
            if not over:
                return False
            self._finish()
        except Exception as error:  # whatever it is: this run's work ends, the worker goes on
            expected = isinstance(error, XsnError | OSError)
            message = str(error) if expected else f"{type(error).__name__}: {error}"
            _log.error("%s", message, exc_info=not expected)
            self.close()
            self._tell(state="failed", message=message)
        return True

    def abandon(self) -> None:
        """Stop working on a run that was interrupted: it will get no more documents."""
        if not self.ended:
            self.close()
            self._tell(
                state="partial",
                message="the run was interrupted; xsn-acq reconstruct makes of it what it can",
            )

    def close(self) -> None:
        """Close the files."""
        self._work.close()

    def _refine(self) -> None:
        """Solve with all patterns there are, from the maps of fewer, and publish."""
        self._tell(state="retrieving", pairs=self._work.patterns)
        try:
            found = make_maps(self._work, self._maps)
        except ReconstructionError as error:  # too few good patterns yet
            _log.info("%s", error)
            return
        self._maps = found.maps
        self._show(found)

    def _show(self, found: SweepMaps) -> None:
        """Publish maps, TXM image, the fitted spectrum and the dependence of the patterns."""
        head: dict[str, object] = {
            "run": self.record.uid,
            "patterns": len(found.sweep.patterns),
            "pixel_size_m": self._work.pixel_size_m,
        }
        for element, values in zip(found.elements, found.maps.values, strict=True):
            self._publisher.send({**head, "kind": "map", "quantity": element, "unit": UNIT}, values)
        self._publisher.send(
            {**head, "kind": "map", "quantity": "transmission", "unit": ""}, found.guide.transmission
        )
        total, fitted, energies_kev = self._work.summed_fit()
        self._publisher.send(
            {**head, "kind": "spectrum", "quantity": "fluorescence", "region": "all", "unit": "counts"},
            np.stack([energies_kev, total, fitted]),
        )
        curve = self._dependence(found)
        points = [[point.patterns, point.signed, point.absolute] for point in curve.points]
        header = {**head, "kind": "curve", "quantity": "dependence", "unit": ""}
        self._publisher.send(header, np.array(points, float).reshape(-1, 3).T)

    def _dependence(self, found: SweepMaps) -> DependenceCurve:
        if self._curve is None:
            self._curve = DependenceCurve(found.sweep.shape)
        self._curve.push(self._work.used, found.sweep.patterns)
        return self._curve

    def _finish(self) -> None:
        self._tell(state="volume", pairs=self._work.patterns)
        found = make_maps(self._work, self._maps, final=True)
        curve = self._dependence(found)
        for line in conclude_sweep(self._work, found, curve, self._data).lines:
            _log.info("%s", line)
        self.close()
        self._tell(**ending(self.record))

    def _tell(self, **changes: object) -> None:
        """Say how far the work is, in ``live.json`` and to whoever listens."""
        self.status = replace(self.status, **{"behind": len(self._rows), **changes})  # type: ignore[arg-type]
        self._publisher.send({"kind": "status", **asdict(self.status)})
        try:
            write_status(self._folder, self.status)
        except StorageError as error:
            _log.error("%s", error)
