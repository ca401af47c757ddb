"""What is minimised: half of chi-square, and a prior that likes smooth fields.

f = L + 1/2 sum_k R_v |x_v^|^2 over the variables x_v, R = mu (k / k_0)^4, k_0 one cycle in 10 um. The
variables are what an assumption leaves free: of one material only phi, alpha = c phi; else d = alpha - c phi
beside it.
"""

from dataclasses import dataclass
from typing import Any

from xsn_acq.analysis.pwf.forward import Data, ImageModel

_SCALE_M = 10e-6
"""Period at which the prior weighs mu: the transform is unitary, so mu is in chi-square per rad^2."""


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
        return (of_phi,) if self.single_material else (1 + 0j, of_phi)


class Objective:
    """The sum to be minimised, of variables (V, Ny, Nx).

    Parameters
    ----------
    model : ImageModel
    diffusers : tuple of complex (Ny, Nx)
        Transmission of the diffuser at each position.
    assumption : Assumption
    mu : float
        Weight of the prior.
    """

    def __init__(
        self, model: ImageModel, diffusers: tuple[Any, ...], assumption: Assumption, mu: float
    ) -> None:
        self.model = model
        self.diffusers = diffusers
        self.assumption = assumption
        self.prior = prior_weight(model, mu)

    def value(self, x: Any, data: Data) -> tuple[float, Any]:
        """Value and gradient (V, Ny, Nx) at variables (V, Ny, Nx)."""
        xp = self.model.fourier.xp
        loss, slope = self.model.loss(self.wave(x), self.diffusers, data)
        smooth = self.model.fourier.irfft2(self.model.fourier.rfft2(x) * self.prior, self.model.grid.padded)
        penalty = 0.5 * float(xp.sum(x * smooth, dtype=xp.float64))
        return loss + penalty, self.along(slope) + smooth

    def wave(self, x: Any) -> Any:
        """exp(psi) of variables (V, Ny, Nx)."""
        return self.model.fourier.wave(*self.psi(x))

    def psi(self, x: Any) -> tuple[Any, Any]:
        """Alpha and phi, (Ny, Nx) each."""
        c = self.assumption.beta_over_delta
        phi = x[-1]
        return (c * phi if self.assumption.single_material else x[0] + c * phi), phi

    def variables(self, alpha: Any, phi: Any) -> Any:
        """Variables (V, Ny, Nx) of a field; what the assumption forbids is left out."""
        xp = self.model.fourier.xp
        if self.assumption.single_material:
            return phi[None]
        return xp.stack([alpha - self.assumption.beta_over_delta * phi, phi])

    def along(self, slope: Any) -> Any:
        """Derivatives (V, Ny, Nx) by the variables, of those by psi (complex)."""
        xp = self.model.fourier.xp
        parts = [d.real * xp.real(slope) + d.imag * xp.imag(slope) for d in self.assumption.directions]
        return xp.stack(parts)


def prior_weight(model: ImageModel, mu: float) -> Any:
    """R of each frequency of ``rfft2``, an array of the model's library."""
    return model.array(mu * (model.grid.frequency() * _SCALE_M) ** 4)
