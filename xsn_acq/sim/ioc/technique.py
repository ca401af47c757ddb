"""What differs from technique to technique in the simulated beamline."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.camera import Camera
from xsn_acq.sim.ioc.channels import Served
from xsn_acq.sim.ioc.faults import Faults
from xsn_acq.sim.ioc.rendering import Renderer
from xsn_acq.sim.ioc.table import Records
from xsn_acq.sim.ioc.timeline import AxisMotion
from xsn_acq.sim.ioc.world import CommonWorld


@runtime_checkable
class Running(Protocol):
    """An instrument that does something by itself."""

    async def run(self) -> None:
        """Work for ever."""


class GatedDetector(Protocol):
    """A detector beside the camera."""

    def channels(self) -> dict[str, Served]:
        """All records, by full name."""

    def gate(self, time_s: float, width_s: float) -> None:
        """Take a pulse of the position compare."""

    async def advance(self, now_s: float) -> None:
        """Do what is due by ``now_s``."""

    async def run(self) -> None:
        """Work for ever."""

    def close(self) -> None:
        """Close files and threads."""


def _none(renderer: Renderer, clock: SimClock, faults: Faults) -> list[GatedDetector]:
    return []


@dataclass(frozen=True)
class Technique:
    """The parts that are one technique's own.

    Attributes
    ----------
    world : CommonWorld
        All hardware over time.
    light : callable
        Light in front of the experiment shutter at a time; 1 when all is aligned.
    state : callable
        What an exposure from begin to end sees.
    imager : callable
        Makes the microscope with the sample of a name.
    encoder : str
        Axis of the position compare.
    more_axes : mapping of str to AxisMotion
        Axes that are no motors, by the names that faults use.
    records : callable
        Makes the instruments that others do not have.
    camera : callable
        Makes the camera, of the parameters of `Camera`.
    gated : callable
        Makes the detectors that are gated together with the camera.
    """

    world: CommonWorld
    light: Callable[[float], float]
    state: Callable[[float, float], Any]
    imager: Callable[[str], Any]
    encoder: str
    more_axes: Mapping[str, AxisMotion]
    records: Callable[[SimClock, Faults], list[Records]]
    camera: Callable[..., Camera]
    gated: Callable[[Renderer, SimClock, Faults], list[GatedDetector]] = _none
