"""Which frames of a turn belong together: two half a turn apart show one field from both sides."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HALF_TURN_DEG = 180.0
NO_PARTNER = -1
"""Index in the place of a partner's, of a field made from one frame."""


@dataclass(frozen=True)
class Shot:
    """A frame: its index in the file and its angle in mid-exposure, degrees."""

    index: int
    theta_deg: float


class Pairing:
    """Push frames in any order; the partner comes back with the second one of a pair.

    Parameters
    ----------
    step_deg : float
        Angle between frames; a partner may be off by a quarter of it.

    Examples
    --------
    >>> pairing = Pairing(step_deg=60.0)
    >>> pairing.push(Shot(0, 10.0)), pairing.push(Shot(3, 190.1))
    (None, Shot(index=0, theta_deg=10.0))
    """

    def __init__(self, step_deg: float) -> None:
        self._near_deg = step_deg / 4
        self.clear()

    def clear(self) -> None:
        """Forget all frames."""
        self._waiting: list[Shot] = []
        self._seen: list[float] = []

    def has_seen(self, theta_deg: float) -> bool:
        """Whether there was a frame at this angle: the first one wins."""
        return bool(self._at(self._seen, theta_deg).size)

    def push(self, shot: Shot) -> Shot | None:
        """Take a frame at a new angle; its partner, or None where it has to wait for it."""
        self._seen.append(shot.theta_deg)
        partners = self._at([frame.theta_deg for frame in self._waiting], shot.theta_deg + HALF_TURN_DEG)
        if partners.size:
            return self._waiting.pop(int(partners[0]))
        self._waiting.append(shot)
        return None

    @property
    def alone(self) -> tuple[Shot, ...]:
        """Frames whose partner has not come."""
        return tuple(self._waiting)

    def push_pair(self, index_0: int, index_180: int, theta_deg: float) -> None:
        """Take a pair made before, from a checkpoint, or a frame alone; its frames then count as seen."""
        self._seen.append(theta_deg)
        if index_180 != NO_PARTNER:
            self._seen.append(theta_deg + HALF_TURN_DEG)
        self._waiting = [frame for frame in self._waiting if frame.index not in (index_0, index_180)]

    def _at(self, angles: list[float], theta_deg: float) -> NDArray[np.intp]:
        """Positions in ``angles`` of what is at ``theta_deg``, whole turns apart or not."""
        difference = np.asarray(angles, dtype=float) - theta_deg
        off = np.abs((difference + HALF_TURN_DEG) % (2 * HALF_TURN_DEG) - HALF_TURN_DEG)
        return np.flatnonzero(off < self._near_deg)
