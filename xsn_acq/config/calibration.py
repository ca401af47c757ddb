"""What was measured on the instrument."""

from datetime import date
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from xsn_acq.config.base import Finite, Frozen, Positive


class KnifeEdgeCalibration(Frozen):
    """Knife-edge curve: fraction of the light that passes with the edge at a frequency (paper, Eq. 6)."""

    date: date
    energy_ev: Positive
    frequency_per_um: tuple[Finite, ...]
    transmitted: tuple[Annotated[float, Field(ge=0, le=1)], ...]

    @model_validator(mode="after")
    def _curve(self) -> Self:
        x, w = self.frequency_per_um, self.transmitted
        if len(x) != len(w) or len(x) < 2:
            raise ValueError(f"needs two or more points on both lists, found {len(x)} and {len(w)}")
        if any(b <= a for a, b in pairwise(x)):
            raise ValueError("frequency_per_um must rise")
        if any(b > a for a, b in pairwise(w)):
            raise ValueError("transmitted must not rise")
        if w[0] != 1.0 or w[-1] != 0.0:
            raise ValueError(f"transmitted must run from 1 to 0, found {w[0]} to {w[-1]}")
        return self


class RotationAxisCalibration(Frozen):
    """Column of the rotation axis on the unbinned sensor (pixel centres at integers) at a stage position."""

    date: date
    energy_ev: Positive
    column: Finite
    sample_x_um: Finite


class Calibration(Frozen):
    """What was measured on the instrument, each with its date and energy."""

    knife_edge: KnifeEdgeCalibration
    rotation_axis: RotationAxisCalibration
