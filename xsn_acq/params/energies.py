"""Which photon energies a scan visits, and in which order."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from xsn_acq.params.base import Params

EnergyEv = Annotated[float, Field(gt=0, le=200_000, allow_inf_nan=False)]
SAME_EV = 1e-6


class Segment(Params):
    """Evenly spaced energies from ``start_ev`` to ``stop_ev``, both included where the step fits.

    >>> Segment(start_ev=8313.0, stop_ev=8325.0, step_ev=4.0).energies_ev
    (8313.0, 8317.0, 8321.0, 8325.0)
    """

    start_ev: EnergyEv
    """First energy, eV."""
    stop_ev: EnergyEv
    """Last energy, eV, above the first."""
    step_ev: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Step, eV, above 0."""

    @property
    def energies_ev(self) -> tuple[float, ...]:
        """All energies, rising."""
        count = int((self.stop_ev - self.start_ev) / self.step_ev + SAME_EV) + 1
        return tuple(round(self.start_ev + index * self.step_ev, 6) for index in range(count))

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.stop_ev < self.start_ev:
            raise ValueError(f"stop_ev: wanted {self.start_ev:g} eV or more, found {self.stop_ev:g} eV")
        return self


class Energies(Params):
    """Energies of a scan: a list, or pieces with steps of their own; both together are refused.

    >>> pieces = [Segment(start_ev=8300.0, stop_ev=8320.0, step_ev=10.0),
    ...           Segment(start_ev=8320.0, stop_ev=8324.0, step_ev=2.0)]
    >>> Energies(segments=pieces, order="down").sequence_ev
    (8324.0, 8322.0, 8320.0, 8310.0, 8300.0)
    """

    energies_ev: Annotated[tuple[EnergyEv, ...], Field(max_length=10_000, strict=False)] = ()
    """Energies, eV; none where ``segments`` says them."""
    segments: Annotated[tuple[Segment, ...], Field(max_length=100, strict=False)] = ()
    """Pieces of evenly spaced energies, each ``{start_ev, stop_ev, step_ev}``; common ends count once."""
    order: Literal["up", "down", "as_given"] = "up"
    """Order in which they are visited: axes come from below, so that "up" is the fastest."""
    repeats: Annotated[int, Field(ge=1, le=1000)] = 1
    """How often the whole list is visited, 1 to 1000."""

    @property
    def once_ev(self) -> tuple[float, ...]:
        """Energies of one round, in order."""
        given = [*self.energies_ev, *(energy for piece in self.segments for energy in piece.energies_ev)]
        if self.order == "as_given":
            return _without_doublets(given)
        rising = _without_doublets(sorted(given))
        return rising if self.order == "up" else rising[::-1]

    @property
    def sequence_ev(self) -> tuple[float, ...]:
        """All energies in the order of the scan."""
        return self.once_ev * self.repeats

    @model_validator(mode="after")
    def _some(self) -> Self:
        if bool(self.energies_ev) == bool(self.segments):
            found = "both" if self.segments else "none"
            raise ValueError(f"energies_ev: wanted energies_ev or segments, found {found}; give one of them")
        return self


def _without_doublets(energies: Iterable[float]) -> tuple[float, ...]:
    """Neighbours that are the same count once."""
    given = list(energies)
    return tuple(given[:1]) + tuple(b for a, b in pairwise(given) if abs(b - a) > SAME_EV)
