"""What every plan says of its frames: exposure, binning, region, readout, darks."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from xsn_acq.params.base import Params

BITS: Mapping[str, int] = MappingProxyType({"1": 12, "2": 8, "3": 16, "4": 16})
"""Of a pixel, by readout port."""

ReadoutPort = Literal["1", "2", "3", "4"]
Pixels = Annotated[int, Field(ge=0, le=100_000)]


class Roi(Params):
    """Region of interest on the sensor, in unbinned pixels."""

    min_x: Pixels
    """First column, 0 or more."""
    min_y: Pixels
    """First row, 0 or more."""
    size_x: Annotated[Pixels, Field(ge=8)]
    """Columns, 8 or more."""
    size_y: Annotated[Pixels, Field(ge=8)]
    """Rows, 8 or more."""

    def as_tuple(self) -> tuple[int, int, int, int]:
        """(min_x, min_y, size_x, size_y)."""
        return (self.min_x, self.min_y, self.size_x, self.size_y)


class FrameParams(Params):
    """How a plan takes its frames, whatever the camera."""

    exposure_s: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 2.0
    """Exposure of one frame, seconds, to 600."""
    darks: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Frames with the shutter shut, 1 to 10000."""
    sample_out_um: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """sample_x with the sample out of the beam, um; none takes the beamline file's."""
    binning: Literal[1, 2, 4, 8] = 2
    """Camera pixels pooled along each side."""
    roi: Roi | None = None
    """Region of interest; none takes the full sensor."""
    note: Annotated[str, Field(max_length=2000)] = ""
    """Free text, kept with the run."""

    @property
    def triggered(self) -> bool:
        """Whether each frame waits for a pulse; else the camera runs freely."""
        return False

    @property
    def port(self) -> ReadoutPort:
        """Readout port; a camera that has none takes the first for its only one."""
        return "1"

    @property
    def bytes_per_pixel(self) -> int:
        """Of a frame on disk."""
        return 2

    @model_validator(mode="after")
    def _whole_pixels(self) -> Self:
        if self.roi is not None and (self.roi.size_x % self.binning or self.roi.size_y % self.binning):
            found = f"{self.roi.size_x} x {self.roi.size_y}"
            raise ValueError(f"roi: size {found} must be a multiple of binning {self.binning} on both sides")
        return self


class CameraParams(FrameParams):
    """How a plan takes its frames with a camera that has readout ports."""

    readout_port: ReadoutPort = "1"
    """Camera readout port: 12 bit, 8 bit, 16 bit, 16 bit sub-electron."""

    @property
    def port(self) -> ReadoutPort:
        """Readout port."""
        return self.readout_port

    @property
    def bytes_per_pixel(self) -> int:
        """One with 8 bit, else two."""
        return 1 if BITS[self.readout_port] == 8 else 2
