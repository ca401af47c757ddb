"""What a retrieval must know."""

from dataclasses import dataclass
from typing import Literal

from xsn_acq.analysis.pwf.diffuser import DiffuserPhase
from xsn_acq.analysis.pwf.forward import SpeckleOptics
from xsn_acq.errors import ReconstructionError

Mode = Literal["single_material", "free"]
FEWEST_FREE = 3
"""Diffuser positions that free absorption needs: with fewer it takes up the speckles' shift."""


@dataclass(frozen=True)
class PwfSettings:
    """How fields are retrieved.

    Attributes
    ----------
    optics : SpeckleOptics
    beta_over_delta : float
        c of the sample. Of a single material alpha = c phi; in ``free`` mode where alpha is drawn to.
    photons : float
        Of one exposure, per pixel, in the light of the flat.
    mode : "single_material" or "free"
        The latter needs three diffuser positions or more.
    reference_frames : int
        Exposures in the mean of each reference.
    flat_frames : int, optional
        Exposures in the mean of the flat: its noise is in reference and projection alike. None: it has none.
    diffuser_beta_over_delta : float
        Of its grains: SiC at 10 keV.
    diffuser_phase : "own_phase" or "zero_phase"
    mu : float or None
        Weight of the prior; None: chosen by held-out pixels of the first projection.
    enough : float
        It stops when the next step would lower the objective by less than this part of what noise puts into
        it.
    most : int
        Gradients, at most.
    double : bool
        float64 instead of float32.

    Raises
    ------
    ReconstructionError
        A number is out of its range.
    """

    optics: SpeckleOptics
    beta_over_delta: float
    photons: float
    mode: Mode = "single_material"
    reference_frames: int = 1
    flat_frames: int | None = None
    diffuser_beta_over_delta: float = 0.0109
    diffuser_phase: DiffuserPhase = "own_phase"
    mu: float | None = None
    enough: float = 2e-3
    most: int = 200
    double: bool = False

    def __post_init__(self) -> None:
        above_zero = (
            "beta_over_delta",
            "photons",
            "reference_frames",
            "diffuser_beta_over_delta",
            "enough",
            "most",
        )
        for name in above_zero:
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise ReconstructionError(f"speckle retrieval: {name}: wanted above 0, found {value}")
        if self.mu is not None and not 0 < self.mu < float("inf"):
            raise ReconstructionError(f"speckle retrieval: mu: wanted above 0 or none, found {self.mu}")

    @property
    def noise(self) -> float:
        """Variance between image and model by chance, in units of one exposure's."""
        of_flat = 0.0 if self.flat_frames is None else 1 / self.flat_frames
        return 1 + 1 / self.reference_frames + of_flat

    @property
    def single_material(self) -> bool:
        """Whether absorption is tied to phase."""
        return self.mode == "single_material"
