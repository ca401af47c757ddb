"""The spectrometer: Xspress3 records, acquisition states, spectra in the order they were counted."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np
from caproto import SkipWrite
from numpy.typing import NDArray

from xsn_acq.config.structured import Vortex
from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.acquisition import Acquisition, Order
from xsn_acq.sim.ioc.exposures import EXTERNAL_GATE, INTERNAL, Exposure
from xsn_acq.sim.ioc.faults import DropSpectra, Faults, HighRate, LostScalers
from xsn_acq.sim.ioc.frame import Frame, SpectrumFrame
from xsn_acq.sim.ioc.scalers import ATTRIBUTES, Scaler
from xsn_acq.sim.ioc.xspress3_channel import Xspress3Channel
from xsn_acq.sim.spectrometer import CLOCK_HZ

GAP_S = 1e-6
"""Between two frames, and to read one out."""
MODES = {"Internal": INTERNAL, "TTL Veto Only": EXTERNAL_GATE}

Counted = tuple[NDArray[np.uint32], NDArray[np.float64]]


@dataclass(frozen=True)
class Counting:
    """Counting time of a frame, where no gate ends it."""

    exposure_s: float


class Xspress3(Acquisition[Counting]):
    """Xspress3 with one channel: frames of AcquireTime (Internal), or one for each gate (TTL Veto Only).

    Parameters
    ----------
    prefix : str
        Of the whole detector; these records are under its ``det1:``.
    vortex : Vortex
        The detector in front of it.
    spectrum : callable
        Awaited with begin and end of a frame, simulated epoch seconds, and with how many times as many
        photons as usual arrive; gives raw counts, uint32 (1, bins), and scalers (11,), in the order of
        `Scaler`.
    clock : SimClock
    faults : Faults
    plugins : callable
        Awaited with each frame.
    drained : callable
        Awaited until the plugins are done, for WaitForPlugins.
    """

    counter = "FRAME_COUNT_RBV"
    busy_message = "Acquiring Data"

    def __init__(
        self,
        prefix: str,
        vortex: Vortex,
        spectrum: Callable[[float, float, float], Awaitable[Counted]],
        clock: SimClock,
        faults: Faults,
        plugins: Callable[[Frame], Awaitable[None]],
        drained: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(f"{prefix}det1:", "xspress3", clock, plugins, drained)
        self._spectrum, self._faults = spectrum, faults
        self._corrected = False
        event_width = vortex.dead_time_s * CLOCK_HZ - 1
        self.channel = Xspress3Channel(prefix, clock.now, vortex.bins, event_width)
        self._preset(vortex.bins)
        self.on_put("NumImages", self._put_images)
        self.on_put("ERASE", self._put_erase)
        self.on_put("CONNECT", self._put_connect)
        self.on_put("DISCONNECT", self._put_disconnect)

    def _preset(self, bins: int) -> None:
        texts = {"PortName_RBV": "XSP3", "Manufacturer_RBV": "Quantum Detectors", "Model_RBV": "Xspress3"}
        for suffix, value in (texts | {"ADCoreVersion_RBV": "3.14.0", "CONNECTED": "Connected"}).items():
            self[suffix].preset(value)
        for suffix in ("NUM_CHANNELS_RBV", "MAX_NUM_CHANNELS_RBV", "NUM_CARDS_RBV", "MaxSizeY_RBV"):
            self[suffix].preset(1)
        for suffix in ("MAX_SPECTRA", "MAX_SPECTRA_RBV", "MaxSizeX_RBV", "ArraySizeX_RBV"):
            self[suffix].preset(bins)
        self["MAX_FRAMES_RBV"].preset(self.value("MAX_FRAMES_DRIVER_RBV"))
        for suffix in ("AcquireTime", "NumImages", "TriggerMode", "ArrayCallbacks"):
            self[f"{suffix}_RBV"].preset(self.value(suffix))
        self["CTRL_DTC_RBV"].preset("Enabled")

    async def _frame(self, exposure: Exposure[Counting]) -> Frame:
        times = math.prod(fault.times for fault in self._faults.find(HighRate))
        counts, scalers = await self._spectrum(exposure.begin_s, exposure.end_s, times)
        if self._faults.find(LostScalers):
            scalers = np.zeros(len(Scaler))
        image = counts * scalers[Scaler.DEAD_TIME_FACTOR] if self._corrected else counts
        attributes = dict(zip(ATTRIBUTES, scalers.tolist(), strict=True))
        frame = SpectrumFrame(image, self._delivered + 1, exposure.ready_s, attributes)
        await self.channel.show(frame)
        return frame

    def _order(self) -> Order[Counting]:
        mode = self.value("TriggerMode")
        if mode not in MODES:
            raise ValueError(f"trigger mode {mode} is not simulated, only {' and '.join(MODES)}")
        if self.value("CONNECTED") != "Connected":
            raise ValueError("ERROR: Not Connected")
        return Order(Counting(self.value("AcquireTime")), MODES[mode], GAP_S, self.value("NumImages"))

    async def _start(self, order: Order[Counting]) -> None:
        self._corrected = self.value("CTRL_DTC") == "Enable"
        await self.set("ArrayCounter", 0)
        await self.post("DataType_RBV", "Float64" if self._corrected else "UInt32")
        if self.value("EraseOnStart") == "Yes":
            await self._erase()
        await super()._start(order)

    def _lose(self, count: int) -> list[tuple[int, int]]:
        return [(fault.count, fault.seed) for fault in self._faults.take(DropSpectra)]

    def _outcome(self, stopped: str | None) -> tuple[str, str]:
        return ("Idle", "Completed Acquisition") if stopped is None else ("Aborted", "Stopped Acquiring")

    async def _erase(self) -> None:
        await self.post("FRAME_COUNT_RBV", 0)
        await self.channel.clear()

    async def _put_erase(self, value: str) -> None:
        """Forget what was counted; ignored while it acquires."""
        if value == "Erase" and not self.acquiring:
            await self._erase()
            await self.post("StatusMessage_RBV", "Erased Data")

    async def _put_images(self, value: int) -> None:
        most = self.value("MAX_FRAMES_DRIVER_RBV")
        if not 0 < value <= most:
            raise ValueError(f"{self.prefix}NumImages must be 1 to {most}, found {value}")

    async def _put_connect(self, _: str) -> None:
        await self._post_connected("Connected", "Idle", "System Connected")

    async def _put_disconnect(self, _: str) -> None:
        if self.acquiring:
            raise SkipWrite
        await self._post_connected("Disconnected", "Disconnected", "System disconnected.")

    async def _post_connected(self, connected: str, state: str, message: str) -> None:
        await self.post("CONNECTED", connected)
        await self.post("DetectorState_RBV", state)
        await self.post("StatusMessage_RBV", message)
