"""The simulated beamline: the world, and the instruments that give it PVs."""

import asyncio
from collections.abc import Callable, Sequence

from xsn_acq.config import AnyBeamline, Beamline, SpeckleBeamline, StructuredBeamline
from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.channels import Served
from xsn_acq.sim.ioc.control import Control
from xsn_acq.sim.ioc.faults import Faults, MonitorDead
from xsn_acq.sim.ioc.hdf5_plugin import Hdf5Plugin
from xsn_acq.sim.ioc.limit_switch import LimitSwitches
from xsn_acq.sim.ioc.monitor import BeamMonitor
from xsn_acq.sim.ioc.motor import Motor
from xsn_acq.sim.ioc.rendering import Renderer
from xsn_acq.sim.ioc.schlieren import schlieren
from xsn_acq.sim.ioc.simple import Ring, Shutter
from xsn_acq.sim.ioc.speckle import speckle
from xsn_acq.sim.ioc.structured import structured
from xsn_acq.sim.ioc.table import Records
from xsn_acq.sim.ioc.technique import Running, Technique
from xsn_acq.sim.ioc.zebra import Zebra
from xsn_acq.sim.microscope_truth import FullFieldTruth
from xsn_acq.sim.speckle_truth import SpeckleTruth
from xsn_acq.sim.structured_truth import StructuredTruth
from xsn_acq.sim.truth import Truth

TICK_S = 0.01
"""Real seconds between looks at the clock; what happened in between is worked out exactly."""


def technique(beamline: AnyBeamline, truth: FullFieldTruth, seed: int) -> Technique:
    """Return the parts of a beamline's technique.

    Raises
    ------
    TypeError
        The truth is another technique's.
    """
    if isinstance(beamline, Beamline) and isinstance(truth, Truth):
        return schlieren(beamline, truth, seed)
    if isinstance(beamline, StructuredBeamline) and isinstance(truth, StructuredTruth):
        return structured(beamline, truth, seed)
    if isinstance(beamline, SpeckleBeamline) and isinstance(truth, SpeckleTruth):
        return speckle(beamline, truth, seed)
    raise TypeError(f"simulated beamline {beamline.name}: {type(truth).__name__} is another technique's")


class SimulatedBeamline:
    """All instruments of one beamline file, joined.

    Parameters
    ----------
    beamline : Beamline, StructuredBeamline or SpeckleBeamline
    speed : float
        Simulated seconds in a real second.
    seed : int
        Of every random thing.
    sample : str
        Name of the phantom.
    truth : FullFieldTruth
        What the beamline file does not know.
    """

    def __init__(
        self, beamline: AnyBeamline, *, speed: float, seed: int, sample: str, truth: FullFieldTruth
    ) -> None:
        self.clock, self.faults = SimClock(speed), Faults()
        own = technique(beamline, truth, seed)
        self.world = own.world
        clock, world, faults, pvs = self.clock, self.world, self.faults, beamline.pvs
        moving = {**world.axes, **own.more_axes}
        self.motors = {
            name: Motor(name, getattr(beamline.axes, name), motion, clock, faults)
            for name, motion in world.axes.items()
        }
        self.limit_switches = LimitSwitches(moving, clock, faults)
        records: list[Records] = [
            Ring(pvs.ring, world, clock, faults),
            Shutter(pvs.front_end_shutter, world.front_end_open, clock),
            Shutter(pvs.shutter, world.shutter_open, clock),
            BeamMonitor(pvs.beam_monitor, self._monitored(own.light), seed, clock),
            *own.records(clock, faults),
        ]
        self.renderer = Renderer(own.state, own.imager, sample)
        self.writer = Hdf5Plugin(f"{pvs.camera}HDF1:", clock, faults)
        self.camera = own.camera(
            f"{pvs.camera}cam1:",
            beamline.detection,
            self.renderer,
            clock,
            faults,
            self.writer.push,
            self.writer.drained,
        )
        self.zebra = Zebra(
            pvs.position_compare,
            world.axes[own.encoder],
            getattr(beamline.axes, own.encoder).resolution,
            clock,
            faults,
            self._trigger,
        )
        self.gated = own.gated(self.renderer, clock, faults)
        records += [self.camera, self.writer, self.zebra]
        self.instruments = records
        self.channels: dict[str, Served] = {}
        for part in records:
            self.channels |= part.channels()
        for motor in self.motors.values():
            self.channels |= motor.channels()
        for detector in self.gated:
            self.channels |= detector.channels()
        self.control = Control(
            clock, faults, self.channels, frozenset(moving), self.renderer.change_sample, sample
        )
        self.channels |= self.control.channels()

    async def run(self, faults: Sequence[str] = ()) -> None:
        """Live for ever, with these faults from the start."""
        self.renderer.prepare(self.clock.now())
        for text in faults:
            await self.control.inject(text)
        await asyncio.gather(
            *(part.run() for part in self.instruments if isinstance(part, Running)),
            *(detector.run() for detector in self.gated),
            self._tick(),
        )

    def _trigger(self, time_s: float, width_s: float) -> None:
        """A pulse of the position compare reaches the camera and what is gated with it."""
        self.camera.trigger(time_s, width_s)
        for detector in self.gated:
            detector.gate(time_s, width_s)

    def _monitored(self, light: Callable[[float], float]) -> Callable[[float], float]:
        return lambda time_s: 0.0 if self.faults.find(MonitorDead) else light(time_s)

    async def _tick(self) -> None:
        """Bring camera and position compare up to the present, in the order of cause and effect."""
        while True:
            now = self.clock.now()
            self.zebra.external(self.camera.free_run(now))
            await self.zebra.advance(now)
            await self.camera.advance(now)
            for detector in self.gated:
                await detector.advance(now)
            await asyncio.sleep(TICK_S)

    def close(self) -> None:
        """Close files and threads."""
        self.renderer.close()
        self.writer.close()
        for detector in self.gated:
            detector.close()
