"""Phase and absorption from speckle at several diffuser positions: the low-coherence system method (LCS).

A sample that bends light by D / L moves the speckle by D, and lets a part T of it pass. To first order, in
each pixel and for each of K positions,

    I_ref = I_s / T + D_y d(I_ref)/dy + D_x d(I_ref)/dx,    D = L lambda / (2 pi) grad(phi)

(Quenot et al., Optica 8, 1412 (2021), doi:10.1364/OPTICA.434954): three unknowns, by least squares over K.
It is what single-shot retrieval is compared with.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.analysis.slopes import derivative, integrated
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

FEWEST = 3
_RIDGE = 1e-3
"""Against the mean square of the gradient: a pixel where no speckle has a slope tells no displacement."""
_LEAST_TRANSMISSION = 1e-3


@dataclass(frozen=True, eq=False)
class LcsField:
    """What the sample does to the wave, t = exp(alpha + i phi), and how well it explains the speckle.

    Attributes
    ----------
    alpha, phi : float64 (ny, nx)
        Mean of phi 0 where no columns of air were named.
    dy_m, dx_m : float64 (ny, nx)
        Displacement of the speckle.
    rmse : float64 (ny, nx)
        Root of the mean over K of (measured - modelled)^2, over the mean of the references.
    """

    alpha: FloatArray
    phi: FloatArray
    dy_m: FloatArray
    dx_m: FloatArray
    rmse: FloatArray


class LowCoherenceSystem:
    """LCS for the references of one scan.

    Parameters
    ----------
    references : real (K, ny, nx)
        Diffuser alone at K positions, 3 or more, dark-subtracted and over the flat. Each the mean of several
        frames: their noise makes the phase too small, by 3 % with a single frame of 20,000 photons.
    pixel_m, wavelength_m : float
    distance_m : float
        From the diffuser to the detector.
    air_columns : int
        Columns at the left and right border that see air only: their phase is brought to 0.

    Raises
    ------
    ReconstructionError
        Fewer than 3 positions: three unknowns need as many equations.
    """

    def __init__(
        self,
        references: ArrayLike,
        pixel_m: float,
        wavelength_m: float,
        distance_m: float,
        *,
        air_columns: int = 0,
    ) -> None:
        self._references = np.asarray(references, float)
        if self._references.ndim != 3 or len(self._references) < FEWEST:
            raise ReconstructionError(
                f"LCS: wanted references (K, ny, nx) at K = {FEWEST} diffuser positions or more, found "
                f"{self._references.shape}; a single position is for PWF"
            )
        self._pixel_m, self._air = pixel_m, air_columns
        self._phase_per_m = 2 * np.pi / (wavelength_m * distance_m) * pixel_m
        self._slopes = np.stack([derivative(self._references, axis) for axis in (-2, -1)])
        # the part of the normal equations that the sample does not change: (2, 2, ny, nx) and (2, ny, nx)
        self._square = np.einsum("akyx,bkyx->abyx", self._slopes, self._slopes)
        ridge = _RIDGE * float(np.mean(self._square[[0, 1], [0, 1]]))
        self._square[[0, 1], [0, 1]] += ridge
        self._right = np.einsum("akyx,kyx->ayx", self._slopes, self._references)

    def __call__(self, projections: ArrayLike) -> LcsField:
        """Phase and absorption of one angle.

        Parameters
        ----------
        projections : real (K, ny, nx)
            Sample and diffuser, at the references' positions.

        Raises
        ------
        ReconstructionError
            The shape differs from the references'.
        """
        measured = np.asarray(projections, float)
        if measured.shape != self._references.shape:
            raise ReconstructionError(
                f"LCS: wanted projections {self._references.shape}, as the references, found {measured.shape}"
            )
        inverse, dy, dx = self._solved(measured)
        passed = 1 / np.maximum(inverse, _LEAST_TRANSMISSION)
        moved = self._references - dy * self._slopes[0] - dx * self._slopes[1]
        rmse = np.sqrt(np.mean((measured - passed * moved) ** 2, axis=0)) / self._references.mean()
        phi = self._grounded(integrated(dy * self._phase_per_m, dx * self._phase_per_m) * self._pixel_m)
        return LcsField(0.5 * np.log(passed), phi, dy * self._pixel_m, dx * self._pixel_m, rmse)

    def _solved(self, measured: FloatArray) -> FloatArray:
        """1 / T and the displacement (dy, dx) in pixels, (3, ny, nx)."""
        ny, nx = measured.shape[1:]
        matrix, right = np.empty((ny, nx, 3, 3)), np.empty((ny, nx, 3))
        matrix[..., 0, 0] = np.sum(measured**2, axis=0)
        mixed = np.moveaxis(np.einsum("kyx,akyx->ayx", measured, self._slopes), 0, -1)
        matrix[..., 0, 1:] = matrix[..., 1:, 0] = mixed
        matrix[..., 1:, 1:] = np.moveaxis(self._square, (0, 1), (-2, -1))
        right[..., 0] = np.sum(measured * self._references, axis=0)
        right[..., 1:] = np.moveaxis(self._right, 0, -1)
        return np.moveaxis(np.linalg.solve(matrix, right[..., None])[..., 0], -1, 0)

    def _grounded(self, phi: FloatArray) -> FloatArray:
        if not self._air:
            return phi - phi.mean()
        return phi - 0.5 * (phi[:, : self._air].mean() + phi[:, -self._air :].mean())
