"""A simulated fluorescence detector alone, over Channel Access: ``python vortex_server.py PORT``.

It counts 10,000 a second in bin 640 and 2e5 events a second of 0.5 us each: 10 % of the time is dead.
A put of (count, period, width) to ``SIM:Gates`` sends so many gates; ``SIM:GateTimes`` tells when they began.
"""

import asyncio
import os
import sys

import numpy as np
from caproto import SkipWrite

from xsn_acq.config.structured import Vortex
from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.channels import Double
from xsn_acq.sim.ioc.control import Control
from xsn_acq.sim.ioc.faults import Faults, SwallowPulse
from xsn_acq.sim.ioc.scalers import Scaler
from xsn_acq.sim.ioc.table import Records
from xsn_acq.sim.ioc.vortex import SimulatedVortex
from xsn_acq.sim.spectrometer import CLOCK_HZ

LOOPBACK, PREFIX, BINS, SPEED = "127.0.0.1", "6-2C:VTX:", 4096, 20.0
DEAD_TIME_S, EVENTS_PER_S, PEAK_BIN, PEAK_PER_S = 5e-7, 2e5, 640, 10_000
TICK_S = 0.005
VORTEX = Vortex(
    bins=BINS,
    ev_per_bin=10.0,
    zero_ev=0.0,
    noise_fwhm_ev=60.0,
    dead_time_s=DEAD_TIME_S,
    most_dead=0.3,
    angle_deg=90.0,
)


async def spectrum(begin_s, end_s, times):
    """What is counted in a period, without noise; of ``times`` as many events those that dead time leaves."""
    seconds, dead = end_s - begin_s, EVENTS_PER_S * DEAD_TIME_S
    more = times / (1 - dead + times * dead)
    counts = np.zeros((1, BINS), np.uint32)
    counts[0, PEAK_BIN] = round(more * PEAK_PER_S * seconds)
    scalers = np.zeros(len(Scaler))
    scalers[Scaler.CLOCK_TICKS] = CLOCK_HZ * seconds
    scalers[[Scaler.ALL_EVENTS, Scaler.ALL_GOOD]] = more * EVENTS_PER_S * seconds
    width = DEAD_TIME_S * CLOCK_HZ - 1
    scalers[Scaler.EVENT_WIDTH :] = width, 1 / (1 - more * dead), 100 * more * dead
    return counts, scalers


class Gates(Records):
    """A pulse generator."""

    def __init__(self, clock, faults, vortex):
        super().__init__("SIM:", clock.now)
        self._clock, self._faults, self._vortex = clock, faults, vortex
        self._due = []
        self.add("Gates", Double(now=clock.now, value=[0.0] * 3, max_length=3, record="waveform"))
        self.add("GateTimes", Double(now=clock.now, value=[], max_length=100, record="waveform"))
        self.on_put("Gates", self._put)

    async def _put(self, value):
        count, period_s, width_s = value
        begins = self._clock.now() + period_s * np.arange(1, int(count) + 1)
        await self.post("GateTimes", begins.tolist())
        swallowed = {fault.index for fault in self._faults.take(SwallowPulse)}
        self._due = [(begin, width_s) for number, begin in enumerate(begins) if number not in swallowed]
        raise SkipWrite

    async def run(self):
        while True:
            now = self._clock.now()
            while self._due and self._due[0][0] <= now:
                self._vortex.gate(*self._due.pop(0))
            await self._vortex.advance(now)
            await asyncio.sleep(TICK_S)


async def serve():
    from caproto.asyncio.server import Context

    class Server(Context):
        async def broadcast_beacon_loop(self):
            """Send no beacons."""

    clock, faults = SimClock(SPEED), Faults()
    vortex = SimulatedVortex(PREFIX, VORTEX, spectrum, clock, faults)
    gates = Gates(clock, faults, vortex)
    channels = {**vortex.channels(), **gates.channels()}
    control = Control(clock, faults, channels, frozenset(), lambda _: None, "")

    async def live(_):
        print("ready", flush=True)
        await asyncio.gather(vortex.run(), gates.run())

    # the beamline's own IOC has the names SIM:Fault and SIM:Clear in the same session
    channels |= {name.replace("SIM:", "SIM2:"): pv for name, pv in control.channels().items()}
    try:
        await Server(channels, [LOOPBACK]).run(startup_hook=live)
    finally:
        vortex.close()


if __name__ == "__main__":
    os.environ.update(
        EPICS_CA_SERVER_PORT=sys.argv[1],
        EPICS_CAS_SERVER_PORT=sys.argv[1],
        EPICS_CAS_AUTO_BEACON_ADDR_LIST="NO",
        EPICS_CAS_BEACON_ADDR_LIST=LOOPBACK,
    )
    asyncio.run(serve())
