"""A motor record on one axis: puts, limits, moves, stops, as the EPICS motor record answers them."""

import asyncio
from collections import deque
from typing import Any

from caproto import SkipWrite

from xsn_acq.config import Axis
from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.channels import Served
from xsn_acq.sim.ioc.faults import Faults, MotorDead, MotorStopsShort
from xsn_acq.sim.ioc.motor_fields import MotorFields
from xsn_acq.sim.ioc.timeline import AxisMotion

POST_PERIOD_S = 0.1
"""Readbacks are posted at 10 Hz of real time, as real controllers are polled."""

_DONE, _HIGH, _ENCODER, _MOVING, _GAIN, _LOW = 1, 2, 8, 10, 11, 13
"""Bits of MSTA; bit 0 is the direction."""


class Motor:
    """One motor record.

    Parameters
    ----------
    name : str
        Name of the axis, as faults know it.
    axis : Axis
        PV, unit, limits and speeds.
    motion : AxisMotion
        Where the axis is; dial coordinates.
    clock : SimClock
    faults : Faults
    """

    def __init__(self, name: str, axis: Axis, motion: AxisMotion, clock: SimClock, faults: Faults) -> None:
        self.name, self.axis, self.motion = name, axis, motion
        self.fields = MotorFields(axis, motion.position(clock.now()), clock.now)
        self._clock, self._faults = clock, faults
        self._legs: deque[tuple[float, float, float]] = deque()
        self._held: float | None = None
        self._dead = False
        self._following: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._done = asyncio.Event()
        self._done.set()
        self.fields["MSTA"].preset(float(self._status_bits(moving=False)))
        self._connect()

    def channels(self) -> dict[str, Served]:
        """Return the record; its fields are found through it."""
        return {self.axis.pv: self.fields.setpoint}

    def _connect(self) -> None:
        hooks: dict[str, Any] = {
            "VAL": self._put_val,
            "DVAL": lambda value: self._put_val(self.fields.user(value)),
            "RVAL": lambda value: self._put_val(self.fields.user(value * self.fields.get("MRES"))),
            "RLV": lambda value: self._put_val(self.fields.get("VAL") + value),
            "TWF": lambda _: self._put_val(self.fields.get("VAL") + self.fields.get("TWV")),
            "TWR": lambda _: self._put_val(self.fields.get("VAL") - self.fields.get("TWV")),
            "HOMF": lambda _: self._put_val(self.fields.user(0.0)),
            "HOMR": lambda _: self._put_val(self.fields.user(0.0)),
            "JOGF": lambda value: self._put_jog(value, 1),
            "JOGR": lambda value: self._put_jog(value, -1),
            "STOP": self._put_stop,
            "SPMG": self._put_spmg,
            "SYNC": self._put_sync,
            "LLM": lambda value: self._put_user_limits(value, self.fields.get("HLM")),
            "HLM": lambda value: self._put_user_limits(self.fields.get("LLM"), value),
            "DLLM": lambda value: self._put_limits(value, self.fields.get("DHLM")),
            "DHLM": lambda value: self._put_limits(self.fields.get("DLLM"), value),
            "OFF": self._put_offset,
            "VELO": self._put_velocity,
        }
        for name, hook in hooks.items():
            self.fields[name].on_put = hook

    async def _put_val(self, user: float) -> None:
        """Go to a user coordinate; returns when the record says done."""
        f = self.fields
        if f.get("DISP"):
            raise PermissionError(f"{self.axis.pv}: puts are disabled (DISP = 1)")
        if f.get("SET") == "Set":
            await f.post(OFF=user - f.sign * f.get("DRBV"))
            await f.post_limits(f.get("DLLM"), f.get("DHLM"))
            await f.post_target(f.get("DRBV"))
            await f.post_readback(f.get("DRBV"))
            raise SkipWrite
        if f.violates_limits(user):
            await f.post(LVIO=1)
            await f["VAL"].post(f.get("LVAL"))
            raise SkipWrite
        target = f.dial(user)
        await f.post(LVIO=0, DVAL=target, RVAL=round(target / f.get("MRES")))
        await f.post(LVAL=user, LDVL=target, LRVL=f.get("RVAL"))
        await f["VAL"].post(user)
        await self._say_moving(target)
        if f.get("SPMG") in ("Stop", "Pause"):
            self._held = target
        else:
            self._plan(target)
        await self._done.wait()
        raise SkipWrite

    def _plan(self, target: float) -> None:
        """Start the legs of a move; with a backlash distance, the last one comes from that side."""
        f, now = self.fields, self._clock.now()
        begin, target = self.motion.position(now), f.quantised(target)
        backlash = f.sign * f.get("BDST")
        fast = (f.speed(), f.get("ACCL"))
        self._legs.clear()
        if abs(backlash) > f.get("MRES") and (target - begin) * backlash < 0:
            self._legs.append((target - backlash, *fast))
            self._legs.append((target, f.speed("BVEL"), f.get("BACC")))
        else:
            self._legs.append((target, *fast))
        self._dead = any(fault.axis == self.name for fault in self._faults.find(MotorDead))
        if not self._dead:
            self._start_leg()
        self._follow()

    def _start_leg(self) -> None:
        target, velocity, acceleration_s = self._legs.popleft()
        now = self._clock.now()
        for fault in self._faults.find(MotorStopsShort):
            if fault.axis == self.name:
                position = self.motion.position(now)
                target = position + fault.shortened(target - position)
        self.motion.go(target, velocity=velocity, acceleration_s=max(acceleration_s, 1e-3), time_s=now)

    def _follow(self) -> None:
        """Make sure that somebody posts readbacks until the move ends."""
        self._changed.set()
        if self._following is None:
            self._following = asyncio.create_task(self._post_until_done())

    async def _post_until_done(self) -> None:
        try:
            while True:
                self._changed.clear()
                left = self.motion.end_time - self._clock.now()
                if left <= 0 and not self._dead:
                    if not self._legs or self.motion.at_stop:
                        break
                    self._start_leg()
                    continue
                delay = POST_PERIOD_S if self._dead else min(POST_PERIOD_S, self._clock.wall_delay(left))
                await _wait(self._changed, delay)
                await self.fields.post_readback(
                    self.fields.quantised(self.motion.position(self._clock.now()))
                )
        finally:
            self._following = None
        await self._finish()

    async def _say_moving(self, target: float) -> None:
        f = self.fields
        self._done.clear()
        forward = target >= self.motion.position(self._clock.now())
        await f.post(TDIR=int(forward == (f.sign > 0)), CDIR=int(forward), HLS=0, LLS=0, RHLS=0, RLLS=0)
        await f.post(MSTA=float(self._status_bits(moving=True)), DMOV=0, MOVN=1)

    async def _finish(self) -> None:
        """Publish the end of a move: position, limit switches, done."""
        self._legs.clear()
        f = self.fields
        position = self.motion.position(self._clock.now())
        high, low = int(position >= self.motion.high_stop), int(position <= self.motion.low_stop)
        await f.post(RHLS=high, RLLS=low, HLS=high if f.sign > 0 else low, LLS=low if f.sign > 0 else high)
        await f.post_readback(f.quantised(position))
        await f.post(MSTA=float(self._status_bits(moving=False)), MOVN=0)
        if self._held is None:
            await f.post(JOGF=0, JOGR=0, DMOV=1)
            self._done.set()

    def _status_bits(self, *, moving: bool) -> int:
        f = self.fields
        bits = int(bool(f.get("TDIR"))) | 1 << (_MOVING if moving else _DONE) | 1 << _ENCODER | 1 << _GAIN
        return bits | bool(f.get("RHLS")) << _HIGH | bool(f.get("RLLS")) << _LOW

    async def _halt(self) -> None:
        """Brake and wait until it stands."""
        now = self._clock.now()
        self._legs.clear()
        self._dead = False
        if self.motion.moving(now):
            self.motion.stop(now)
        if self._following is not None:
            self._follow()
            await asyncio.shield(self._following)

    async def _put_stop(self, value: int) -> None:
        """Stop; VAL becomes where it stands, and the record says done."""
        if value:
            self._held = None
            await self._halt()
            await self._settle_here()
        await self.fields["STOP"].post(0)
        raise SkipWrite

    async def _settle_here(self) -> None:
        f = self.fields
        await f.post_target(f.get("DRBV"))
        await f.post(MOVN=0, DMOV=1)
        self._done.set()

    async def _put_spmg(self, value: str) -> None:
        f = self.fields
        await f["SPMG"].post(value)
        if value in ("Stop", "Pause"):
            moving = self._following is not None
            self._held = f.get("DVAL") if moving and value == "Pause" else None
            await self._halt()
            if value == "Stop" and moving:
                await self._settle_here()
        elif self._held is not None:
            target, self._held = self._held, None
            await self._say_moving(target)
            self._plan(target)
        raise SkipWrite

    async def _put_jog(self, value: int, direction: int) -> None:
        f = self.fields
        if not value:
            await self._halt()
            await self._settle_here()
            return
        limit = f.get("HLM") if direction > 0 else f.get("LLM")
        await self._say_moving(f.dial(limit))
        self._legs.clear()
        self._legs.append((f.dial(limit), f.speed("JVEL"), f.get("ACCL")))
        self._start_leg()
        self._follow()

    async def _put_sync(self, _: int) -> None:
        await self.fields.post_target(self.fields.get("DRBV"))

    async def _put_user_limits(self, low: float, high: float) -> None:
        first, second = sorted((self.fields.dial(low), self.fields.dial(high)))
        await self._put_limits(first, second)

    async def _put_limits(self, low: float, high: float) -> None:
        await self.fields.post_limits(low, high)
        raise SkipWrite

    async def _put_offset(self, value: float) -> None:
        f = self.fields
        await f["OFF"].post(value)
        await f.post_limits(f.get("DLLM"), f.get("DHLM"))
        await f.post_target(f.get("DVAL"))
        await f.post_readback(f.get("DRBV"))
        raise SkipWrite

    async def _put_velocity(self, value: float) -> float:
        """Keep the speed between VBAS and VMAX."""
        highest = self.fields.get("VMAX")
        speed = max(value, self.fields.get("VBAS"))
        return min(speed, highest) if highest > 0 else speed


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    """Wait for the event, or for the time to pass."""
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except TimeoutError:
        return
