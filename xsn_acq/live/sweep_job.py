"""The live worker's work on a structured-illumination run: maps that refine as patterns arrive."""

import logging
from collections.abc import Sequence

import numpy as np

from xsn_acq.analysis.nxsci.problem import Maps
from xsn_acq.errors import ReconstructionError
from xsn_acq.live.job import Job
from xsn_acq.live.offline import ending
from xsn_acq.live.results import ResultPublisher
from xsn_acq.live.sweep import GrowingSweep
from xsn_acq.live.sweep_dependence import DependenceCurve
from xsn_acq.live.sweep_files import UNIT, conclude_sweep, library_of
from xsn_acq.live.sweep_maps import SweepMaps, make_maps
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import Row, RunRecord

_log = logging.getLogger(__name__)


class SweepJob(Job):
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

    stream = "points"

    def __init__(self, record: RunRecord, data: DataFolder, publisher: ResultPublisher) -> None:
        self._data = data
        self._work = GrowingSweep(record, library_of(record, data))
        self._curve: DependenceCurve | None = None
        self._maps: Maps | None = None
        expected = int(record.start["acquisition"]["patterns"])
        super().__init__(record, data.results(record.uid), publisher, expected=expected)

    def close(self) -> None:
        """Close the files."""
        self._work.close()

    def _work_on(self) -> bool:
        """Work on the patterns that have come, or end."""
        if self._rows:
            self._work.push(self._queued())
        over = self.record.complete  # its files are closed: what cannot be read now never can
        if (over or self._work.ready()) and self._work.settle(final=over):
            self._refine()
            return True
        if over:
            self._finish()
        return over

    def _frames(self, rows: Sequence[Row]) -> int:
        return sum(row["status"] == "ok" for row in rows)

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
