"""The paper's plain descent, for comparison.

phi <- phi - s F^-1{k^-2 F{dL/dphi}} and alpha <- alpha - s dL/dalpha (Eqs. 6-11), with the priors
Gamma^2 (mu_a |alpha^|^2 + mu_p |phi^|^2), Gamma^2 = 1 - STF (Eq. 15). It stops when the normalised
correlation of the field exp(psi) with that of the step before exceeds 10^-0.00001 (Methods). The paper's step
is not in its text: here it is halved until the loss falls, and a tenth longer after each step that lowered
it. How many gradients the rule takes depends on the step, and on mu.
"""

import math
from dataclasses import dataclass
from typing import Any

from xsn_acq.analysis.pwf.fitting import inner
from xsn_acq.analysis.pwf.forward import Data, ImageModel
from xsn_acq.optics.coherence import sample_transfer

STILL = 10**-0.00001
LONGER = 1.1
"""Twice as long, every second step would fail."""


@dataclass(frozen=True, eq=False)
class Descended:
    """Where the descent ended.

    Attributes
    ----------
    alpha, phi : (Ny, Nx)
        On the padded field; phi without its mean.
    values : tuple of float
        Loss and prior at each gradient.
    converged : bool
        The field had come to rest.
    """

    alpha: Any
    phi: Any
    values: tuple[float, ...]
    converged: bool


class PlainDescent:
    """Preconditioned gradient descent in alpha and phi.

    Parameters
    ----------
    model : ImageModel
    diffusers : tuple of complex (Ny, Nx)
    mu_alpha, mu_phi : float
        Weights of the priors.
    still : float
        Correlation at which it stops; 1: never.
    """

    def __init__(
        self,
        model: ImageModel,
        diffusers: tuple[Any, ...],
        *,
        mu_alpha: float,
        mu_phi: float,
        still: float = STILL,
    ) -> None:
        self._model = model
        self._diffusers = diffusers
        self._still = still
        padded, optics = model.grid.padded, model.optics
        kept = sample_transfer(padded, optics.pixel_m, optics.coherence)[:, : padded[1] // 2 + 1]
        self._priors = tuple(model.array(mu * (1 - kept)) for mu in (mu_alpha, mu_phi))
        square = model.grid.frequency() ** 2 * optics.pixel_m**2
        square[0, 0] = math.inf
        self._inverse = model.array(1 / square)

    def retrieve(self, data: Data, alpha: Any, phi: Any, *, most: int) -> Descended:
        """Descend from a field (Ny, Nx), for ``most`` gradients at most."""
        value, slopes = self._value(data, alpha, phi)
        values, step = [value], self._first_step(slopes)
        while len(values) < most and step > 0:
            ahead = alpha - step * slopes[0], phi - step * self._filtered(slopes[1], self._inverse)
            new, turned = self._value(data, *ahead)
            values.append(new)
            if not new < value:
                step *= 0.5
                continue
            alike = self._correlation((alpha, phi), ahead)
            (alpha, phi), value, slopes, step = ahead, new, turned, LONGER * step
            if alike > self._still:
                return Descended(alpha, phi, tuple(values), True)
        return Descended(alpha, phi, tuple(values), False)

    def _first_step(self, slopes: tuple[Any, Any]) -> float:
        """Step that moves the field by 1 radian at most."""
        xp = self._model.fourier.xp
        moves = slopes[0], self._filtered(slopes[1], self._inverse)
        largest = max(float(xp.max(xp.abs(move))) for move in moves)
        return 1 / largest if largest > 0 else 0.0

    def _value(self, data: Data, alpha: Any, phi: Any) -> tuple[float, tuple[Any, Any]]:
        xp, model = self._model.fourier.xp, self._model
        total, slope = model.loss(model.fourier.wave(alpha, phi), self._diffusers, data)
        slopes = []
        for part, prior, own in zip(
            (alpha, phi), self._priors, (xp.real(slope), xp.imag(slope)), strict=True
        ):
            pull = self._filtered(part, prior)
            total += inner(model, part, pull)
            slopes.append(own + 2 * pull)
        return total, (slopes[0], slopes[1])

    def _filtered(self, values: Any, response: Any) -> Any:
        fourier = self._model.fourier
        return fourier.irfft2(fourier.rfft2(values) * response, self._model.grid.padded)

    def _correlation(self, one: tuple[Any, Any], other: tuple[Any, Any]) -> float:
        xp, fourier = self._model.fourier.xp, self._model.fourier
        first, second = fourier.wave(*one), fourier.wave(*other)
        product = xp.abs(xp.sum(xp.conj(first) * second))
        norms = [xp.sum(xp.abs(wave) ** 2, dtype=xp.float64) for wave in (first, second)]
        return float(product) / math.sqrt(float(norms[0]) * float(norms[1]))
