"""What areaDetector drivers have in common: they acquire some frames and hand them on, in order."""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic

from caproto import AlarmSeverity, AlarmStatus, SkipWrite

from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.exposures import INTERNAL, Exposure, ExposureTimer, S
from xsn_acq.sim.ioc.frame import Frame
from xsn_acq.sim.ioc.table import Records

DROP_FROM = 10
"""Smallest acquisition that a fault which loses frames hits."""


@dataclass(frozen=True)
class Order(Generic[S]):
    """What an acquisition is to do: ``count`` exposures (None: without end), begun as ``mode`` says."""

    settings: S
    mode: str
    readout_s: float
    count: int | None


class Acquisition(Records, ABC, Generic[S]):
    """Records and states of a driver while it acquires.

    Parameters
    ----------
    prefix : str
    table : str
        Of its records.
    clock : SimClock
    plugins : callable
        Awaited with each frame.
    drained : callable
        Awaited until the plugins are done, for WaitForPlugins.
    """

    counter: str
    """Record that counts frames."""
    busy_message: str
    """Status message while it acquires."""

    def __init__(
        self,
        prefix: str,
        table: str,
        clock: SimClock,
        plugins: Callable[[Frame], Awaitable[None]],
        drained: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(prefix, clock.now, table)
        self._clock, self._plugins, self._drained = clock, plugins, drained
        self._timer: ExposureTimer[S] = ExposureTimer()
        self._pending: asyncio.Queue[Exposure[S] | int] = asyncio.Queue()
        self._lost: frozenset[int] = frozenset()
        self._wanted: int | None = 0
        self._acquisition = 0
        self._delivered = 0
        self._stopped: str | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self.on_put("Acquire", self._put_acquire)

    @property
    def acquiring(self) -> bool:
        """Whether an acquisition is going on."""
        return not self._idle.is_set()

    def trigger(self, time_s: float, width_s: float) -> None:
        """Take a pulse on the trigger input."""
        if self.acquiring:
            self._timer.trigger(time_s, width_s)

    def free_run(self, now_s: float) -> list[float]:
        """Begin the exposures that are due by themselves; their times."""
        if not self.acquiring:
            return []
        return [exposure.begin_s for exposure in self._timer.free_run(now_s)]

    async def advance(self, now_s: float) -> None:
        """Queue what has been read out by ``now_s``."""
        for exposure in self._timer.ready(now_s):
            self._pending.put_nowait(exposure)

    async def run(self) -> None:
        """Make frames and deliver them for ever."""
        while True:
            exposure = await self._pending.get()
            if isinstance(exposure, int):
                if exposure == self._acquisition:
                    await self._finish()
            elif exposure.number in self._lost:
                self._timer.more(1 if self.value("TriggerMode") == INTERNAL else 0)
            else:
                await self._deliver(exposure)

    @abstractmethod
    async def _frame(self, exposure: Exposure[S]) -> Frame:
        """Make the frame of an exposure."""

    @abstractmethod
    def _order(self) -> Order[S]:
        """Read from the records what to do; ValueError when that cannot be."""

    @abstractmethod
    def _lose(self, count: int) -> list[tuple[int, int]]:
        """How many frames of ``count`` are lost and the seed of the choice, for each fault in force."""

    @abstractmethod
    def _outcome(self, stopped: str | None) -> tuple[str, str]:
        """State and message at the end; ``stopped`` says why it was stopped, None when it was not."""

    async def _stopping(self, message: str) -> None:
        """Show that it is being stopped."""

    async def _begin_again(self) -> None:
        """Take a start while it acquires, or a stop while it does not."""

    def _armed_state(self) -> str:
        """Return the state in which it waits for the first exposure."""
        return "Acquire"

    async def _deliver(self, exposure: Exposure[S]) -> None:
        frame = await self._frame(exposure)
        seconds, nanoseconds = frame.epics_stamp
        self._delivered += 1
        await self.set("ArrayCounter", frame.unique_id)
        for suffix, value in (
            ("UniqueId_RBV", frame.unique_id),
            ("TimeStamp_RBV", frame.time_stamp),
            ("EpicsTSSec_RBV", seconds),
            ("EpicsTSNsec_RBV", nanoseconds),
            ("NDimensions_RBV", 2),
            ("ArraySizeX_RBV", frame.image.shape[1]),
            ("ArraySizeY_RBV", frame.image.shape[0]),
            ("ArraySize_RBV", frame.image.nbytes),
        ):
            await self.post(suffix, value)
        if self.value("ArrayCallbacks") == "Enable":
            await self._plugins(frame)
        await self.post(self.counter, self._delivered)
        if self._wanted is not None and self._delivered >= self._wanted and self.acquiring:
            self._timer.stop(self._clock.now())
            await self._finish()

    async def _put_acquire(self, value: str) -> str:
        """Start or stop; a start is answered when the acquisition has ended."""
        if (value == "Acquire") == self.acquiring:
            await self._begin_again()
            raise SkipWrite
        if value == "Done":
            await self._stop("Acquisition stopped")
            await self._idle.wait()
            return value
        try:
            await self._start(self._order())
        except ValueError as error:
            await self.post("StatusMessage_RBV", str(error))
            await self._alarm(self["Acquire"])
            raise SkipWrite from error
        await self._idle.wait()
        if self.value("WaitForPlugins") == "Yes":
            await self._drained()
        raise SkipWrite

    async def _start(self, order: Order[S]) -> None:
        self._lost = self._frames_to_lose(order.count)
        self._wanted, self._delivered, self._stopped = order.count, 0, None
        self._acquisition += 1
        self._idle.clear()
        await self._post_state(acquiring=True, state=self._armed_state(), message=self.busy_message)
        await self.post(self.counter, 0)
        now = self._clock.now()
        self._timer.start(
            order.settings, mode=order.mode, readout_s=order.readout_s, count=order.count, time_s=now
        )

    def _frames_to_lose(self, count: int | None) -> frozenset[int]:
        if count is None or count < DROP_FROM:
            return frozenset()
        lost: set[int] = set()
        for number, seed in self._lose(count):
            lost.update(random.Random(seed).sample(range(count), min(number, count)))
        return frozenset(lost)

    async def _stop(self, message: str) -> None:
        """Expose no more; what was read out already is still delivered."""
        now = self._clock.now()
        for exposure in self._timer.ready(now):
            self._pending.put_nowait(exposure)
        self._timer.stop(now)
        self._stopped = message
        await self._stopping(message)
        self._pending.put_nowait(self._acquisition)

    async def _finish(self) -> None:
        if self.acquiring:
            state, message = self._outcome(self._stopped)
            await self._post_state(acquiring=False, state=state, message=message)
            self._idle.set()

    async def _post_state(self, *, acquiring: bool, state: str, message: str) -> None:
        await self.post("DetectorState_RBV", state)
        await self.post("StatusMessage_RBV", message)
        for suffix in ("Acquire", "Acquire_RBV", "AcquireBusy", "AcquireBusyCB"):
            await self.post(suffix, int(acquiring))

    @staticmethod
    async def _alarm(pv: Any) -> None:
        """Mark a put that the driver refused, as asyn does."""
        await pv.alarm.write(status=AlarmStatus.WRITE, severity=AlarmSeverity.INVALID_ALARM)
