"""Parameters of speckle microtomography."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from xsn_acq.params.tomography import FlyTomography

LEAST_FREE = 3
"""So many diffuser positions tell absorption and phase apart without a bond between them."""
MOST_POSITIONS = 12

Millimetres = Annotated[float, Field(ge=-1000, le=1000, allow_inf_nan=False)]
Position = Annotated[tuple[Millimetres, Millimetres], Field(strict=False)]


class SpeckleTomography(FlyTomography):
    """Speckle microtomography on the fly: one tomogram for each position of the diffuser, to and fro.

    The defaults are the paper's: 801 frames of 100 ms from 0 to 180 degrees, both included.

    >>> SpeckleTomography().step_deg
    0.225
    >>> SpeckleTomography(positions=3, step_mm=0.1).places_mm
    ((-0.05, -0.05), (0.05, -0.05), (0.05, 0.05))
    """

    projections: Annotated[int, Field(ge=2, le=100_000)] = 801
    """Frames over the span, 2 to 100000."""
    span_deg: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 180.0
    """Angle from first to last trigger, degrees, more than 0; the step is span / (projections - 1)."""
    exposure_s: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 0.1
    """Exposure of one frame, seconds, to 600."""
    binning: Literal[1, 2, 4] = 1
    """Camera pixels pooled along each side."""
    references: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Frames of the diffuser alone, 1 to 10000, each time they are taken."""
    references_every: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """References again after so many projections; none: before and after only."""
    references_after: bool = True
    """Whether references are taken after the projections."""
    positions: Annotated[int, Field(ge=1, le=MOST_POSITIONS)] = 1
    """Diffuser positions, 1 to 12, on a square grid about the middle of the sheet."""
    step_mm: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = 0.1
    """Distance of neighbours on that grid, mm."""
    positions_mm: Annotated[tuple[Position, ...], Field(max_length=MOST_POSITIONS, strict=False)] = ()
    """Diffuser positions (x, y), mm, in place of the grid."""
    mode: Literal["single_material", "free"] = "single_material"
    """Absorption tied to phase by one ratio, or free; free needs three positions."""
    beta_over_delta: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] | None = None
    """That ratio, of one material; none: of ``material``, else found from the data."""
    material: Annotated[str, Field(max_length=200)] = ""
    """Chemical formula of the sample, as SiO2; empty where it is not known."""

    @property
    def step_deg(self) -> float:
        """Angle from one frame to the next, degrees, without its sign: the last one is at the span's end."""
        return self.span_deg / (self.projections - 1)

    @property
    def places_mm(self) -> tuple[tuple[float, float], ...]:
        """Diffuser positions (x, y), mm."""
        return self.positions_mm or _grid(self.positions, self.step_mm)

    @property
    def spans(self) -> int:
        """How often references are taken between the projections, where none is lost."""
        every = self.references_every
        return 0 if every is None else math.ceil(self.projections / every) - 1

    @property
    def frames(self) -> int:
        """All frames at one position."""
        series = 1 + self.spans + self.references_after
        return self.darks + self.flats + series * self.references + self.projections

    @model_validator(mode="after")
    def _positions_fit(self) -> Self:
        places = self.places_mm
        if len(set(places)) < len(places):
            raise ValueError(f"positions_mm: wanted each position once, found {len(set(places))} different")
        if self.positions_mm and self.positions not in (1, len(places)):
            raise ValueError(
                f"positions: wanted {len(places)}, as many as positions_mm, found {self.positions}; "
                "leave it out"
            )
        if self.mode == "free" and len(places) < LEAST_FREE:
            raise ValueError(
                f"mode: free wants {LEAST_FREE} diffuser positions or more, found {len(places)}: from fewer, "
                "absorption takes what is phase; choose single_material, or more positions"
            )
        if len(places) > 1 and self.trigger != "position":
            raise ValueError(
                f"trigger: wanted position with {len(places)} diffuser positions, found {self.trigger}, with "
                "which their frames would show other angles"
            )
        if self.mode == "free" and self.beta_over_delta is not None:
            raise ValueError("beta_over_delta: wanted none with mode free, which ties nothing; leave it out")
        if self.material and self.beta_over_delta is not None:
            raise ValueError(
                f"beta_over_delta: wanted it or material, found {self.beta_over_delta:g} and "
                f"{self.material}; leave one out"
            )
        return self


def _grid(count: int, step_mm: float) -> tuple[tuple[float, float], ...]:
    """Positions on a square grid about 0, row by row, each row back where the last one went.

    >>> _grid(4, 1.0)
    ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
    """
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    places = []
    for number in range(count):
        row, column = divmod(number, columns)
        column = column if row % 2 == 0 else columns - 1 - column
        x, y = (column - (columns - 1) / 2) * step_mm, (row - (rows - 1) / 2) * step_mm
        places.append((round(x, 9), round(y, 9)))
    return tuple(places)
