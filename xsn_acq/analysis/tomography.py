"""Filtered back-projection by an adjoint non-uniform FFT (FINUFFT, doi:10.1137/18M120885X)."""

import os
from collections.abc import Iterator
from typing import Any

import finufft
import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.analysis.polar import PolarSamples, angular_weights
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import ComplexArray, FloatArray

TRANSFORM = {"eps": 1e-4, "upsampfac": 1.25}
"""Options of FINUFFT. On sharp objects the discrete sum itself is wrong by 5e-3, so 1e-4 is not seen
(docs/tomography.md); a grid 1.25 times as fine as the slice instead of twice is three times as fast."""


class FilteredBackProjection:
    """Slices from sinograms; everything that depends on the angles alone is planned once for all slices.

    Parameters
    ----------
    n_columns : int
        Pixels of a projection row.
    theta_rad : (n_angles,)
        Any order, any spacing, any range; t = x cos(theta) + z sin(theta). Weights follow from the actual
        angles.
    axis_column : float, optional
        Column of the rotation axis, pixel centres at integers; the middle, (n_columns - 1) / 2, when not given.
        The slice is centred on it.
    batch : int
        Slices transformed at once.
    threads : int
        Threads, 0: OMP_NUM_THREADS where it says, else the cores this process may use.
    """

    def __init__(
        self,
        n_columns: int,
        theta_rad: ArrayLike,
        *,
        axis_column: float | None = None,
        batch: int = 4,
        threads: int = 0,
    ) -> None:
        theta = np.asarray(theta_rad, dtype=float)
        self.n_columns = n_columns
        self.n_angles = theta.size
        weights = angular_weights(theta)
        self._threads = threads or _cores()
        self._polar = PolarSamples(n_columns, axis_column=axis_column, workers=self._threads)
        along_x, along_z, factor = self._polar.lines(theta)
        self._weights = factor * weights.astype(np.float32)[:, None]
        self._points = (along_z.ravel(), along_x.ravel())
        self._batch = batch
        self._plans: dict[int, Any] = {}

    def slices(self, sinogram: ArrayLike) -> FloatArray | ComplexArray:
        """Back-project.

        Parameters
        ----------
        sinogram : real or complex (n_angles, n_rows, n_columns)
            Line integrals in units of (value x pixel); complex ones carry two quantities at once.

        Returns
        -------
        float32 or complex64 (n_rows, n_z, n_x), value per pixel, n_z = n_x = n_columns

        Raises
        ------
        ReconstructionError
            The shape does not fit the angles and columns.
        """
        data = np.asarray(sinogram)
        if data.ndim != 3 or (data.shape[0], data.shape[2]) != (self.n_angles, self.n_columns):
            raise ReconstructionError(
                f"back-projection: wanted a sinogram ({self.n_angles}, rows, {self.n_columns}), "
                f"found {data.shape}"
            )
        rows, n = data.shape[1], self.n_columns
        if np.iscomplexobj(data):
            result = np.empty((rows, n, n), np.complex64)
            self._transform(data, result)
            return result
        even = data[:, 0::2].astype(np.complex64)
        even[:, : rows // 2].imag = data[:, 1::2]
        pairs = np.empty((even.shape[1], n, n), np.complex64)
        self._transform(even, pairs)
        return np.stack([pairs.real, pairs.imag], axis=1).reshape(-1, n, n)[:rows]

    def _transform(self, sinogram: ComplexArray, result: ComplexArray) -> None:
        rows = sinogram.shape[1]
        strengths = np.empty((min(self._batch, rows), self.n_angles, self._weights.shape[1]), np.complex64)
        for start in range(0, rows, self._batch):
            count = min(self._batch, rows - start)
            for row in range(count):
                np.multiply(self._polar(sinogram[:, start + row]), self._weights, out=strengths[row])
            lines = strengths[:count].reshape(count, -1)
            slices = result[start : start + count]
            self._plan(count).execute(lines.squeeze(0) if count == 1 else lines, out=slices.squeeze())

    def _plan(self, count: int) -> Any:
        if count not in self._plans:
            options = {"nthreads": self._threads, **TRANSFORM}
            grid = (self.n_columns, self.n_columns)
            plan = finufft.Plan(1, grid, count, isign=1, dtype="complex64", **options)
            plan.setpts(*self._points)
            self._plans[count] = plan
        return self._plans[count]


def _cores() -> int:
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) else len(os.sched_getaffinity(0))


def index_per_radian(pixel_size_m: float, wavelength_m: float) -> float:
    """Factor from back-projected phi (or alpha) to delta (or beta): -lambda / (2 pi pixel)."""
    return -wavelength_m / (2 * np.pi * pixel_size_m)


def slabs(
    stack: Any, theta_rad: ArrayLike, *, pixel_size_m: float, wavelength_m: float, slab_rows: int = 32
) -> Iterator[tuple[slice, FloatArray | ComplexArray]]:
    """Reconstruct slab by slab, so that memory does not grow with the height.

    Parameters
    ----------
    stack : array-like (n_angles, ny, nx), real or complex
        phi, alpha or alpha + i phi in radians; an HDF5 dataset serves, only ``stack[:, rows, :]`` is read.
    theta_rad : (n_angles,)
    pixel_size_m, wavelength_m : float, metres
    slab_rows : int

    Yields
    ------
    rows : slice
    block : (rows, nz, nx)
        delta from phi, beta from alpha, beta + i delta from alpha + i phi.
    """
    _, ny, nx = stack.shape
    projection = FilteredBackProjection(nx, theta_rad)
    factor = np.float32(index_per_radian(pixel_size_m, wavelength_m))
    for start in range(0, ny, slab_rows):
        rows = slice(start, min(start + slab_rows, ny))
        yield rows, projection.slices(stack[:, rows, :]) * factor


def volume(
    stack: Any, theta_rad: ArrayLike, *, pixel_size_m: float, wavelength_m: float, slab_rows: int = 32
) -> FloatArray | ComplexArray:
    """Reconstruct the whole volume (ny, nz, nx) at once; parameters as in `slabs`."""
    blocks = slabs(
        stack, theta_rad, pixel_size_m=pixel_size_m, wavelength_m=wavelength_m, slab_rows=slab_rows
    )
    return np.concatenate([block for _, block in blocks])
