"""The pco.edge camera: ADPco records, as the driver of the Paul Scherrer Institute has them."""

from collections.abc import Awaitable, Callable
from types import MappingProxyType

from xsn_acq.config.parts import Sensor
from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.camera import Camera
from xsn_acq.sim.ioc.exposures import EXTERNAL_EDGE, EXTERNAL_GATE, INTERNAL, Exposure
from xsn_acq.sim.ioc.faults import Faults
from xsn_acq.sim.ioc.frame import Frame, StampedFrame
from xsn_acq.sim.ioc.pco_region import PcoRegion
from xsn_acq.sim.ioc.rendering import Renderer
from xsn_acq.sim.state import CameraSettings

SHORTEST_S, LONGEST_S = 5e-4, 2.0
"""Exposures that the camera makes."""
_STEPS = ((4e-4, 1e9), (4.0, 1e6), (float("inf"), 1e3))
"""An exposure below so many seconds is kept in so many parts of a second."""
_MODES = {
    "Auto": INTERNAL,
    "Soft": EXTERNAL_EDGE,
    "Ext + Soft": EXTERNAL_EDGE,
    "Ext Pulse": EXTERNAL_GATE,
    "Ext Only": EXTERNAL_EDGE,
}
_BY_SOFTWARE = ("Soft", "Ext + Soft")


class PcoEdge(Camera):
    """ADPco camera; parameters as of `Camera`."""

    table = "adpco"
    busy_message = "Acquiring...."
    texts = MappingProxyType(
        {
            "PortName_RBV": "PCO",
            "Manufacturer_RBV": "Excelitas PCO",
            "Model_RBV": "pco.edge 5.5",
            "DriverVersion_RBV": "1.0.0",
        }
    )

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
        super().__init__(prefix, detection, renderer, clock, faults, plugins, drained)
        self.region = PcoRegion(self, detection)
        for suffix in ("PixelRate", "CameraSetup", "ReadoutMode", "BitAlignment", "AcquireMode"):
            self[f"{suffix}_RBV"].preset(self.value(suffix))
        self.on_put("TriggerSoftware", self._put_trigger)

    def settings(self) -> CameraSettings:
        """Read exposure and region from the records."""
        return self.region.settings(self.value("AcquireTime_RBV"))

    def trigger(self, time_s: float, width_s: float) -> None:
        """Take a pulse on the trigger input, unless the mode is by software alone."""
        if self.value("TriggerMode") != "Soft":
            super().trigger(time_s, width_s)

    async def _frame(self, exposure: Exposure[CameraSettings]) -> Frame:
        frame = await super()._frame(exposure)
        return StampedFrame(frame.image, frame.unique_id, frame.time_s)

    def _mode(self) -> str:
        return _MODES[self.value("TriggerMode")]

    def _outcome(self, stopped: str | None) -> tuple[str, str]:
        return "Idle", "Idle"

    async def _put_trigger(self, value: str) -> str:
        if value == "Trigger" and self.acquiring and self.value("TriggerMode") in _BY_SOFTWARE:
            self._timer.trigger(self._clock.now(), 0.0)
        return "Done"

    async def _put_time(self, value: float) -> float:
        """Keep what the camera can make: whole microseconds, but for the shortest and the longest."""
        wanted = min(max(value, SHORTEST_S), LONGEST_S)
        steps = next(each for below, each in _STEPS if wanted < below)
        made = int(wanted * steps) / steps
        rows = self.region.rows_read / self._detection.sensor_rows
        await self.post("FramePeriod_RBV", made + self._detection.full_readout_s("1") * rows)
        return made
