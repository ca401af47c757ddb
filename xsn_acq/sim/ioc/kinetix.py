"""The camera: ADKinetix records, acquisition states, frames in the order they were exposed."""

from collections.abc import Awaitable, Callable

from xsn_acq.config import Detection
from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.acquisition import Acquisition, Order
from xsn_acq.sim.ioc.exposures import INTERNAL, Exposure
from xsn_acq.sim.ioc.faults import ClockOffset, DropFrames, Faults
from xsn_acq.sim.ioc.frame import Frame
from xsn_acq.sim.ioc.readout import Readout
from xsn_acq.sim.ioc.rendering import Renderer
from xsn_acq.sim.state import CameraSettings

CONTINUOUS_BACKLOG = 4
"""Frames not yet rendered at which a live view skips; a counted acquisition never skips."""


class Kinetix(Acquisition[CameraSettings]):
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

    counter = "NumImagesCounter_RBV"
    busy_message = "Acquiring"

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
        super().__init__(prefix, "adkinetix", clock, plugins, drained)
        self._renderer, self._faults = renderer, faults
        texts = {"PortName_RBV": "KTX", "Manufacturer_RBV": "Teledyne Photometrics", "Model_RBV": "Kinetix"}
        for suffix, value in (texts | {"ADCoreVersion_RBV": "3.14.0", "DriverVersion_RBV": "1.1.0"}).items():
            self[suffix].preset(value)
        for suffix in ("AcquireTime", "ImageMode", "NumImages", "TriggerMode", "MinExpRes", "ArrayCallbacks"):
            self[f"{suffix}_RBV"].preset(self.value(suffix))
        self["Temperature_RBV"].preset(-25.0)
        self.readout = Readout(self, detection)
        self.on_put("AcquireTime", self._put_time)

    def free_run(self, now_s: float) -> list[float]:
        """Begin the exposures that are due by themselves; their times."""
        live = self._wanted is None and self._pending.qsize() >= CONTINUOUS_BACKLOG
        return [] if live else super().free_run(now_s)

    async def advance(self, now_s: float) -> None:
        """Queue what has been read out by ``now_s``; end an acquisition that waited too long."""
        await super().advance(now_s)
        external = self.value("TriggerMode") != INTERNAL
        if self._timer.running and external and self.value("StopAcqOnTimeout") == "Yes":
            waited_ms = 1e3 * (now_s - self._timer.waiting_since_s)
            if waited_ms > self.value("WaitForFrameTO"):
                await self._stop("Timed out waiting for a frame")

    async def _frame(self, exposure: Exposure[CameraSettings]) -> Frame:
        image = await self._renderer.image(exposure)
        stamp_s = exposure.ready_s + sum(fault.seconds for fault in self._faults.find(ClockOffset))
        return Frame(image, self.value("ArrayCounter") + 1, stamp_s)

    def _order(self) -> Order[CameraSettings]:
        settings = self.readout.settings()
        count = {"Single": 1, "Multiple": max(1, self.value("NumImages"))}.get(self.value("ImageMode"))
        return Order(settings, self.value("TriggerMode"), self.readout.readout_s(settings), count)

    def _armed_state(self) -> str:
        return "Acquire" if self.value("TriggerMode") == INTERNAL else "Waiting"

    def _lose(self, count: int) -> list[tuple[int, int]]:
        return [(fault.count, fault.seed) for fault in self._faults.take(DropFrames)]

    async def _begin_again(self) -> None:
        await self._alarm(self["Acquire"])

    async def _stopping(self, message: str) -> None:
        await self.post("DetectorState_RBV", "Aborting")
        await self.post("StatusMessage_RBV", message)

    def _outcome(self, stopped: str | None) -> tuple[str, str]:
        return "Idle", stopped or "Acquisition complete"

    async def _put_time(self, value: float) -> float:
        """Never let the period be shorter than the exposure."""
        value = max(value, 0.0)
        if self.value("AcquirePeriod") < value:
            await self.set("AcquirePeriod", value)
        return value
