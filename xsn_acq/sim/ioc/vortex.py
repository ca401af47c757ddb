"""The fluorescence detector of the simulated beamline: Xspress3 and its file writer, joined."""

import asyncio
from collections.abc import Awaitable, Callable

from xsn_acq.config.structured import Vortex
from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.channels import Served
from xsn_acq.sim.ioc.faults import Faults
from xsn_acq.sim.ioc.hdf5_plugin import Hdf5Plugin
from xsn_acq.sim.ioc.xspress3 import Counted, Xspress3


class SimulatedVortex:
    """Xspress3 and its file writer.

    Parameters
    ----------
    prefix : str
        Of the whole detector.
    vortex : Vortex
    spectrum : callable
        Makes the spectra; see `Xspress3`.
    clock : SimClock
    faults : Faults
    """

    def __init__(
        self,
        prefix: str,
        vortex: Vortex,
        spectrum: Callable[[float, float, float], Awaitable[Counted]],
        clock: SimClock,
        faults: Faults,
    ) -> None:
        self.writer = Hdf5Plugin(f"{prefix}HDF1:", clock, faults, source="XSP3")
        self.xspress3 = Xspress3(
            prefix, vortex, spectrum, clock, faults, self.writer.push, self.writer.drained
        )

    def channels(self) -> dict[str, Served]:
        """All records, by full name."""
        parts = (self.xspress3, self.xspress3.channel, self.writer)
        return {name: pv for part in parts for name, pv in part.channels().items()}

    def gate(self, time_s: float, width_s: float) -> None:
        """Take a pulse on the gate input: a frame from ``time_s`` on, ``width_s`` long, in TTL Veto Only."""
        self.xspress3.trigger(time_s, width_s)

    async def advance(self, now_s: float) -> None:
        """Do what is due by ``now_s``."""
        self.xspress3.free_run(now_s)
        await self.xspress3.advance(now_s)

    async def run(self) -> None:
        """Count and write for ever."""
        await asyncio.gather(self.xspress3.run(), self.writer.run())

    def close(self) -> None:
        """Close the file and end the thread."""
        self.writer.close()
