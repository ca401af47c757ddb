"""Phase and absorption from schlieren images (Hugonnet et al., Algorithm 1)."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.schlieren import ImageFormation, Schlieren, transfer_functions

_DARKEST = 0.02
"""Floor of the local intensity in the step, as a fraction of the background: a black pixel must not blow
up."""
_PREVIEW_EPSILON = 3e-4
"""Tikhonov weight of the one-image preview: it trades slow phase, which absorption would swamp, for calm."""
_LEAST_EPSILON = 1e-6
_LEAST_RESPONSE = 0.8
"""Frequencies are kept where absorption is transferred with this share of its plateau or more."""
_STILL = 1.02
"""A residual that grows by no more than this has converged to the noise."""


def tikhonov_weight(noise: float, background: float) -> float:
    """Weight epsilon for a relative noise of one frame: noise power over that of a phase of 1 rad a pixel.

    Seven iterations go on converging below it, so that it bounds noise and hardly biases: 1e-5 and 1e-4 give
    the same volumes to 0.01 %.

    >>> tikhonov_weight(0.02, 0.5)
    0.0001
    """
    return max((noise * background) ** 2, _LEAST_EPSILON)


@dataclass(frozen=True, eq=False)
class Field:
    """What the sample does to the wave: t = exp(alpha + i phi).

    Attributes
    ----------
    alpha, phi : float32 (ny, nx)
        -k0 times the line integrals of beta and of delta.
    residual : tuple of float
        |measured - modelled| / |measured - background| over all images, after each iteration.
    """

    alpha: FloatArray
    phi: FloatArray
    residual: tuple[float, ...]

    @property
    def converged(self) -> bool:
        """Whether the iterations came to rest: the last residual is finite and the least, or nearly so."""
        return has_converged(self.residual)


def has_converged(residual: tuple[float, ...]) -> bool:
    """Whether residuals came to rest: the last one is finite and the least, or nearly so.

    >>> has_converged((0.2, 0.05, 0.04)), has_converged((0.2, 0.05, 0.4))
    (True, False)
    """
    return bool(np.isfinite(residual).all() and residual[-1] <= _STILL * min(residual))


class XsnRetrieval:
    """Quasi-Newton retrieval with the exact image model.

    Each iteration deconvolves what the model still misses with D = (A^H A + eps)^-1 A^H, A the linear
    response of the images, and divides by the local intensity (paper, Eq. 14). The filter at 180 degrees is
    the mirrored one, so A splits: alpha follows from the sum of both images, phi from their difference. It
    starts from an empty field (I = I_tot). Frequencies at and beyond the rim of the pupil are not retrieved.

    Parameters
    ----------
    optics : Schlieren
    iterations : int
    epsilon : float
        Tikhonov weight, against transfer functions of order I_tot, see `tikhonov_weight`.
    air_fraction : float
        Part of each row, at both ends, that sees air: it sets the row's phase offset, which no image shows.
    workers, xp, device
        See `xsn_acq.optics.fourier.Fourier`.

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
        xp: ModuleType = np,
        device: Any = None,
    ) -> None:
        background = optics.background
        if not 0 < background < 1:
            raise ReconstructionError(
                f"retrieval: no phase contrast, the cutoff at {optics.cutoff_per_m:.4g} per m passes "
                f"{background:.3f} of the light; bring its edge into the pupil's illumination"
            )
        self.optics = optics
        self.iterations = iterations
        self._epsilon = epsilon
        self._model = ImageFormation(optics, workers=workers, xp=xp, device=device)
        self._fourier = self._model.fourier
        self._background = background
        self._air = max(1, round(air_fraction * optics.shape[1]))
        self._alpha, self._phi = _responses(optics)
        self._to_alpha = self._filter(self._alpha / (2 * self._alpha**2 + epsilon))
        self._to_phi = self._filter(self._phi.conj() / (2 * np.abs(self._phi) ** 2 + epsilon))
        self._to_preview = self._filter(self._phi.conj() / (np.abs(self._phi) ** 2 + _PREVIEW_EPSILON))

    def pair(self, image_0: FloatArray, image_180: FloatArray) -> Field:
        """Field at the angle of ``image_0``.

        Parameters
        ----------
        image_0, image_180 : real (ny, nx)
            Air = I_tot, both centred on the rotation axis, both as measured.
        """
        measured = (self._checked(image_0), self._checked(np.ascontiguousarray(image_180[..., ::-1])))

        def step(missing: tuple[Any, ...]) -> tuple[Any, Any]:
            to_alpha = self._filtered(missing[0] + missing[1], self._to_alpha)
            return to_alpha, self._filtered(missing[0] - missing[1], self._to_phi)

        return self._iterate(measured, step, self._model.pair, self.iterations)

    def linear(self, image_0: FloatArray, image_180: FloatArray) -> Field:
        """Field by one linear (Tikhonov) step: fast, and too weak for strong samples (paper, Eq. 4)."""
        sample = self._checked(image_0), self._checked(np.ascontiguousarray(image_180[..., ::-1]))
        first, second = (image - self._background for image in sample)
        alpha = self._filtered(first + second, self._to_alpha)
        return Field(self._out(alpha), self._grounded(self._filtered(first - second, self._to_phi)), ())

    def single(self, image: FloatArray, beta_over_delta: float, *, iterations: int = 21) -> Field:
        """Field from one image, for a sample of one material: alpha = beta/delta phi.

        For scans of half a turn, whose frames have no partner. A sample that breaks the assumption gets the
        absorption it lacks or has too much of as phase of low frequency.

        Parameters
        ----------
        image : real (ny, nx), air = I_tot
        beta_over_delta : float
            From tables, above 0; it is what carries the slowest frequencies, so these converge last.
        iterations : int
            Three times those of a pair.

        Raises
        ------
        ReconstructionError
            The ratio is not above 0.
        """
        if not beta_over_delta > 0:
            raise ReconstructionError(
                f"retrieval from one image: wanted beta/delta above 0, found {beta_over_delta}"
            )
        response = beta_over_delta * self._alpha + self._phi
        weight = min(self._epsilon, (0.1 * beta_over_delta * self._background) ** 2)
        to_phi = self._filter(response.conj() / (np.abs(response) ** 2 + weight))

        def step(missing: tuple[Any, ...]) -> tuple[Any, Any]:
            phi = self._filtered(missing[0], to_phi)
            return beta_over_delta * phi, phi

        def model(transmission: Any) -> tuple[Any, ...]:
            return (self._model.intensity(transmission),)

        return self._iterate((self._checked(image),), step, model, iterations, grounded=False)

    def preview(self, image: FloatArray) -> FloatArray:
        """Phase (ny, nx) from one image, linear and as if nothing absorbed: for the eye, not for numbers."""
        missing = self._checked(image) - self._background
        return self._grounded(self._filtered(missing, self._to_preview))

    def _iterate(
        self,
        measured: tuple[Any, ...],
        step: Callable[[tuple[Any, ...]], tuple[Any, Any]],
        model: Callable[[Any], tuple[Any, ...]],
        iterations: int,
        *,
        grounded: bool = True,
    ) -> Field:
        """Algorithm 1 for one image or two, with the step and the model that belong to them."""
        xp = self._fourier.xp
        alpha, phi = xp.zeros_like(measured[0]), xp.zeros_like(measured[0])
        missing = tuple(image - self._background for image in measured)
        signal, residual = _norm(xp, missing), []
        modelled: tuple[Any, ...] = ()
        for _ in range(iterations):
            local = self._local(modelled)
            more_alpha, more_phi = step(missing)
            alpha = alpha + local * more_alpha
            phi = phi + local * more_phi
            modelled = model(self._fourier.wave(alpha, phi))
            missing = tuple(image - other for image, other in zip(measured, modelled, strict=True))
            residual.append(_norm(xp, missing) / signal if signal else 0.0)
        phase = self._grounded(phi) if grounded else self._out(phi)
        return Field(self._out(alpha), phase, tuple(residual))

    def _local(self, modelled: tuple[Any, ...]) -> Any:
        """Background over the local intensity, the larger of both images."""
        if not modelled:
            return 1.0
        xp = self._fourier.xp
        brightest = modelled[0] if len(modelled) == 1 else xp.maximum(*modelled)
        return self._background / xp.clip(brightest, _DARKEST * self._background)

    def _checked(self, image: FloatArray) -> Any:
        if np.shape(image) != tuple(self.optics.shape):
            raise ReconstructionError(
                f"retrieval: wanted an image of {self.optics.shape} pixels, found {np.shape(image)}"
            )
        return self._fourier.array(image, self.optics.real)

    def _filter(self, response: np.ndarray) -> Any:
        kind = self.optics.complex if np.iscomplexobj(response) else self.optics.real
        return self._fourier.array(response, kind)

    def _filtered(self, image: Any, response: Any) -> Any:
        return self._fourier.irfft2(self._fourier.rfft2(image) * response, self.optics.shape)

    def _out(self, values: Any) -> FloatArray:
        return self._fourier.numpy(values).astype(np.float32, copy=False)

    def _grounded(self, phi: Any) -> FloatArray:
        """Each row's phase offset taken from the air at its ends."""
        plain = self._out(phi)
        air = 0.5 * (plain[:, : self._air].mean(axis=1) + plain[:, -self._air :].mean(axis=1))
        return plain - air[:, None]


def _responses(optics: Schlieren) -> tuple[np.ndarray, np.ndarray]:
    """Transfer functions in the order of ``rfft2``; 0 where too little comes through."""
    half = optics.shape[1] // 2 + 1
    alpha, phi = (transfer[:, :half] for transfer in transfer_functions(optics))
    kept = alpha.real >= _LEAST_RESPONSE * optics.background
    return np.where(kept, alpha.real, 0.0), np.where(kept, phi, 0.0)


def _norm(xp: Any, images: tuple[Any, ...]) -> float:
    return float(np.sqrt(sum(float(xp.sum(image * image, dtype=xp.float64)) for image in images)))
