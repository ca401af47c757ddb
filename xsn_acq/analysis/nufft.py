"""Sum of plane waves at any frequencies on a square grid: FINUFFT's spreading, SciPy's FFT.

The FFT that FINUFFT brings along is planned by estimate and takes as long as the spreading; measured plans
would be fast, but differ from one process to the next. SciPy's takes a third, always the same, and its second
half leaves out the rows that are cut off.
"""

import math

import finufft
import numpy as np
import scipy.fft

from xsn_acq.optics.arrays import ComplexArray, FloatArray

ACCURACY = {"eps": 1e-4, "upsampfac": 1.25}
"""Options of FINUFFT. On sharp objects the sum over angles is itself wrong by 5e-3, so 1e-4 is not seen
(docs/tomography.md); a grid 1.25 times as fine as the slice instead of twice is several times as fast."""


class AdjointTransform:
    """Evaluates sum_j c_j exp[i (z u_j + x v_j)] for z, x = -(n // 2) ... n - n // 2 - 1.

    For one thread at a time.

    Parameters
    ----------
    n : int
        Pixels along both axes of the grid.
    along_z, along_x : float32 (m,)
        Frequencies u, v, radians per pixel, within -pi to pi.
    """

    def __init__(self, n: int, along_z: FloatArray, along_x: FloatArray) -> None:
        fine = 2 * scipy.fft.next_fast_len(math.ceil(ACCURACY["upsampfac"] * n / 2))
        self._plan = finufft.Plan(
            1, (fine, fine), isign=1, dtype="complex64", nthreads=1, spreadinterponly=1, **ACCURACY
        )
        self._grid = np.empty((fine, fine), np.complex64)
        self._kept = np.arange(-(n // 2), n - n // 2)
        self._per_z, self._per_x = self._corrections()
        # neighbours on the grid one after the other: spreading takes a tenth less time
        cell = (np.stack([along_z, along_x]) * (fine / (2 * np.pi))).astype(np.int32)
        self._order = np.lexsort((cell[1], cell[0]))
        self._plan.setpts(along_z[self._order], along_x[self._order])

    def _corrections(self) -> tuple[ComplexArray, ComplexArray]:
        """What the spreading does to each row and column: known from a single sample at frequency zero."""
        nowhere = np.zeros(1, np.float32)
        self._plan.setpts(nowhere, nowhere)
        response = scipy.fft.ifft2(self._plan.execute(np.ones(1, np.complex64)).astype(complex))
        middle = np.sqrt(response[0, 0])
        per_z, per_x = middle / response[self._kept, 0], middle / response[0, self._kept]
        return per_z.astype(np.complex64)[:, None], per_x.astype(np.complex64)

    def __call__(self, strengths: ComplexArray) -> ComplexArray:
        """Return the sum, complex64 (n, n), for strengths c, complex64 (m,)."""
        self._plan.execute(strengths[self._order], out=self._grid)
        grid = scipy.fft.ifft(self._grid, axis=0)[self._kept]
        grid *= self._per_z
        result: ComplexArray = scipy.fft.ifft(grid, axis=1, overwrite_x=True)[:, self._kept]
        result *= self._per_x
        return result
