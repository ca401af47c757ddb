"""What the simulated cameras have in common: frames in the order they were exposed."""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar

from xsn_acq.config.parts import Sensor
from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.acquisition import Acquisition, Order
from xsn_acq.sim.ioc.exposures import Exposure
from xsn_acq.sim.ioc.faults import ClockOffset, DropFrames, Faults
from xsn_acq.sim.ioc.frame import Frame
from xsn_acq.sim.ioc.rendering import Renderer
from xsn_acq.sim.state import CameraSettings

CONTINUOUS_BACKLOG = 4
"""Frames not yet rendered at which a live view skips; a counted acquisition never skips."""


def readout_s(detection: Sensor, settings: CameraSettings) -> float:
    """Time to read the rows of a region."""
    return detection.full_readout_s(settings.readout_port) * settings.size_y / detection.sensor_rows


class Camera(Acquisition[CameraSettings]):
    """An areaDetector camera; a subclass knows its records and what its triggers are called.

    Parameters
    ----------
    prefix : str
        Ending in ``cam1:``.
    detection : Sensor
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
    table: ClassVar[str]
    """Of its records."""
    texts: ClassVar[Mapping[str, str]]
    """What it says of itself, by record."""

    def __init__(
        self,
        prefix: str,
        detection: Sensor,
        renderer: Renderer,
        clock: SimClock,
        faults: Faults,
        plugins: Callable[[Frame], Awaitable[None]],
        drained: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(prefix, self.table, clock, plugins, drained)
        self._detection, self._renderer, self._faults = detection, renderer, faults
        for suffix, value in {"ADCoreVersion_RBV": "3.14.0", **self.texts}.items():
            self[suffix].preset(value)
        for suffix in ("AcquireTime", "ImageMode", "NumImages", "TriggerMode", "ArrayCallbacks"):
            self[f"{suffix}_RBV"].preset(self.value(suffix))
        self.on_put("AcquireTime", self._put_time)

    def free_run(self, now_s: float) -> list[float]:
        """Begin the exposures that are due by themselves; their times."""
        live = self._wanted is None and self._pending.qsize() >= CONTINUOUS_BACKLOG
        return [] if live else super().free_run(now_s)

    @abstractmethod
    def settings(self) -> CameraSettings:
        """Read exposure and region from the records; ValueError when they hold no pixel."""

    @abstractmethod
    def _mode(self) -> str:
        """Return what begins exposures, as `ExposureTimer` calls it."""

    async def _frame(self, exposure: Exposure[CameraSettings]) -> Frame:
        image = await self._renderer.image(exposure)
        stamp_s = exposure.ready_s + sum(fault.seconds for fault in self._faults.find(ClockOffset))
        return Frame(image, self.value("ArrayCounter") + 1, stamp_s)

    def _order(self) -> Order[CameraSettings]:
        settings = self.settings()
        count = {"Single": 1, "Multiple": max(1, self.value("NumImages"))}.get(self.value("ImageMode"))
        return Order(settings, self._mode(), readout_s(self._detection, settings), count)

    def _lose(self, count: int) -> list[tuple[int, int]]:
        return [(fault.count, fault.seed) for fault in self._faults.take(DropFrames)]

    async def _begin_again(self) -> None:
        await self._alarm(self["Acquire"])

    async def _put_time(self, value: float) -> float:
        """Never let the period be shorter than the exposure."""
        value = max(value, 0.0)
        if self.value("AcquirePeriod") < value:
            await self.set("AcquirePeriod", value)
        return value
