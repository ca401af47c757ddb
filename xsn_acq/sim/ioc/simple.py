"""Small instruments: ring, shutters, DCM feedback, rotating diffuser."""

import asyncio
from contextlib import suppress

from caproto import SkipWrite

from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.channels import Double, enum
from xsn_acq.sim.ioc.faults import BeamDump, Faults, FeedbackNoLock
from xsn_acq.sim.ioc.table import Records
from xsn_acq.sim.ioc.timeline import Steps
from xsn_acq.sim.ioc.world import CommonWorld, CrystalWorld

POLL_S = 0.2
"""Real seconds between updates of slow values."""

SHUTTER_TRAVEL_S = 0.1
LOCK_TIME_S = 0.2
SPIN_UP_S = 1.0
"""Simulated seconds."""

OFF, ON = "Off", "On"


class Ring(Records):
    """Storage ring: current and time to the next top-up; loses its beam while `BeamDump` is in force."""

    def __init__(self, prefix: str, world: CommonWorld, clock: SimClock, faults: Faults) -> None:
        super().__init__(prefix, clock.now)
        self._world, self._clock, self._faults = world, clock, faults
        now = clock.now()
        current, countdown = world.current_ma(now), world.ring.countdown(now)
        self.add("Current", Double(now=clock.now, value=current, units="mA", precision=3, read_only=True))
        self.add(
            "TopUpCountdown", Double(now=clock.now, value=countdown, units="s", precision=1, read_only=True)
        )
        faults.listen(self._check_dump)

    async def run(self) -> None:
        """Publish for ever."""
        while True:
            now = self._clock.now()
            await self.post("Current", self._world.current_ma(now))
            await self.post("TopUpCountdown", self._world.ring.countdown(now))
            await asyncio.sleep(POLL_S)

    def _check_dump(self) -> None:
        dumped = bool(self._faults.find(BeamDump))
        if dumped != self._world.dumped.last:
            self._world.dumped.set(dumped, self._clock.now())


class Shutter(Records):
    """Shutter with a command and a status; closed counts from the command, open from the end of travel."""

    def __init__(self, prefix: str, is_open: Steps[bool], clock: SimClock) -> None:
        super().__init__(prefix, clock.now)
        self._open, self._clock = is_open, clock
        state = int(is_open.last)
        self.add("Cmd", enum(("Close", "Open"), now=clock.now, value=state))
        self.add("Sts", enum(("Closed", "Open", "Moving"), now=clock.now, value=state, read_only=True))
        self.on_put("Cmd", self._put)

    async def _put(self, command: str) -> None:
        wanted, begin = command == "Open", self._clock.now()
        await self["Cmd"].post(command)
        if wanted != self._open.last:
            end = begin + SHUTTER_TRAVEL_S
            self._open.set(wanted, end if wanted else begin)
            await self.post("Sts", "Moving")
            await asyncio.sleep(self._clock.wall_delay(SHUTTER_TRAVEL_S))
        await self.post("Sts", "Open" if self._open.last else "Closed")
        raise SkipWrite


class Feedback(Records):
    """Second-crystal feedback: locks a moment after it is enabled, as long as there is beam.

    It never does while `FeedbackNoLock` is in force.
    """

    def __init__(self, prefix: str, world: CrystalWorld, clock: SimClock, faults: Faults) -> None:
        super().__init__(prefix, clock.now)
        self._world, self._clock, self._faults = world, clock, faults
        self._locks_at = clock.now()
        self._switched = asyncio.Event()
        state = int(world.feedback.last)
        self.add("Enable", enum((OFF, ON), now=clock.now, value=state))
        self.add("Locked", enum(("No", "Yes"), now=clock.now, value=state, read_only=True))
        self.on_put("Enable", self._put)

    async def run(self) -> None:
        """Publish the lock for ever, as soon as there is one."""
        while True:
            self._switched.clear()
            looked_s = self._clock.now()
            await self._update()
            left_s = self._clock.wall_delay(self._locks_at - looked_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._switched.wait(), min(left_s, POLL_S) if left_s else POLL_S)

    async def _put(self, value: str) -> None:
        if value == ON and self.value("Enable") == OFF:
            self._locks_at = self._clock.now() + LOCK_TIME_S
        await self["Enable"].post(value)
        await self._update()
        self._switched.set()
        raise SkipWrite

    async def _update(self) -> None:
        now = self._clock.now()
        beam = self._world.current_ma(now) > 0 and self._world.front_end_open.at(now)
        beam = beam and not self._faults.find(FeedbackNoLock)
        locked = beam and self.value("Enable") == ON and now >= self._locks_at
        if locked != self._world.feedback.last:
            self._world.feedback.set(locked, now)
        await self.post("Locked", int(locked))


class DiffuserRotation(Records):
    """Motor that spins the diffuser."""

    def __init__(self, prefix: str, rotating: Steps[bool], clock: SimClock) -> None:
        super().__init__(prefix, clock.now)
        self._rotating, self._clock = rotating, clock
        state = int(rotating.last)
        self.add("Run", enum(("Stop", "Run"), now=clock.now, value=state))
        self.add("Speed", Double(now=clock.now, value=600.0, units="rpm", precision=0))
        self.add("Running", enum(("No", "Yes"), now=clock.now, value=state, read_only=True))
        self.on_put("Run", self._put)

    async def _put(self, value: str) -> None:
        wanted, now = value == "Run", self._clock.now()
        await self["Run"].post(value)
        if wanted != self._rotating.last:
            self._rotating.set(wanted, now + SPIN_UP_S if wanted else now)
            await asyncio.sleep(self._clock.wall_delay(SPIN_UP_S))
        await self.post("Running", int(self._rotating.last))
        raise SkipWrite
