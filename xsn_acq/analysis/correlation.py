r"""Shift between two schlieren images half a turn apart, by the correlation of their fine detail.

The phase has opposite contrast in the two images, so that they fit where their difference has the most
detail: the sum over k < k_max of \|k^2 F{I+ - I-}\|^2 is at its maximum (Hugonnet et al., "Automatic image
alignment"), which is where the weighted correlation of both is at its minimum. Absorption has equal contrast
and draws the minimum to one side: see `xsn_acq.analysis.alignment` for what has no such bias.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from scipy.optimize import minimize

from xsn_acq.optics.arrays import ComplexArray, FloatArray


@dataclass(frozen=True, eq=False)
class DetailCorrelation:
    """Correlation J(dy, dx) = Re sum k^4 conj(F first) F second exp[2 pi i (v dy + u dx)] over k < k_max.

    Parameters
    ----------
    cross : complex (ny, nx // 2 + 1)
        conj(F first) F second, by `scipy.fft.rfft2`.
    shape : (ny, nx)
        Of the images.
    highest : float
        k_max, cycles per pixel. The paper's 0.3 lets so much noise in that below 1000 photons per pixel weak
        samples are lost.
    """

    cross: ComplexArray
    shape: tuple[int, int]
    highest: float

    def __post_init__(self) -> None:
        v, u = self._frequencies
        k2 = (v * v)[:, None] + u * u
        weight = np.where(k2 < self.highest**2, k2 * k2, 0.0).astype(self.cross.real.dtype)
        object.__setattr__(self, "cross", self.cross * weight)

    @property
    def _frequencies(self) -> tuple[FloatArray, FloatArray]:
        ny, nx = self.shape
        return scipy.fft.fftfreq(ny), scipy.fft.rfftfreq(nx)

    def best_integer(self, *, workers: int = 1) -> tuple[int, int]:
        """(dy, dx) of the minimum over all whole pixels, by one inverse FFT."""
        everywhere = scipy.fft.irfft2(self.cross, self.shape, workers=workers)
        found = np.unravel_index(int(np.argmin(everywhere)), self.shape)
        dy, dx = ((int(i) + n // 2) % n - n // 2 for i, n in zip(found, self.shape, strict=True))
        return dy, dx

    def value_and_gradient(self, shift: FloatArray) -> tuple[float, FloatArray]:
        """J and (dJ/d dy, dJ/d dx) at a shift (dy, dx) in pixels; two matrix-vector products each."""
        v, u = self._frequencies
        turn_v, turn_u = np.exp(2j * np.pi * v * shift[0]), np.exp(2j * np.pi * u * shift[1])
        twice = np.full(u.size, 2.0)  # the half of the spectrum that is not kept is the conjugate of this one
        twice[0] = 1.0
        if self.shape[1] % 2 == 0:
            twice[-1] = 1.0
        across = twice * turn_u
        rows = self.cross @ across.astype(self.cross.dtype)
        slopes = self.cross @ (2j * np.pi * u * across).astype(self.cross.dtype)
        value = float((turn_v @ rows).real)
        gradient = np.array([((2j * np.pi * v * turn_v) @ rows).real, (turn_v @ slopes).real])
        return value, gradient

    def best(self, start: tuple[float, float]) -> tuple[float, float]:
        """(dy, dx) of the minimum near ``start``, by a quasi-Newton search (BFGS)."""
        scale = 1 / max(float(np.abs(self.cross).sum()), float(np.finfo(np.float32).tiny))

        def cost(shift: FloatArray) -> tuple[float, FloatArray]:
            value, gradient = self.value_and_gradient(shift)
            return value * scale, gradient * scale

        found = minimize(cost, np.array(start, float), jac=True, method="BFGS", options={"gtol": 1e-5})
        return float(found.x[0]), float(found.x[1])
