"""What earlier runs have of a scan, so that a new session goes on where it ended.

A scan is one over energies, or over positions of a diffuser: a run for each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class PartProgress:
    """What earlier runs have of the tomogram at one energy, or at one position of the diffuser.

    Attributes
    ----------
    good : frozenset of int
        Targets with a good frame that is in its file.
    runs : tuple of str
        Uids of the runs these frames are of, oldest first.
    phase_deg : float or None
        Where in its step the first frame lay, of a camera that ran freely, degrees.
    """

    good: frozenset[int] = frozenset()
    runs: tuple[str, ...] = ()
    phase_deg: float | None = None


NOTHING: Final = PartProgress()
"""Nothing was taken yet."""


@dataclass(frozen=True)
class Progress:
    """What earlier runs have of a scan.

    Attributes
    ----------
    scan : str
        Uid of the scan.
    parts : mapping of int to PartProgress
        By the number of the energy, or position, in the sequence of the scan; one not begun may lack.
    places : mapping of str to float
        Where motors stood as the scan began, by name, in their units; the energy in eV.
    """

    scan: str
    parts: Mapping[int, PartProgress] = field(default_factory=dict)
    places: Mapping[str, float] = field(default_factory=dict)

    def at(self, number: int) -> PartProgress:
        """What there is of an energy or position.

        >>> Progress("1a2b3c4d", {0: PartProgress(frozenset({0, 1}), ("5e6f7a8b",))}).at(0).runs
        ('5e6f7a8b',)
        >>> Progress("1a2b3c4d").at(7).good
        frozenset()
        """
        return self.parts.get(number, NOTHING)

    def complete(self, number: int, projections: int) -> bool:
        """Whether all of so many projections there are taken."""
        return len(self.at(number).good) >= projections
