"""What the modelled intensities of a speckle scan miss, over all angles, also where a call was cut short.

The sums are kept beside the fields. Angles are added and the sums saved before their fields are stored: a
process that is killed leaves no field whose angle is not in them, and an angle that is retrieved again is not
added again.
"""

import os
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from xsn_acq.errors import StorageError
from xsn_acq.optics.arrays import FloatArray

FILE_NAME = "rmse_sums.npz"


class RmseSums:
    """Sum over the angles of measured less modelled intensity, squared.

    Parameters
    ----------
    folder : Path
        Of the scan's results.
    digest : str
        Of all that the fields depend on; sums with another digest are begun anew.
    shape : (ny, nx)
        Of an image.
    """

    def __init__(self, folder: Path, digest: str, shape: tuple[int, int]) -> None:
        self._path, self._digest = folder / FILE_NAME, digest
        self._squares: FloatArray = np.zeros(shape)
        self._theta_deg: set[float] = set()
        self._load()

    @property
    def angles(self) -> int:
        """Number of angles in the sum."""
        return len(self._theta_deg)

    def add(self, maps: Iterable[tuple[float, FloatArray]]) -> None:
        """Add some angles, each in degrees with its map (ny, nx), and save.

        Raises
        ------
        StorageError
            The file cannot be written.
        """
        for theta_deg, rmse in maps:
            if theta_deg not in self._theta_deg:
                self._squares += rmse.astype(float) ** 2
                self._theta_deg.add(theta_deg)
        part = self._path.with_name(self._path.name + ".part")
        angles = np.array(sorted(self._theta_deg))
        try:
            with part.open("wb") as file:
                np.savez(file, squares=self._squares, theta_deg=angles, digest=np.array(self._digest))
            os.replace(part, self._path)
        except OSError as error:
            raise StorageError(f"RMSE sums {self._path}: cannot be written: {error.strerror}") from error

    def map(self) -> FloatArray:
        """Root mean square over the angles, float32 (ny, nx)."""
        return np.sqrt(self._squares / max(self.angles, 1)).astype(np.float32)

    def _load(self) -> None:
        """Take what an earlier call left of the same fields."""
        try:
            with self._path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                if str(kept["digest"]) == self._digest:
                    self._squares, self._theta_deg = kept["squares"], set(kept["theta_deg"].tolist())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return
