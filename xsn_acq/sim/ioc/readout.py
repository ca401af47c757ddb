"""How the camera is read out, as the ADKinetix driver has it: ports, region, binning, exposure resolution."""

from dataclasses import dataclass

from xsn_acq.config import Detection
from xsn_acq.sim.ioc.channels import Put
from xsn_acq.sim.ioc.table import Records
from xsn_acq.sim.state import CameraSettings, ReadoutPort


@dataclass(frozen=True)
class Port:
    """One readout port of the Kinetix."""

    name: str
    bits: int

    @property
    def data_type(self) -> str:
        """DataType_RBV while it is in use."""
        return "UInt8" if self.bits <= 8 else "UInt16"


PORTS: dict[ReadoutPort, Port] = {
    "1": Port("Sensitivity", 12),
    "2": Port("Speed", 8),
    "3": Port("Dynamic Range", 16),
    "4": Port("Sub-Electron", 16),
}

EXPOSURE_STEPS = {"s": 1, "ms": 1_000, "us": 1_000_000}
"""Exposure units in a second, by MinExpRes."""


class Readout:
    """Readout mode and region, kept in the camera's records.

    A mode is chosen in two steps: indices first, then ``ApplyReadoutMode``. ``SizeX`` and ``SizeY`` act as
    the index at which the region stops, not as its size: ``SizeX_RBV`` tells the size that comes out.

    Parameters
    ----------
    records : Records
        Of the camera.
    detection : Detection
        Sensor size and readout times.
    """

    def __init__(self, records: Records, detection: Detection) -> None:
        self._records, self._detection = records, detection
        self.port: ReadoutPort = "1"
        for suffix in ("MaxSizeX_RBV", "SizeX", "SizeX_RBV", "ArraySizeX_RBV"):
            records[suffix].preset(detection.sensor_columns)
        for suffix in ("MaxSizeY_RBV", "SizeY", "SizeY_RBV", "ArraySizeY_RBV"):
            records[suffix].preset(detection.sensor_rows)
        for suffix, value in self._mode_texts("1").items():
            records[suffix].preset(value)
        records["DataType_RBV"].preset(PORTS["1"].data_type)
        for suffix in ("BinX_RBV", "BinY_RBV"):
            records[suffix].preset(1)
        for suffix in ("ReadoutPortIdx", "SpeedIdx", "GainIdx"):
            records.on_put(suffix, self._hook(suffix))
        for suffix in ("MinX", "MinY", "SizeX", "SizeY", "BinX", "BinY"):
            records[suffix].on_put = self._hook_region(suffix)
        records.on_put("ApplyReadoutMode", self._apply)

    def settings(self) -> CameraSettings:
        """Read the records.

        Raises
        ------
        ValueError
            The region is empty, or the two binnings differ.
        """
        value = self._records.value
        if value("BinX") != value("BinY"):
            raise ValueError(f"BinX {value('BinX')} and BinY {value('BinY')} must be equal")
        return CameraSettings(
            exposure_s=self.exposure_s(),
            min_x=value("MinX"),
            min_y=value("MinY"),
            size_x=self._size("X"),
            size_y=self._size("Y"),
            binning=value("BinX"),
            readout_port=self.port,
        )

    def exposure_s(self) -> float:
        """Exposure that the camera makes of AcquireTime: whole units of MinExpRes."""
        steps = EXPOSURE_STEPS[self._records.value("MinExpRes")]
        return int(self._records.value("AcquireTime") * steps) / steps

    def _size(self, axis: str) -> int:
        """Unbinned columns or rows that come out; not above 0 when there are none."""
        sensor = self._detection.sensor_columns if axis == "X" else self._detection.sensor_rows
        stop: int = self._records.value(f"Size{axis}")
        start: int = self._records.value(f"Min{axis}")
        return min(stop, sensor) - start

    def _hook_region(self, suffix: str) -> Put:
        async def put(value: int) -> int:
            value = max(int(value), 0 if suffix.startswith("Min") else 1)
            await self._records[suffix].post(value)
            if not suffix.startswith("Size"):
                await self._records.post(f"{suffix}_RBV", value)
            await self._post_sizes()
            return value

        return put

    async def _post_sizes(self) -> None:
        value = self._records.value
        pixels = 1
        for axis in ("X", "Y"):
            size = max(self._size(axis), 0)
            binned = size // value(f"Bin{axis}")
            pixels *= binned
            await self._records.post(f"Size{axis}_RBV", size)
            await self._records.post(f"ArraySize{axis}_RBV", binned)
        await self._records.post("ArraySize_RBV", pixels * (1 if PORTS[self.port].bits <= 8 else 2))

    def _hook(self, suffix: str) -> Put:
        async def put(value: str) -> None:
            await self._records[suffix].post(value)
            for name, text in self._mode_texts(self._records.value("ReadoutPortIdx")).items():
                if name != "ReadoutMode_RBV":
                    await self._records.post(name, text)

        return put

    def _mode_texts(self, port: ReadoutPort) -> dict[str, str]:
        """Descriptions of the mode chosen; each port has one speed and one gain."""
        mode, value = PORTS[port], self._records.value
        nanoseconds = 1e9 * self._detection.readout_s[port] / self._detection.sensor_rows
        speed_ok, gain_ok = value("SpeedIdx") == "1", value("GainIdx") == "1"
        return {
            "ReadoutPortName_RBV": mode.name,
            "SpeedDesc_RBV": f"Pixel time: {nanoseconds:.0f} ns" if speed_ok else "Invalid",
            "GainDesc_RBV": f"{mode.name}, {mode.bits} bpp" if speed_ok and gain_ok else "Invalid",
            "ReadoutModeValid_RBV": "Valid" if speed_ok and gain_ok else "Invalid",
            "ReadoutMode_RBV": f"Mode: {mode.name} @ {nanoseconds:.0f} nspp w/ {mode.bits} bpp",
        }

    async def _apply(self, value: str) -> str:
        if value != "Apply":
            return "Cancel"
        if self._records.value("ReadoutModeValid_RBV") != "Valid":
            raise ValueError("the readout mode chosen is not valid: port, speed or gain does not exist")
        self.port = self._records.value("ReadoutPortIdx")
        await self._records.post("ReadoutMode_RBV", self._mode_texts(self.port)["ReadoutMode_RBV"])
        await self._records.post("DataType_RBV", PORTS[self.port].data_type)
        await self._post_sizes()
        return "Cancel"
