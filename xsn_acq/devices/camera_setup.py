"""What a camera is asked to do: a frozen value."""

from dataclasses import dataclass

from xsn_acq.devices.frame_setup import FrameSetup, Trigger


@dataclass(frozen=True, kw_only=True)
class CameraSetup(FrameSetup):
    """One file of frames of a camera.

    Parameters
    ----------
    exposure_s : float
        Exposure time, seconds; microseconds are kept.
    trigger : {"internal", "external"}
        Free-running, or one frame for each rising edge.
    binning : int
        On-chip binning, the same along x and y.
    roi : tuple of int
        (min_x, min_y, size_x, size_y) in unbinned pixels; sizes are multiples of the binning.
    readout_port : str
        Of a camera that has some: "1" sensitivity, "2" speed, "3" dynamic range, "4" sub-electron.
    others
        As in `FrameSetup`.
    """

    exposure_s: float
    trigger: Trigger
    binning: int
    roi: tuple[int, int, int, int]
    readout_port: str = "1"

    def __post_init__(self) -> None:
        _, _, size_x, size_y = self.roi
        if self.frames < 1 or self.exposure_s <= 0 or self.binning < 1 or min(self.roi) < 0:
            raise ValueError(
                f"camera setup {self}: frames, exposure_s and binning must be positive, roi not negative"
            )
        if not size_x or not size_y or size_x % self.binning or size_y % self.binning:
            raise ValueError(
                f"camera setup: roi {size_x} x {size_y} must be a multiple of the binning {self.binning}"
            )

    @property
    def frame_shape(self) -> tuple[int, int]:
        """(rows, columns) of a frame, binned pixels."""
        return self.roi[3] // self.binning, self.roi[2] // self.binning
