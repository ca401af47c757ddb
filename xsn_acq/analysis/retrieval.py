"""Phase and absorption from two schlieren images half a turn apart (Hugonnet et al., Algorithm 1)."""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import ComplexArray, FloatArray
from xsn_acq.optics.schlieren import ImageFormation, Schlieren, transfer_functions

_DARKEST = 0.02
"""Floor of the local intensity in the step, as a fraction of the background: a black pixel must not blow
up."""

_PREVIEW_EPSILON = 3e-4
"""Tikhonov weight of the one-image preview: it trades slow phase, which absorption would swamp, for calm."""


@dataclass(frozen=True, eq=False)
class Field:
    """What the sample does to the wave: t = exp(alpha + i phi).

    Attributes
    ----------
    alpha, phi : float32 (ny, nx)
        -k0 times the line integrals of beta and of delta.
    residual : tuple of float
        |measured - modelled| / |measured - background| over both images, after each iteration.
    """

    alpha: FloatArray
    phi: FloatArray
    residual: tuple[float, ...]


class XsnRetrieval:
    """Quasi-Newton retrieval with the exact image model.

    Each iteration deconvolves what the model still misses with D = (A^H A + eps)^-1 A^H, A the linear
    response of both images, and divides by the local intensity (paper, Eq. 14). The filter at 180 degrees is
    the mirrored one, so A splits: alpha follows from the sum of both images, phi from their difference. It
    starts from an empty field (I = I_tot). Frequencies beyond the pupil are not retrieved.

    Parameters
    ----------
    optics : Schlieren
    iterations : int
    epsilon : float
        Tikhonov weight, against transfer functions of order I_tot. 1e-5 is unbiased; noisier data bear more.
    air_fraction : float
        Part of each row, at both ends, that sees air: it sets the row's phase offset, which no image shows.
    workers : int
        Threads for the FFTs.

    Raises
    ------
    ReconstructionError
        The cutoff blocks all light or none, so there is no phase contrast.
    """

    def __init__(
        self,
        optics: Schlieren,
        *,
        iterations: int = 7,
        epsilon: float = 1e-5,
        air_fraction: float = 1 / 32,
        workers: int = 1,
    ) -> None:
        background = optics.background
        if not 0 < background < 1:
            raise ReconstructionError(
                f"retrieval: no phase contrast, the cutoff at {optics.cutoff_per_m:.4g} per m passes "
                f"{background:.3f} of the light; bring its edge into the pupil's illumination"
            )
        self.optics = optics
        self.iterations = iterations
        self._model = ImageFormation(optics, workers=workers)
        self._background = optics.real.type(background)
        self._air = max(1, round(air_fraction * optics.shape[1]))
        self._workers = workers
        half = optics.shape[1] // 2 + 1
        alpha, phi = (transfer[:, :half] for transfer in transfer_functions(optics))
        self._to_alpha = (alpha.real / (2 * alpha.real**2 + epsilon)).astype(optics.real)
        self._to_phi = (phi.conj() / (2 * np.abs(phi) ** 2 + epsilon)).astype(optics.complex)
        self._to_preview = (phi.conj() / (np.abs(phi) ** 2 + _PREVIEW_EPSILON)).astype(optics.complex)

    def pair(self, image_0: FloatArray, image_180: FloatArray) -> Field:
        """Field at the angle of ``image_0``.

        Parameters
        ----------
        image_0, image_180 : real (ny, nx)
            Air = I_tot, both centred on the rotation axis, both as measured.
        """
        first = self._checked(image_0)
        second = np.ascontiguousarray(self._checked(image_180)[:, ::-1])
        alpha = np.zeros(self.optics.shape, self.optics.real)
        phi = np.zeros_like(alpha)
        model_0 = model_180 = np.full_like(alpha, self._background)
        signal = _norm(first - model_0, second - model_180)
        residual = []
        for _ in range(self.iterations):
            local = self._background / np.maximum(np.maximum(model_0, model_180), _DARKEST * self._background)
            missing_0, missing_180 = first - model_0, second - model_180
            alpha += local * self._filtered(missing_0 + missing_180, self._to_alpha)
            phi += local * self._filtered(missing_0 - missing_180, self._to_phi)
            model_0, model_180 = self._model.pair(self._transmission(alpha, phi))
            residual.append(_norm(first - model_0, second - model_180) / signal if signal else 0.0)
        return Field(alpha.astype(np.float32), self._grounded(phi), tuple(residual))

    def preview(self, image: FloatArray) -> FloatArray:
        """Phase (ny, nx) from one image, linear and as if nothing absorbed: for the eye, not for numbers."""
        missing = self._checked(image) - self._background
        return self._grounded(self._filtered(missing, self._to_preview))

    def _checked(self, image: FloatArray) -> FloatArray:
        if np.shape(image) != tuple(self.optics.shape):
            raise ReconstructionError(
                f"retrieval: wanted an image of {self.optics.shape} pixels, found {np.shape(image)}"
            )
        return np.asarray(image, dtype=self.optics.real)

    def _filtered(self, image: FloatArray, response: FloatArray | ComplexArray) -> FloatArray:
        spectrum = scipy.fft.rfft2(image, workers=self._workers)
        spectrum *= response
        return scipy.fft.irfft2(spectrum, self.optics.shape, overwrite_x=True, workers=self._workers)

    def _transmission(self, alpha: FloatArray, phi: FloatArray) -> ComplexArray:
        amplitude = np.exp(alpha)
        transmission = np.empty(alpha.shape, self.optics.complex)
        np.multiply(amplitude, np.cos(phi), out=transmission.real)
        np.multiply(amplitude, np.sin(phi), out=transmission.imag)
        return transmission

    def _grounded(self, phi: FloatArray) -> FloatArray:
        """Each row's phase offset taken from the air at its ends."""
        air = 0.5 * (phi[:, : self._air].mean(axis=1) + phi[:, -self._air :].mean(axis=1))
        return (phi - air[:, None]).astype(np.float32)


def _norm(first: FloatArray, second: FloatArray) -> float:
    return float(np.hypot(np.linalg.norm(first), np.linalg.norm(second)))
