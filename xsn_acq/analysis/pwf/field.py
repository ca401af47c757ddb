"""What a retrieval gives."""

from dataclasses import dataclass
from typing import Any

from xsn_acq.analysis.pwf.one_material import MaterialCheck
from xsn_acq.analysis.pwf.settings import FEWEST_FREE, Mode
from xsn_acq.optics.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class SpeckleField:
    """What the sample does to the wave, t = exp(alpha + i phi), and how well it explains the images.

    Attributes
    ----------
    alpha, phi : float32 (ny, nx)
        -k0 times the line integrals of beta and of delta. In ``free`` mode phi has no absolute zero: its mean
        is that of its start.
    rmse : float32 (ny, nx)
        Measured less modelled intensity, root mean square over diffuser positions, in parts of the mean
        reference; 0 where no position has a value.
    chi2 : float
        Mean over pixels of (residual / noise)^2.
    gradients : int
    converged : bool
    mode : "single_material" or "free"
    mu : float
        Weight of the prior.
    check : MaterialCheck or None
        Of a single material: whether the images contradict it.
    variables : array (V, Ny, Nx)
        What was fitted, on the padded field and in the model's library: where the next angle starts.
    """

    alpha: FloatArray
    phi: FloatArray
    rmse: FloatArray
    chi2: float
    gradients: int
    converged: bool
    mode: Mode
    mu: float
    check: MaterialCheck | None
    variables: Any

    @property
    def flags(self) -> tuple[str, ...]:
        """What a person must know, one line each."""
        said = []
        if not self.converged:
            said.append(f"not converged after {self.gradients} gradients")
        if self.check is not None and not self.check.holds:
            said.append(
                f"not of one material (strain {self.check.strain:.1f}): phase and absorption are wrong; "
                f"take {FEWEST_FREE} diffuser positions or more and mode free"
            )
        return tuple(said)
