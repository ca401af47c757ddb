"""What a detector hands to its plugins."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from xsn_acq.units import EPICS_EPOCH_S


@dataclass(frozen=True)
class Frame:
    """An image as the camera hands it to its plugins; ``time_s`` its stamp: the end of its readout.

    ``attributes`` are numbers that go along, by name.
    """

    image: NDArray[Any]
    unique_id: int
    time_s: float
    attributes: Mapping[str, float] = field(default_factory=dict)

    @property
    def epics_stamp(self) -> tuple[int, int]:
        """The array's ``epicsTS``: seconds since 1990, and nanoseconds."""
        return epics_time(self.time_s)

    @property
    def time_stamp(self) -> float:
        """The array's ``timeStamp``, which the camera does not set."""
        return 0.0


@dataclass(frozen=True)
class StampedFrame(Frame):
    """An image of a driver that sets both stamps."""

    @property
    def time_stamp(self) -> float:
        """Seconds since 1990."""
        return self.time_s - EPICS_EPOCH_S


@dataclass(frozen=True)
class SpectrumFrame(StampedFrame):
    """Spectra as the Xspress3 hands them to its plugins; it sets the other stamp than the camera."""

    @property
    def epics_stamp(self) -> tuple[int, int]:
        """Never set by this driver."""
        return 0, 0


def epics_time(unix_s: float) -> tuple[int, int]:
    """Seconds since 1990 and nanoseconds of a time in seconds since 1970.

    >>> epics_time(631152001.25)
    (1, 250000000)
    """
    whole = int(unix_s // 1)
    return whole - EPICS_EPOCH_S, round((unix_s - whole) * 1e9)
