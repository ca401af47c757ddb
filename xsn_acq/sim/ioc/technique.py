"""What differs from technique to technique in the simulated beamline."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.faults import Faults
from xsn_acq.sim.ioc.rendering import Imager
from xsn_acq.sim.ioc.table import Records
from xsn_acq.sim.ioc.timeline import AxisMotion
from xsn_acq.sim.ioc.world import CommonWorld


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
    """

    world: CommonWorld
    light: Callable[[float], float]
    state: Callable[[float, float], Any]
    imager: Callable[[str], Imager]
    encoder: str
    more_axes: Mapping[str, AxisMotion]
    records: Callable[[SimClock, Faults], list[Records]]
