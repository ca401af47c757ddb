"""The live worker's work on an energy scan: spectra at each energy, stack and edge map at the end."""

from collections.abc import Sequence

from xsn_acq.live.energy_images import has_darks
from xsn_acq.live.energy_scan import conclude, spectra_of
from xsn_acq.live.energy_stack import GrowingStack
from xsn_acq.live.job import Job
from xsn_acq.live.offline import ending
from xsn_acq.live.results import ResultPublisher
from xsn_acq.live.spectra import REGIONS_NAME
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import Row, RunRecord


class EnergyJob(Job):
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

    stream = "points"
    remedy = "xsn-acq spectra"

    def __init__(self, record: RunRecord, data: DataFolder, publisher: ResultPublisher) -> None:
        self._data = data
        self._work: GrowingStack | None = None
        self._regions_s = 0.0
        energies = {round(float(e), 3) for e in record.start["acquisition"]["energies_ev"]}
        super().__init__(record, data.results(record.uid), publisher, expected=len(energies))

    def close(self) -> None:
        """Close the files."""
        if self._work is not None:
            self._work.close()
            self._work = None

    def _work_on(self) -> bool:
        """Work on the points that have come, or end."""
        if self._rows and has_darks(self.record):
            self._push()
            return True
        if not self.record.complete:
            return self._regions_changed() and self._show()
        self._finish()
        return True

    def _frames(self, rows: Sequence[Row]) -> int:
        return sum(int(row["frames"]) for row in rows if row["status"] == "ok")

    def _push(self) -> None:
        if self._work is None:
            self._work = GrowingStack(self.record, self._folder)
            self._tell(state="retrieving")
        if self._work.push(self._queued()):
            self._show()

    def _show(self) -> bool:
        """Publish the spectra as they are now."""
        if self._work is None or not self._work.known:
            return False
        for spectrum in spectra_of(self._work, self.record, self._folder):
            self._publisher.send(*spectrum.message(self.record.uid))
        self._tell(pairs=len(self._work.known))
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
