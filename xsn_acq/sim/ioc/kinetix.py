"""The Kinetix camera: ADKinetix records."""

from collections.abc import Awaitable, Callable
from types import MappingProxyType

from xsn_acq.config import Detection
from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.camera import Camera
from xsn_acq.sim.ioc.exposures import INTERNAL
from xsn_acq.sim.ioc.faults import Faults
from xsn_acq.sim.ioc.frame import Frame
from xsn_acq.sim.ioc.readout import Readout
from xsn_acq.sim.ioc.rendering import Renderer
from xsn_acq.sim.state import CameraSettings


class Kinetix(Camera):
    """ADKinetix camera; parameters as of `Camera`."""

    table = "adkinetix"
    texts = MappingProxyType(
        {
            "PortName_RBV": "KTX",
            "Manufacturer_RBV": "Teledyne Photometrics",
            "Model_RBV": "Kinetix",
            "DriverVersion_RBV": "1.1.0",
        }
    )

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
        super().__init__(prefix, detection, renderer, clock, faults, plugins, drained)
        self["MinExpRes_RBV"].preset(self.value("MinExpRes"))
        self["Temperature_RBV"].preset(-25.0)
        self.readout = Readout(self, detection)

    def settings(self) -> CameraSettings:
        """Read exposure, region and readout port from the records."""
        return self.readout.settings()

    async def advance(self, now_s: float) -> None:
        """Queue what has been read out by ``now_s``; end an acquisition that waited too long."""
        await super().advance(now_s)
        external = self.value("TriggerMode") != INTERNAL
        if self._timer.running and external and self.value("StopAcqOnTimeout") == "Yes":
            waited_ms = 1e3 * (now_s - self._timer.waiting_since_s)
            if waited_ms > self.value("WaitForFrameTO"):
                await self._stop("Timed out waiting for a frame")

    def _mode(self) -> str:
        mode: str = self.value("TriggerMode")
        return mode

    async def _stopping(self, message: str) -> None:
        await self.post("DetectorState_RBV", "Aborting")
        await self.post("StatusMessage_RBV", message)

    def _outcome(self, stopped: str | None) -> tuple[str, str]:
        return "Idle", stopped or "Acquisition complete"

    def _armed_state(self) -> str:
        return "Acquire" if self.value("TriggerMode") == INTERNAL else "Waiting"
