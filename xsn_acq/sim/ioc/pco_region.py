"""The region of interest of a pco.edge, as ADPco has it: in binned pixels, upright about the middle."""

from dataclasses import dataclass, replace

from xsn_acq.config.parts import Sensor
from xsn_acq.sim.ioc.channels import Put
from xsn_acq.sim.ioc.table import Records
from xsn_acq.sim.state import CameraSettings

BINNINGS = (1, 2, 4)
_COLUMN_STEP, _LEAST_COLUMNS, _LEAST_ROWS = 4, 64, 16


@dataclass(frozen=True)
class _Region:
    """Begin and size along both axes, binned pixels, and the binning."""

    min_x: int
    min_y: int
    size_x: int
    size_y: int
    bin_x: int = 1
    bin_y: int = 1


_FIELDS = {
    "MinX": "min_x",
    "MinY": "min_y",
    "SizeX": "size_x",
    "SizeY": "size_y",
    "BinX": "bin_x",
    "BinY": "bin_y",
}
"""Field of `_Region` for each record."""


class PcoRegion:
    """Region and binning, kept in the camera's records.

    Columns go in steps of four. The camera reads from the middle outwards: the rows lie about it, so that a
    first row makes the size and a size the first row. What it makes of a put is in ``_RBV``.

    Parameters
    ----------
    records : Records
        Of the camera.
    detection : Sensor
        Sensor size.
    """

    def __init__(self, records: Records, detection: Sensor) -> None:
        self._records, self._detection = records, detection
        self._region = _Region(0, 0, detection.sensor_columns, detection.sensor_rows)
        for axis, size in (("X", detection.sensor_columns), ("Y", detection.sensor_rows)):
            for suffix in (f"MaxSize{axis}_RBV", f"Size{axis}", f"Size{axis}_RBV", f"ArraySize{axis}_RBV"):
                records[suffix].preset(size)
            records[f"Bin{axis}_RBV"].preset(1)
        for suffix in _FIELDS:
            records[suffix].on_put = self._hook(suffix)

    @property
    def rows_read(self) -> int:
        """Rows of the sensor that are read out."""
        return self._region.size_y * self._region.bin_y

    def settings(self, exposure_s: float) -> CameraSettings:
        """Return the region in unbinned pixels, with an exposure.

        Raises
        ------
        ValueError
            The two binnings differ.
        """
        region = self._region
        if region.bin_x != region.bin_y:
            raise ValueError(f"BinX {region.bin_x} and BinY {region.bin_y} must be equal")
        scale = region.bin_x
        return CameraSettings(
            exposure_s=exposure_s,
            min_x=region.min_x * scale,
            min_y=region.min_y * scale,
            size_x=region.size_x * scale,
            size_y=region.size_y * scale,
            binning=scale,
        )

    def _hook(self, suffix: str) -> Put:
        async def put(value: int) -> int:
            self._region = self._possible(replace(self._region, **{_FIELDS[suffix]: int(value)}), suffix)
            for record, field in _FIELDS.items():
                await self._records.post(f"{record}_RBV", getattr(self._region, field))
            for axis, size in (("X", self._region.size_x), ("Y", self._region.size_y)):
                await self._records.post(f"ArraySize{axis}_RBV", size)
            await self._records.post("ArraySize_RBV", 2 * self._region.size_x * self._region.size_y)
            return int(value)

        return put

    def _possible(self, wanted: _Region, changed: str) -> _Region:
        """Return what the camera makes of a region when one number of it has changed."""
        bin_x, bin_y = (max(b for b in BINNINGS if b <= max(n, 1)) for n in (wanted.bin_x, wanted.bin_y))
        columns, rows = self._detection.sensor_columns // bin_x, self._detection.sensor_rows // bin_y
        min_x = wanted.min_x
        if changed == "MinX":
            min_x = min(max(min_x, 0), columns - _LEAST_COLUMNS) // _COLUMN_STEP * _COLUMN_STEP
        size_x = min(max(wanted.size_x, _LEAST_COLUMNS), columns - min_x) // _COLUMN_STEP * _COLUMN_STEP
        if changed == "MinY":
            min_y = min(max(wanted.min_y, 0), (rows - _LEAST_ROWS) // 2)
        else:
            min_y = (rows - min(max(wanted.size_y, _LEAST_ROWS), rows)) // 2
        return _Region(min_x, min_y, size_x, rows - 2 * min_y, bin_x, bin_y)
