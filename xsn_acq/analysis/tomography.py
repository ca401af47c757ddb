"""Filtered back-projection by an adjoint non-uniform FFT (FINUFFT, doi:10.1137/18M120885X)."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.analysis.nufft import AdjointTransform
from xsn_acq.analysis.polar import PolarSamples, angular_weights
from xsn_acq.analysis.rings import NONE, remove_rings
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import ComplexArray, FloatArray

_ANGLES_AT_ONCE = 64
"""Filtered together: they stay in the processor's cache, and memory does not grow with the angles."""

_SLAB_BYTES, _SLICES_BYTES = 256 * 2**20, 128 * 2**20
"""Of sinograms read at once, of slices handed on together, however many angles and rows there are."""


class FilteredBackProjection:
    """Slices from sinograms; everything that depends on the angles alone is planned once for all slices.

    Each thread does whole slices with a plan of its own, so the result does not depend on the threads.

    Parameters
    ----------
    n_columns : int
        Pixels of a projection row.
    theta_rad : (n_angles,)
        Any order, any spacing, any range; t = x cos(theta) + z sin(theta). Weights follow from the actual
        angles.
    axis_column : float, optional
        Column of the rotation axis, pixel centres at integers; the middle, (n_columns - 1) / 2, when not
        given. The slice is centred on it.
    threads : int
        Slices made at once, 0: OMP_NUM_THREADS where it says, else the cores this process may use.
    """

    def __init__(
        self, n_columns: int, theta_rad: ArrayLike, *, axis_column: float | None = None, threads: int = 0
    ) -> None:
        theta = np.asarray(theta_rad, dtype=float)
        self.n_columns = n_columns
        self.n_angles = theta.size
        weights = angular_weights(theta)
        self._polar = PolarSamples(n_columns, axis_column=axis_column)
        along_x, along_z, factor = self._polar.lines(theta)
        self._weights = factor * weights.astype(np.float32)[:, None]
        self._points = (along_z.ravel(), along_x.ravel())
        self._threads = threads or _cores()
        self._plans: list[AdjointTransform] = []

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
        shape, step = (data.shape[1], self.n_columns, self.n_columns), 1 if np.iscomplexobj(data) else 2
        result: Any = np.empty(shape, np.complex64 if step == 1 else np.float32)
        starts = range(0, data.shape[1], step)
        workers = max(1, min(self._threads, len(starts)))
        missing = range(workers - len(self._plans))
        self._plans += [AdjointTransform(self.n_columns, *self._points) for _ in missing]

        def some(worker: int) -> None:
            for start in starts[worker::workers]:
                rows = slice(start, start + step)
                self._transform(data[:, rows], result[rows], self._plans[worker])

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(some, range(workers)))
        return result

    def _transform(
        self, lines: ComplexArray | FloatArray, result: ComplexArray | FloatArray, plan: Any
    ) -> None:
        """One complex slice, or two real ones as its real and imaginary part."""
        strengths = np.empty(self._weights.shape, np.complex64)
        for start in range(0, self.n_angles, _ANGLES_AT_ONCE):
            some = slice(start, start + _ANGLES_AT_ONCE)
            one = lines[some, 0].astype(np.complex64)
            if lines.shape[1] == 2:
                one.imag = lines[some, 1]
            np.multiply(self._polar(one), self._weights[some], out=strengths[some])
        found = plan(strengths.ravel())
        if np.iscomplexobj(result):
            result[0] = found
        else:
            for into, part in zip(result, (found.real, found.imag), strict=False):
                into[:] = part


def _cores() -> int:
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) else len(os.sched_getaffinity(0))


def index_per_radian(pixel_size_m: float, wavelength_m: float) -> float:
    """Factor from back-projected phi (or alpha) to delta (or beta): -lambda / (2 pi pixel)."""
    return -wavelength_m / (2 * np.pi * pixel_size_m)


def slabs(
    stack: Any,
    theta_rad: ArrayLike,
    *,
    pixel_size_m: float,
    wavelength_m: float,
    slab_rows: int | None = None,
    axis_column: float | None = None,
    rings: str = NONE,
) -> Iterator[tuple[slice, FloatArray | ComplexArray]]:
    """Reconstruct slab by slab, so that memory does not grow with the height.

    Parameters
    ----------
    stack : array-like (n_angles, ny, nx), real or complex
        phi, alpha or alpha + i phi in radians; an HDF5 dataset serves, only ``stack[:, rows, :]`` is read.
    theta_rad : (n_angles,)
    pixel_size_m, wavelength_m : float, metres
    slab_rows : int
        Rows read at once; as many as go into 256 MiB when not given, so that each projection is read in few
        pieces.
    axis_column : float, optional
        Column of the rotation axis; the middle when not given.
    rings : str
        Ring removal, a method of `xsn_acq.analysis.rings.remove_rings`.

    Yields
    ------
    rows : slice
        A slab or part of it.
    block : (rows, nz, nx)
        delta from phi, beta from alpha, beta + i delta from alpha + i phi.
    """
    _, ny, nx = stack.shape
    projection = FilteredBackProjection(nx, theta_rad, axis_column=axis_column)
    factor = np.float32(index_per_radian(pixel_size_m, wavelength_m))
    read = slab_rows or max(1, _SLAB_BYTES // (8 * nx * projection.n_angles))
    together = max(2, _SLICES_BYTES // (8 * nx * nx))
    for first in range(0, ny, read):
        last = min(first + read, ny)
        sinograms = remove_rings(stack[:, first:last, :], rings, pixel_size_m=pixel_size_m)
        for start in range(first, last, together):
            rows = slice(start, min(start + together, last))
            block = projection.slices(sinograms[:, rows.start - first : rows.stop - first])
            block *= factor
            yield rows, block


def volume(stack: Any, theta_rad: ArrayLike, **options: Any) -> FloatArray | ComplexArray:
    """Reconstruct the whole volume (ny, nz, nx) at once; parameters as in `slabs`."""
    return np.concatenate([block for _, block in slabs(stack, theta_rad, **options)])
