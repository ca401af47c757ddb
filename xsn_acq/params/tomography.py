"""Parameters of fly tomograms."""

from abc import abstractmethod
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from xsn_acq.params.camera import CameraParams, FrameParams

HALF_TURN_DEG = 180.0
STEP_GRID_TOLERANCE = 1e-6


class FlyTomography(FrameParams):
    """A tomogram on the fly: the stage turns at constant velocity while frames are taken."""

    projections: Annotated[int, Field(ge=2, le=100_000)]
    """Frames over the span, 2 to 100000."""
    start_deg: Annotated[float, Field(ge=-3600, le=3600, allow_inf_nan=False)] = 0.0
    """Angle of the first trigger, degrees."""
    span_deg: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
    """Angle covered, degrees, more than 0."""
    direction: Literal[1, -1] = 1
    """Sense of rotation: 1 with rising angle, -1 with falling angle."""
    flats: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Frames with the sample out, 1 to 10000, each time flats are taken."""
    trigger: Literal["position", "free_running"] = "position"
    """Camera triggered by the encoder, or running freely while the encoder is captured at each exposure."""
    retakes: Annotated[int, Field(ge=0, le=20)] = 2
    """Rounds in which lost frames are taken again, 0 to 20."""

    @property
    def triggered(self) -> bool:
        """Whether the encoder triggers each frame."""
        return self.trigger == "position"

    @property
    @abstractmethod
    def step_deg(self) -> float:
        """Angle from one frame to the next, degrees, without its sign."""

    @property
    @abstractmethod
    def frames(self) -> int:
        """All frames of the run."""


class XsnTomography(FlyTomography, CameraParams):
    """X-ray schlieren nanotomography on the fly: the stage turns at constant velocity while frames are taken.

    The defaults are the paper's: 900 frames of 2 s over a full turn; each has a partner half a turn on.

    >>> XsnTomography().step_deg
    0.4
    >>> print(XsnTomography.from_yaml("{projections: 36, exposure_s: 0.1}").step_deg)
    10.0
    """

    projections: Annotated[int, Field(ge=2, le=100_000)] = 900
    """Frames over the span, 2 to 100000."""
    span_deg: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 360.0
    """Angle covered, degrees, more than 0; the step is span / projections."""
    flats_when: Literal["before", "after", "both"] = "before"
    """When flats are taken."""

    @property
    def step_deg(self) -> float:
        """Angle from one frame to the next, degrees, without its sign."""
        return self.span_deg / self.projections

    @property
    def takes_flats_before(self) -> bool:
        """Whether flats are taken before the projections."""
        return self.flats_when in ("before", "both")

    @property
    def takes_flats_after(self) -> bool:
        """Whether flats are taken after the projections."""
        return self.flats_when in ("after", "both")

    @property
    def frames(self) -> int:
        """All frames of the run."""
        flats = self.flats * (self.takes_flats_before + self.takes_flats_after)
        return self.darks + flats + self.projections

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        steps = HALF_TURN_DEG / self.step_deg
        if self.span_deg > HALF_TURN_DEG and abs(steps - round(steps)) > STEP_GRID_TOLERANCE * steps:
            raise ValueError(
                f"projections: half a turn must be a whole number of steps, found {steps:.3f} "
                f"({self.span_deg} deg / {self.projections}); choose projections so that frames have partners"
            )
        return self
