"""The camera: ADKinetix records, acquisition states, frames in the order they were exposed."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from caproto import AlarmSeverity, AlarmStatus, SkipWrite

from xsn_acq.config import Detection
from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.exposures import INTERNAL, Exposure, ExposureTimer
from xsn_acq.sim.ioc.faults import ClockOffset, DropFrames, Faults
from xsn_acq.sim.ioc.readout import Readout
from xsn_acq.sim.ioc.rendering import Frame, Renderer
from xsn_acq.sim.ioc.table import Records
from xsn_acq.units import EPICS_EPOCH_S

CONTINUOUS_BACKLOG = 4
"""Frames not yet rendered at which a live view skips; a counted acquisition never skips."""

DROP_FROM = 10
"""Smallest acquisition that the fault `DropFrames` hits."""


class Kinetix(Records):
    """ADKinetix camera.

    Parameters
    ----------
    prefix : str
        Ending in ``cam1:``.
    detection : Detection
    renderer : Renderer
        Makes the images.
    clock : SimClock
    faults : Faults
    plugins : callable
        Awaited with each frame.
    drained : callable
        Awaited until the plugins are done, for WaitForPlugins.
    """

    def __init__(
        self,
        prefix: str,
        detection: Detection,
        renderer: Renderer,
        clock: SimClock,
        faults: Faults,
        plugins: Callable[[Frame], Awaitable[None]],
        drained: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(prefix, clock.now, "adkinetix")
        self._renderer, self._clock, self._faults = renderer, clock, faults
        self._plugins, self._drained = plugins, drained
        self._timer = ExposureTimer()
        self._pending: asyncio.Queue[Exposure | int] = asyncio.Queue()
        self._lost: frozenset[int] = frozenset()
        self._wanted: int | None = 0
        self._acquisition = 0
        self._delivered = 0
        self._last_frame_s = 0.0
        self._idle = asyncio.Event()
        self._idle.set()
        texts = {"PortName_RBV": "KTX", "Manufacturer_RBV": "Teledyne Photometrics", "Model_RBV": "Kinetix"}
        for suffix, value in (texts | {"ADCoreVersion_RBV": "3.14.0", "DriverVersion_RBV": "1.1.0"}).items():
            self[suffix].preset(value)
        for suffix in ("AcquireTime", "ImageMode", "NumImages", "TriggerMode", "MinExpRes", "ArrayCallbacks"):
            self[f"{suffix}_RBV"].preset(self.value(suffix))
        self["Temperature_RBV"].preset(-25.0)
        self.readout = Readout(self, detection)
        self.on_put("Acquire", self._put_acquire)
        self.on_put("AcquireTime", self._put_time)

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
        live = self._wanted is None and self._pending.qsize() >= CONTINUOUS_BACKLOG
        if not self.acquiring or live:
            return []
        return [exposure.begin_s for exposure in self._timer.free_run(now_s)]

    async def advance(self, now_s: float) -> None:
        """Queue what has been read out by ``now_s``; end an acquisition that waited too long."""
        for exposure in self._timer.ready(now_s):
            self._last_frame_s = exposure.ready_s
            self._pending.put_nowait(exposure)
        external = self.value("TriggerMode") != INTERNAL
        if self._timer.running and external and self.value("StopAcqOnTimeout") == "Yes":
            waited_ms = 1e3 * (now_s - self._last_frame_s)
            if waited_ms > self.value("WaitForFrameTO"):
                await self._stop("Timed out waiting for a frame")

    async def run(self) -> None:
        """Render and deliver for ever."""
        while True:
            exposure = await self._pending.get()
            if isinstance(exposure, int):
                if exposure == self._acquisition:
                    await self._finish()
            elif exposure.number in self._lost:
                self._timer.more(1 if self.value("TriggerMode") == INTERNAL else 0)
            else:
                await self._deliver(exposure)

    async def _deliver(self, exposure: Exposure) -> None:
        image = await self._renderer.image(exposure)
        counter = self.value("ArrayCounter") + 1
        self._delivered += 1
        stamp_s = exposure.ready_s + sum(fault.seconds for fault in self._faults.find(ClockOffset))
        seconds, nanoseconds = epics_time(stamp_s)
        await self.set("ArrayCounter", counter)
        for suffix, value in (
            ("UniqueId_RBV", counter),
            ("EpicsTSSec_RBV", seconds),
            ("EpicsTSNsec_RBV", nanoseconds),
            ("NDimensions_RBV", 2),
            ("ArraySizeX_RBV", image.shape[1]),
            ("ArraySizeY_RBV", image.shape[0]),
            ("ArraySize_RBV", image.nbytes),
        ):
            await self.post(suffix, value)
        if self.value("ArrayCallbacks") == "Enable":
            await self._plugins(Frame(image, counter, stamp_s))
        await self.post("NumImagesCounter_RBV", self._delivered)
        if self._wanted is not None and self._delivered >= self._wanted and self.acquiring:
            self._timer.stop(self._clock.now())
            await self._finish()

    async def _put_acquire(self, value: str) -> str:
        """Start or stop; a start is answered when the acquisition has ended."""
        acquire = self["Acquire"]
        if (value == "Acquire") == self.acquiring:
            await self._alarm(acquire)
            raise SkipWrite
        if value == "Done":
            await self._stop("Acquisition stopped")
            await self._idle.wait()
            return value
        try:
            await self._start()
        except ValueError as error:
            await self.post("StatusMessage_RBV", str(error))
            await self._alarm(acquire)
            raise SkipWrite from error
        await self._idle.wait()
        if self.value("WaitForPlugins") == "Yes":
            await self._drained()
        raise SkipWrite

    async def _start(self) -> None:
        settings = self.readout.settings()
        mode = self.value("ImageMode")
        count = {"Single": 1, "Multiple": max(1, self.value("NumImages"))}.get(mode)
        self._lost = self._frames_to_lose(count)
        self._wanted, self._delivered = count, 0
        self._acquisition += 1
        self._idle.clear()
        await self._post_state(acquiring=True, state=self._armed_state(), message="Acquiring")
        await self.post("NumImagesCounter_RBV", 0)
        self._last_frame_s = now = self._clock.now()
        readout_s, trigger = self.readout.readout_s(settings), self.value("TriggerMode")
        self._timer.start(settings, mode=trigger, readout_s=readout_s, count=count, time_s=now)

    def _armed_state(self) -> str:
        return "Acquire" if self.value("TriggerMode") == INTERNAL else "Waiting"

    def _frames_to_lose(self, count: int | None) -> frozenset[int]:
        if count is None or count < DROP_FROM:
            return frozenset()
        lost: set[int] = set()
        for fault in self._faults.take(DropFrames):
            lost.update(random.Random(fault.seed).sample(range(count), min(fault.count, count)))
        return frozenset(lost)

    async def _stop(self, message: str) -> None:
        """Expose no more; what was read out already is still delivered."""
        now = self._clock.now()
        for exposure in self._timer.ready(now):
            self._pending.put_nowait(exposure)
        self._timer.stop(now)
        await self.post("DetectorState_RBV", "Aborting")
        await self.post("StatusMessage_RBV", message)
        self._pending.put_nowait(self._acquisition)

    async def _finish(self) -> None:
        if self.acquiring:
            message = self.value("StatusMessage_RBV")
            done = "Acquisition complete" if message == "Acquiring" else message
            await self._post_state(acquiring=False, state="Idle", message=done)
            self._idle.set()

    async def _post_state(self, *, acquiring: bool, state: str, message: str) -> None:
        await self.post("DetectorState_RBV", state)
        await self.post("StatusMessage_RBV", message)
        for suffix in ("Acquire", "Acquire_RBV", "AcquireBusy", "AcquireBusyCB"):
            await self.post(suffix, int(acquiring))

    async def _put_time(self, value: float) -> float:
        """Never let the period be shorter than the exposure."""
        value = max(value, 0.0)
        if self.value("AcquirePeriod") < value:
            await self.set("AcquirePeriod", value)
        return value

    @staticmethod
    async def _alarm(pv: Any) -> None:
        """Mark a put that the driver refused, as asyn does."""
        await pv.alarm.write(status=AlarmStatus.WRITE, severity=AlarmSeverity.INVALID_ALARM)


def epics_time(unix_s: float) -> tuple[int, int]:
    """Seconds since 1990 and nanoseconds of a time in seconds since 1970.

    >>> epics_time(631152001.25)
    (1, 250000000)
    """
    whole = int(unix_s // 1)
    return whole - EPICS_EPOCH_S, round((unix_s - whole) * 1e9)
