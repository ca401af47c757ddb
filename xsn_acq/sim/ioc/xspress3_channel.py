"""What the plugins of an Xspress3 with one channel show of each spectrum: array, scalers, regions."""

import numpy as np
from caproto import SkipWrite
from numpy.typing import NDArray

from xsn_acq.sim.ioc.channels import Double, Now, Served
from xsn_acq.sim.ioc.frame import Frame
from xsn_acq.sim.ioc.scalers import ATTRIBUTES, Scaler
from xsn_acq.sim.ioc.table import Records

ROIS = 48
RESULTS = ("MinValue_RBV", "MaxValue_RBV", "MeanValue_RBV", "Total_RBV", "Net_RBV")


class Region(Records):
    """One region of the spectrum, ``MCA1ROI:n:``: an NDROIStatN without its time series."""

    def __init__(self, prefix: str, now: Now, bins: int) -> None:
        super().__init__(prefix, now, "xspress3_roi")
        self["MaxSizeX_RBV"].preset(bins)
        for suffix in ("SizeX_RBV", "SizeY_RBV", "MaxSizeY_RBV"):
            self[suffix].preset(1)
        self.on_put("Reset", self._put_reset)

    @property
    def in_use(self) -> bool:
        """Whether it is switched on."""
        return bool(self.value("Use") == "Yes")

    async def show(self, spectrum: NDArray[np.float64]) -> None:
        """Show the counts of a spectrum (bins,) in this region."""
        begin, size = max(self.value("MinX"), 0), max(self.value("SizeX"), 1)
        part = spectrum[begin : begin + size]
        if not part.size:
            return
        edge = min(max(self.value("BgdWidth"), 0), part.size)
        background = np.mean([part[:edge], part[-edge:]]) if edge else 0.0
        total = part.sum()
        results = (part.min(), part.max(), part.mean(), total, total - background * part.size)
        for suffix, value in zip(RESULTS, results, strict=True):
            await self.post(suffix, float(value))

    async def _put_reset(self, _: str) -> None:
        for suffix in RESULTS:
            await self.post(suffix, 0.0)
        await self["Reset"].post(0)
        raise SkipWrite


class Xspress3Channel(Records):
    """Channel 1: ``C1:``, ``C1SCA:n:``, ``MCA1:ArrayData`` and ``MCA1ROI:n:``.

    Parameters
    ----------
    prefix : str
        Of the whole detector.
    now : callable
        Simulated epoch seconds.
    bins : int
    event_width : float
        An event costs so many ticks and one.
    """

    def __init__(self, prefix: str, now: Now, bins: int, event_width: float) -> None:
        super().__init__(prefix, now, "xspress3_channel")
        self["C1:EventWidth"].preset(event_width)
        array = Double(now=now, value=[0.0] * bins, max_length=bins, record="waveform", read_only=True)
        self.add("MCA1:ArrayData", array)
        self._bins = bins
        self._regions = [Region(f"{prefix}MCA1ROI:{n}:", now, bins) for n in range(1, ROIS + 1)]
        self._sums = np.zeros(len(Scaler))

    def region(self, number: int) -> Region:
        """Region ``number``, from 1."""
        return self._regions[number - 1]

    async def show(self, frame: Frame) -> None:
        """Show spectrum and scalers of a frame."""
        scalers = np.array([frame.attributes[name] for name in ATTRIBUTES])
        self._sums += scalers
        await self._show(frame.image[0].astype(np.float64), scalers)

    async def clear(self) -> None:
        """Show nothing counted."""
        self._sums[:] = 0.0
        await self._show(np.zeros(self._bins), np.zeros(len(Scaler)))

    async def _show(self, spectrum: NDArray[np.float64], scalers: NDArray[np.float64]) -> None:
        for number, (value, total) in enumerate(zip(scalers, self._sums, strict=True)):
            await self.post(f"C1SCA:{number}:Value_RBV", float(value))
            await self.post(f"C1SCA:{number}:ValueSum_RBV", float(total))
        await self.post("C1:DTFactor_RBV", float(scalers[Scaler.DEAD_TIME_FACTOR]))
        for suffix in ("C1:DeadTime_RBV", "MeanDeadTime_RBV", "MaxDeadTime_RBV"):
            await self.post(suffix, float(scalers[Scaler.DEAD_TIME_PERCENT]))
        await self.post("MCA1:ArrayData", spectrum.tolist())
        for region in self._regions:
            if region.in_use:
                await region.show(spectrum)

    def channels(self) -> dict[str, Served]:
        """All of them, by full name."""
        made = super().channels()
        for region in self._regions:
            made |= region.channels()
        return made
