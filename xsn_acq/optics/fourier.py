"""Fourier transforms of one array library: SciPy's threads for NumPy, the library's own otherwise."""

import os
from types import ModuleType
from typing import Any

import array_api_compat
import numpy as np
import scipy.fft

_WORTH_A_THREAD = 2**17
"""Pixels below which a second thread costs more than it brings."""


def worthwhile_threads(shape: tuple[int, int]) -> int:
    """Threads for transforms of images of ``shape``: as many as there are cores, each with enough to do."""
    return max(1, min(len(os.sched_getaffinity(0)), shape[0] * shape[1] // _WORTH_A_THREAD))


class Fourier:
    """The array library of some arrays, and its transforms.

    Everything built on it is written once, in the array API standard, and runs on NumPy and on a library for
    GPUs (CuPy, PyTorch).

    Parameters
    ----------
    xp : module
        A library that follows the standard: ``numpy``, or a wrapper of ``array_api_compat``.
    device
        Where new arrays go; None: the library's default.
    workers : int
        Threads of SciPy's transforms; other libraries have their own way.
    """

    def __init__(self, xp: ModuleType = np, *, device: Any = None, workers: int = 1) -> None:
        self.xp = array_api_compat.array_namespace(xp.empty(0))
        self.device = device
        self._scipy = array_api_compat.is_numpy_namespace(self.xp)
        self._workers = workers

    def array(self, values: Any, dtype: np.dtype) -> Any:
        """Return ``values`` as an array of the library, of the type that NumPy calls ``dtype``."""
        kind = getattr(self.xp, dtype.name)
        if isinstance(values, np.ndarray):
            values = np.ascontiguousarray(values, dtype)
        return self.xp.asarray(values, dtype=kind, device=self.device)

    def indices(self, values: np.ndarray) -> Any:
        """Return integers as an index array of the library."""
        return self.xp.asarray(np.ascontiguousarray(values, np.int64), device=self.device)

    def numpy(self, x: Any) -> np.ndarray:
        """Return an array of the library as a NumPy array in main memory."""
        if array_api_compat.is_torch_array(x) or array_api_compat.is_cupy_array(x):
            x = array_api_compat.to_device(x, "cpu")
        return x if isinstance(x, np.ndarray) else np.from_dlpack(x)

    def wave(self, alpha: Any, phi: Any) -> Any:
        """Return exp(alpha + i phi)."""
        xp = self.xp
        if not self._scipy:
            return xp.exp(alpha) * (xp.cos(phi) + 1j * xp.sin(phi))
        amplitude = np.exp(alpha)
        wave = np.empty(alpha.shape, np.result_type(alpha.dtype, np.complex64))
        np.multiply(amplitude, np.cos(phi), out=wave.real)
        np.multiply(amplitude, np.sin(phi), out=wave.imag)
        return wave

    def fft(self, x: Any, n: int | None = None, axis: int = -1) -> Any:
        """Forward transform along an axis; ``n`` pads with zeros."""
        if self._scipy:
            return scipy.fft.fft(x, n, axis=axis, workers=self._workers)
        return self.xp.fft.fft(x, n=n, axis=axis)

    def ifft(self, x: Any, axis: int = -1) -> Any:
        """Inverse transform along an axis; what ``x`` held may be lost."""
        if self._scipy:
            return scipy.fft.ifft(x, axis=axis, overwrite_x=True, workers=self._workers)
        return self.xp.fft.ifft(x, axis=axis)

    def irfft(self, x: Any, n: int) -> Any:
        """Inverse transform along the last axis to ``n`` real values."""
        if self._scipy:
            return scipy.fft.irfft(x, n, workers=self._workers)
        return self.xp.fft.irfft(x, n=n, axis=-1)

    def fft2(self, x: Any) -> Any:
        """Forward transform of images (..., ny, nx)."""
        if self._scipy:
            return scipy.fft.fft2(x, workers=self._workers)
        return self.xp.fft.fftn(x, axes=(-2, -1))

    def ifft2(self, x: Any) -> Any:
        """Inverse transform of images (..., ny, nx); what ``x`` held may be lost."""
        if self._scipy:
            return scipy.fft.ifft2(x, overwrite_x=True, workers=self._workers)
        return self.xp.fft.ifftn(x, axes=(-2, -1))

    def rfft2(self, x: Any) -> Any:
        """Forward transform of real images (..., ny, nx) to (..., ny, nx // 2 + 1)."""
        if self._scipy:
            return scipy.fft.rfft2(x, workers=self._workers)
        return self.xp.fft.rfftn(x, axes=(-2, -1))

    def irfft2(self, x: Any, shape: tuple[int, int]) -> Any:
        """Inverse transform to real images of ``shape`` (ny, nx); what ``x`` held may be lost."""
        if self._scipy:
            return scipy.fft.irfft2(x, shape, overwrite_x=True, workers=self._workers)
        return self.xp.fft.irfftn(x, s=shape, axes=(-2, -1))
