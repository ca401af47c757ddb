"""The stack of an energy scan as it grows: each image at one pixel size and in one place, kept in a file.

::

    energy_stack.h5
        /absorbance     float32 (n, ny, nx), NaN where not measured yet
        /energy_ev      (n,)
        /noise          (n,), of a pixel in air
        /shift_px       (n, 2), rows and columns by which an image was moved; NaN where that is not known
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from xsn_acq.analysis.energy_stack import StackAligner, to_pixel_size
from xsn_acq.closing import Closing
from xsn_acq.errors import ReconstructionError, StorageError
from xsn_acq.live.energy_images import SAME_EV, EnergyImages
from xsn_acq.live.scan import optical_axis
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.storage.run import Row, RunRecord

FILE_NAME = "energy_stack.h5"
TECHNIQUE = "xanes"


class GrowingStack(Closing):
    """Absorbance over energy; streamed equals batch.

    Parameters
    ----------
    record : RunRecord
        Of an energy scan, its darks announced.
    folder : Path
        Of the run's results; a stack of an earlier analysis is written anew.

    Attributes
    ----------
    energies_ev : (n,)
        Rising.
    pixel_size_m : float
        Of all images: that of the scan's first energy, whose image the others are moved to.

    Raises
    ------
    ReconstructionError
        The run is no energy scan.
    StorageError
        The file cannot be written.
    """

    def __init__(self, record: RunRecord, folder: Path) -> None:
        if not is_energy_scan(record.start):
            plan = record.start.get("plan_name")
            raise ReconstructionError(f"run {record.uid[:8]}: wanted an energy scan, found plan {plan!r}")
        acquisition: dict[str, Any] = record.start["acquisition"]
        self.energies_ev = np.unique(np.asarray(acquisition["energies_ev"], float))
        self._first_ev = float(acquisition["energies_ev"][0])
        self.pixel_size_m = float(acquisition["pixel_sizes_m"][0])
        self._images = EnergyImages(record)
        self._centre = optical_axis(record.start)
        self._done: dict[int, Any] = {}
        self._aligner: StackAligner | None = None
        ny, nx = (int(n) for n in acquisition["frame_shape"])
        n = self.energies_ev.size
        try:
            self._file = h5py.File(folder / FILE_NAME, "w")
        except OSError as error:
            raise StorageError(f"energy stack {folder / FILE_NAME}: cannot be written: {error}") from error
        make = self._file.create_dataset
        self.absorbance = make("absorbance", (n, ny, nx), np.float32, chunks=(1, ny, nx), fillvalue=np.nan)
        self.noise = make("noise", (n,), float, fillvalue=np.nan)
        self.shift_px = make("shift_px", (n, 2), float, fillvalue=np.nan)
        make("energy_ev", data=self.energies_ev)

    def push(self, rows: Iterable[Row]) -> list[int]:
        """Take in rows of the stream ``points``; the numbers of the energies whose image is new or better."""
        self._images.push(rows)
        changed = []
        for energy in sorted(self._images.energies_ev, key=lambda energy: abs(energy - self._first_ev)):
            number = int(np.argmin(np.abs(self.energies_ev - energy)))
            sources = self._images.sources(energy)
            if self._aligner is None and abs(energy - self._first_ev) > SAME_EV:
                break  # all are moved to the image of the first, which comes first
            if sources and sources != self._done.get(number):
                self._done[number] = sources
                self._put(number, energy)
                changed.append(number)
        return changed

    @property
    def known(self) -> list[int]:
        """Numbers of the energies that have an image."""
        return sorted(self._done)

    def image(self, number: int) -> FloatArray:
        """Absorbance at an energy, float32 (ny, nx)."""
        return np.asarray(self.absorbance[number])

    def close(self) -> None:
        """Close the files."""
        self._images.close()
        self._file.close()

    def _put(self, number: int, energy_ev: float) -> None:
        image, noise = self._images.absorbance(energy_ev)
        pixel = self._images.pixel_size_m(energy_ev)
        if self._aligner is None:
            self._aligner = StackAligner(to_pixel_size(image, pixel, self.pixel_size_m, centre=self._centre))
        scaled = to_pixel_size(image, pixel, self.pixel_size_m, centre=self._centre)
        aligned, shift, _ = self._aligner.push(scaled)
        self.absorbance[number], self.noise[number], self.shift_px[number] = aligned, noise, shift


def is_energy_scan(start: Mapping[str, Any]) -> bool:
    """Whether a start document belongs to a scan of images over energy."""
    return start.get("technique") == TECHNIQUE
