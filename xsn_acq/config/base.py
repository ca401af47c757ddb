"""What every part of a beamline file is made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Prefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9_:.\-{}\[\]]+$")]


class Frozen(BaseModel):
    """A part of the file: frozen, unknown keys refused, nothing converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
