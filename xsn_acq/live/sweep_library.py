"""Sample-out images of an earlier run, for a sweep that has none of its own."""

from xsn_acq.closing import Closing
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.xspress3 import SCALERS
from xsn_acq.storage.run import RunRecord
from xsn_acq.storage.sweep import SweepReader

_SAME = ("sheets", "lines", "per_line", "settings", "mode", "binning", "roi")
_LARGEST_CHANGE_EV = 1.0


class Library(Closing):
    """Images of a library.

    Attributes
    ----------
    rows : dict of int to row
        Sound rows by pattern.
    dark : (ny, nx)
    exposure_s : float

    Raises
    ------
    ReconstructionError
        Its patterns are others: another grid of places, region, binning or energy.
    """

    def __init__(self, record: RunRecord, library: RunRecord) -> None:
        _check_same(record, library)
        self._reader = SweepReader(library, SCALERS)
        self.rows = {
            int(row["pattern"]): row
            for row in library.rows("points")
            if row["kind"] == "out" and row["status"] == "ok"
        }
        self.dark = self._reader.dark()
        self.exposure_s = float(library.start["acquisition"]["exposure_s"])

    def frames(self, numbers: list[int]) -> FloatArray:
        """Raw frames (n, ny, nx)."""
        return self._reader.frames(numbers)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


def _check_same(record: RunRecord, library: RunRecord) -> None:
    mine, theirs = record.start, library.start
    faults = [name for name in _SAME if mine["params"].get(name) != theirs.get("params", {}).get(name)]
    found_ev = float(theirs.get("acquisition", {}).get("energy_ev", 0.0))
    if abs(mine["acquisition"]["energy_ev"] - found_ev) > _LARGEST_CHANGE_EV:
        faults.append("energy")
    if faults:
        raise ReconstructionError(
            f"run {record.uid[:8]}: wanted a library of the same patterns, found {library.uid[:8]} with "
            f"other {', '.join(faults)}; name another one"
        )
