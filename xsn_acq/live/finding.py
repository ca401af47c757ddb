"""What a calibration run says, and what all findings share."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from matplotlib.figure import Figure

from xsn_acq.live.points import RunPoints

SAME_ENERGY_EV = 1.0
"""An entry of a table takes the place of those that are so near in energy."""
_DIGITS = 6


@dataclass(frozen=True)
class Finding:
    """What a calibration run says.

    Attributes
    ----------
    kind : str
        Section of the calibration.
    section : dict or list of dict
        Its content.
    line : str
        For a person, with the uncertainty.
    draw : callable
        Draws it on an empty figure.
    """

    kind: str
    section: dict[str, Any] | list[dict[str, Any]]
    line: str
    draw: Callable[[Figure], None]


def head(points: RunPoints, energy_ev: float | None = None) -> dict[str, Any]:
    """When, at which energy (left out: where the run stood), in which run."""
    day = datetime.fromtimestamp(points.run.start["time"], UTC).date()
    energy = points.energy_ev if energy_ev is None else energy_ev
    return {"date": day, "energy_ev": round(energy, 2), "run": points.run.uid}


def rounded(value: float) -> float:
    """Value with the digits that are stored."""
    return round(float(value), _DIGITS)
