"""Three slices of the volume that grow with each projection: push, value, clear."""

from typing import Literal

import finufft
import numpy as np

from xsn_acq.analysis.nufft import ACCURACY
from xsn_acq.analysis.polar import PolarSamples
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import ComplexArray, FloatArray

Plane = Literal["xz", "xy", "zy"]

_PENDING_BYTES = 64 * 2**20


class Orthoslices:
    """Filtered back-projection restricted to three planes through the centre of the volume.

    The planes are volume[ny // 2] ("xz", (nz, nx)), volume[:, nx // 2, :] ("xy", (ny, nx)) and volume[:, :,
    nx // 2] ("zy", (ny, nz)) of the (y, z, x) volume. Each projection adds its filtered polar samples;
    projections count alike, so for evenly spread angles the slices equal those of `FilteredBackProjection`.

    Parameters
    ----------
    shape : (ny, nx)
        Of a projection, rotation axis at the centre column.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self._polar = PolarSamples(shape[1])
        self._pending: list[tuple[float, ComplexArray]] = []
        sample_bytes = shape[0] * self._polar.frequencies.size * 8
        self._most_pending = int(np.clip(_PENDING_BYTES // sample_bytes, 1, 64))
        self.clear()

    def clear(self) -> None:
        """Forget all projections."""
        ny, nx = self.shape
        self.count = 0
        self._complex = False
        self._pending.clear()
        self._sums: dict[Plane, ComplexArray] = {
            "xz": np.zeros((nx, nx), np.complex64),
            "xy": np.zeros((ny, nx), np.complex64),
            "zy": np.zeros((ny, nx), np.complex64),
        }

    def push(self, theta_rad: float, projection: FloatArray | ComplexArray) -> None:
        """Add a projection (ny, nx) taken at ``theta_rad``; complex ones carry two quantities at once."""
        if np.shape(projection) != tuple(self.shape):
            raise ReconstructionError(
                f"orthoslices: wanted a projection of {self.shape} pixels, found {np.shape(projection)}"
            )
        self._complex |= np.iscomplexobj(projection)
        self._pending.append((theta_rad, self._polar(projection)))
        self.count += 1
        if len(self._pending) >= self._most_pending:
            self._flush()

    def value(self) -> dict[Plane, FloatArray | ComplexArray]:
        """Return the three slices so far, value per pixel; zeros before the first projection."""
        self._flush()
        scale = np.float32(np.pi / max(self.count, 1))
        return {
            plane: (total if self._complex else total.real) * scale for plane, total in self._sums.items()
        }

    def _flush(self) -> None:
        """Add what is pending: one transform for each plane, whatever the number of projections."""
        if not self._pending:
            return
        ny, nx = self.shape
        theta = np.array([angle for angle, _ in self._pending])
        along_x, along_z, factor = self._polar.lines(theta)
        samples = np.stack([rows for _, rows in self._pending], axis=1) * factor
        self._pending.clear()
        strengths = samples.reshape(ny, -1)
        x, z = along_x.ravel(), along_z.ravel()
        options = {"isign": 1, **ACCURACY}
        self._sums["xz"] += finufft.nufft2d1(z, x, strengths[ny // 2], (nx, nx), **options)
        self._sums["xy"] += finufft.nufft1d1(x, strengths, nx, **options)
        self._sums["zy"] += finufft.nufft1d1(z, strengths, nx, **options)
