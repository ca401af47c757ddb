"""Sample-out images of an earlier run, for a sweep that has none of its own."""

from xsn_acq.closing import Closing
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.xspress3 import SCALERS
from xsn_acq.params.library import library_faults
from xsn_acq.storage.run import RunRecord
from xsn_acq.storage.sweep import SweepReader


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
        Its patterns are others, or seen otherwise: see `library_faults`.
    """

    def __init__(self, record: RunRecord, library: RunRecord) -> None:
        faults = library_faults(record.start["params"], record.start["acquisition"], library.start)
        if faults:
            raise ReconstructionError(f"run {record.uid[:8]}: {faults[0]}")
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
