"""Undulator with the APS controls: set a gap or an energy, start, wait until it is no longer busy."""

import asyncio

from caproto import SkipWrite

from xsn_acq.config import Beamline
from xsn_acq.optics.undulator import deflection_k, gap_mm, harmonic_energy_ev
from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.channels import Double, Long, enum
from xsn_acq.sim.ioc.faults import Faults, MotorDead, MotorStopsShort
from xsn_acq.sim.ioc.table import Records
from xsn_acq.sim.ioc.world import World

POST_PERIOD_S = 0.1
ACCELERATION_S = 0.2

STATES = ("Done", "Busy")


class UndulatorControl(Records):
    """Gap drive; a target within the dead band of the gap does not move it."""

    def __init__(self, beamline: Beamline, world: World, clock: SimClock, faults: Faults) -> None:
        super().__init__(beamline.pvs.undulator, clock.now)
        self._undulator, self._ring, self._world = beamline.undulator, beamline.ring, world
        self._clock, self._faults = clock, faults
        self._names = beamline.undulator.suffixes
        self._stopped = asyncio.Event()
        gap, now = world.gap.position(clock.now()), clock.now
        names, energy = self._names, self._energy_kev(gap)
        self._number(names["gap_set"], gap, "mm")
        self._number(names["gap"], gap, "mm", read_only=True)
        self._number(names["energy_set"], energy, "keV")
        self._number(names["energy"], energy, "keV", read_only=True)
        self._number(names["deadband"], 0.0, "mm")
        self.add(names["harmonic"], Long(now=now, value=world.harmonic.last, record="longout"))
        self.add(names["busy"], enum(STATES, now=now, record="bi", read_only=True))
        self.add(names["device_busy"], enum(STATES, now=now, record="bi", read_only=True))
        self.add(names["start"], enum(("Done", "Start"), now=now, record="bo"))
        self.add(names["stop"], enum(("Done", "Stop"), now=now, record="bo"))
        self.on_put(names["gap_set"], self._put_gap)
        self.on_put(names["energy_set"], self._put_energy)
        self.on_put(names["harmonic"], self._put_harmonic)
        self.on_put(names["start"], self._put_start)
        self.on_put(names["stop"], self._put_stop)

    def _number(self, suffix: str, value: float, unit: str, *, read_only: bool = False) -> None:
        pv = Double(now=self.now, value=value, units=unit, precision=4, read_only=read_only, record="ao")
        self.add(suffix, pv)

    def _energy_kev(self, gap: float) -> float:
        u = self._undulator
        k = deflection_k(gap, u.period_mm, u.peak_field_t, u.field_decay)
        return 1e-3 * harmonic_energy_ev(k, self._world.harmonic.last, u.period_mm, self._ring.energy_gev)

    async def _put_gap(self, value: float) -> None:
        u = self._undulator
        if not u.gap_low_mm <= value <= u.gap_high_mm:
            raise ValueError(f"gap {value} mm is outside {u.gap_low_mm} to {u.gap_high_mm} mm")
        await self.post(self._names["energy_set"], self._energy_kev(value))

    async def _put_energy(self, value: float) -> None:
        u = self._undulator
        gap = gap_mm(
            1e3 * value,
            self._world.harmonic.last,
            period_mm=u.period_mm,
            peak_field_t=u.peak_field_t,
            decay=u.field_decay,
            ring_energy_gev=self._ring.energy_gev,
        )
        await self._put_gap(gap)
        await self.post(self._names["gap_set"], gap)

    async def _put_harmonic(self, value: int) -> None:
        self._world.harmonic.set(int(value), self._clock.now())
        await self.post(self._names["energy"], self._energy_kev(self._world.gap.position(self._clock.now())))

    async def _put_start(self, value: str) -> None:
        """Move; the put is answered when the gap stands."""
        if value == "Done":
            return
        start, now, gap = self._names["start"], self._clock.now(), self._world.gap
        await self[start].post(value)
        target = self.value(self._names["gap_set"])
        if abs(target - gap.position(now)) > self.value(self._names["deadband"]):
            await self._move(target)
        await self[start].post("Done")
        raise SkipWrite

    async def _move(self, target: float) -> None:
        gap, now = self._world.gap, self._clock.now()
        self._stopped.clear()
        await self._post_busy(busy=True)
        for fault in self._faults.find(MotorStopsShort):
            if fault.axis == "gap":
                position = gap.position(now)
                target = position + fault.shortened(target - position)
        if any(fault.axis == "gap" for fault in self._faults.find(MotorDead)):
            await self._stopped.wait()
        else:
            speed = self._undulator.gap_speed_mm_s
            gap.go(target, velocity=speed, acceleration_s=ACCELERATION_S, time_s=now)
            while (left := gap.end_time - self._clock.now()) > 0:
                await asyncio.sleep(min(POST_PERIOD_S, self._clock.wall_delay(left)))
                await self._post_gap()
        await self._post_gap()
        await self._post_busy(busy=False)

    async def _put_stop(self, value: str) -> str:
        now = self._clock.now()
        if value != "Done":
            self._stopped.set()
            if self._world.gap.moving(now):
                self._world.gap.stop(now)
        return "Done"

    async def _post_gap(self) -> None:
        gap = round(self._world.gap.position(self._clock.now()), 4)
        await self.post(self._names["gap"], gap)
        await self.post(self._names["energy"], self._energy_kev(gap))

    async def _post_busy(self, *, busy: bool) -> None:
        for suffix in (self._names["busy"], self._names["device_busy"]):
            await self.post(suffix, int(busy))
