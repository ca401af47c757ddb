"""What is minimised: half of chi-square, and a prior that likes smooth fields with some sharp rims.

f = L + mu e^2 sum_pixels sum_v (sqrt(1 + (u_v / e)^2) - 1), u = F^-1 (k / k_0)^2 F x the bend of a variable,
k_0 one cycle in 10 um. Where a field bends little this is mu u^2 / 2, the quadratic prior mu (k / k_0)^4; a
rim is charged for in proportion, not by its square, which would rather lose the step of phase across it.
The variables x_v are what an assumption leaves free: of one material only phi, alpha = c phi; else
d = alpha / c - phi beside it, which is as large as phi is, so that one prior fits both.
"""

from dataclasses import dataclass
from typing import Any

from xsn_acq.analysis.pwf.forward import Data, ImageModel

_SCALE_M = 10e-6
"""Period at which the bend of a wave is the wave."""
_SHARP = 0.2
"""Bend e beyond which a place counts as a rim, radians: that of glass balls 20 um wide inside."""


@dataclass(frozen=True)
class Assumption:
    """What is known of the sample beforehand.

    Attributes
    ----------
    beta_over_delta : float
        c. Of one material alpha = c phi holds; otherwise it is where alpha is drawn to.
    single_material : bool
        Whether it holds.
    """

    beta_over_delta: float
    single_material: bool

    @property
    def directions(self) -> tuple[complex, ...]:
        """What a unit of each variable does to psi = alpha + i phi."""
        of_phi = complex(self.beta_over_delta, 1.0)
        return (of_phi,) if self.single_material else (complex(self.beta_over_delta), of_phi)


class Objective:
    """The sum to be minimised, of variables (V, Ny, Nx).

    Parameters
    ----------
    model : ImageModel
    diffusers : tuple of complex (Ny, Nx)
        Transmission of the diffuser at each position.
    assumption : Assumption
    mu : float
        Weight of the prior: chi-square for a bend of 1 rad in a pixel.
    sharp : float
        e, radians.
    """

    def __init__(
        self,
        model: ImageModel,
        diffusers: tuple[Any, ...],
        assumption: Assumption,
        mu: float,
        *,
        sharp: float = _SHARP,
    ) -> None:
        self.model = model
        self.diffusers = diffusers
        self.assumption = assumption
        self.mu = mu
        self.bend = (model.grid.frequency() * _SCALE_M) ** 2
        self._sharp = sharp
        self._bend = model.array(self.bend)

    def behind(self, diffusers: tuple[Any, ...]) -> "Objective":
        """Return the same with other diffusers."""
        return Objective(self.model, diffusers, self.assumption, self.mu, sharp=self._sharp)

    def value(self, x: Any, data: Data) -> tuple[float, Any]:
        """Value and gradient (V, Ny, Nx) at variables (V, Ny, Nx)."""
        loss, slope = self.model.loss(self.wave(x), self.diffusers, data)
        penalty, pull = self._prior(x)
        return loss + penalty, self.along(slope) + pull

    def wave(self, x: Any) -> Any:
        """exp(psi) of variables (V, Ny, Nx)."""
        return self.model.fourier.wave(*self.psi(x))

    def psi(self, x: Any) -> tuple[Any, Any]:
        """Alpha and phi, (Ny, Nx) each."""
        c = self.assumption.beta_over_delta
        phi = x[-1, ...]
        return (c * phi if self.assumption.single_material else c * (x[0, ...] + phi)), phi

    def variables(self, alpha: Any, phi: Any) -> Any:
        """Variables (V, Ny, Nx) of a field; what the assumption forbids is left out."""
        xp = self.model.fourier.xp
        if self.assumption.single_material:
            return phi[None, ...]
        return xp.stack([alpha / self.assumption.beta_over_delta - phi, phi])

    def along(self, slope: Any) -> Any:
        """Derivatives (V, Ny, Nx) by the variables, of those by psi (complex)."""
        xp = self.model.fourier.xp
        parts = [d.real * xp.real(slope) + d.imag * xp.imag(slope) for d in self.assumption.directions]
        return xp.stack(parts)

    def _prior(self, x: Any) -> tuple[float, Any]:
        xp = self.model.fourier.xp
        bent = self._bent(x)
        root = xp.sqrt(1 + (bent / self._sharp) ** 2)
        penalty = self.mu * self._sharp**2 * float(xp.sum(root - 1, dtype=xp.float64))
        return penalty, self.mu * self._bent(bent / root)

    def _bent(self, x: Any) -> Any:
        fourier = self.model.fourier
        return fourier.irfft2(fourier.rfft2(x) * self._bend, self.model.grid.padded)
