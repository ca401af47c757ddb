"""Everything the beamline's hardware says at one moment, and how the camera is set."""

from dataclasses import dataclass
from typing import Literal, get_args

ReadoutPort = Literal["1", "2", "3", "4"]


@dataclass(frozen=True, kw_only=True)
class FullFieldState:
    """What shapes an image on every beamline, in the units of the beamline file.

    Positions are those on the scales of the parts themselves: the play of their drives is in them, an offset
    of a whole scale is not. ``theta_start_deg`` and ``theta_end_deg`` are where the rotation stage is when
    the exposure begins and ends; ``time_s`` is the simulated epoch time of the middle of the exposure.
    """

    ring_current_ma: float
    sample_x_um: float
    sample_y_um: float
    sample_z_um: float
    theta_start_deg: float
    theta_end_deg: float
    front_end_open: bool
    shutter_open: bool
    time_s: float


@dataclass(frozen=True, kw_only=True)
class MicroscopeState(FullFieldState):
    """That of a microscope with a crystal monochromator and a zone plate."""

    bragg_deg: float
    second_crystal_gap_mm: float
    pitch_urad: float
    feedback_on: bool
    condenser_x_um: float
    condenser_y_um: float
    pinhole_x_um: float
    pinhole_y_um: float
    zone_plate_x_um: float
    zone_plate_y_um: float
    zone_plate_z_mm: float
    detector_z_mm: float


@dataclass(frozen=True, kw_only=True)
class BeamState(MicroscopeState):
    """That of a schlieren microscope."""

    gap_mm: float
    harmonic: int
    diffuser_x_mm: float
    diffuser_rotating: bool
    cutoff_x_um: float
    cutoff_z_mm: float


@dataclass(frozen=True, kw_only=True)
class StructuredState(MicroscopeState):
    """That of a microscope with structured illumination.

    The fine sheet may move during an exposure. ``sample_moves``: how often the sample stage was
    sent somewhere.
    """

    condenser_pitch_urad: float
    condenser_yaw_urad: float
    coarse_x_mm: float
    coarse_y_mm: float
    fine_x_start_mm: float
    fine_x_end_mm: float
    fine_y_mm: float
    vortex_x_mm: float
    exposure_s: float
    sample_moves: int


@dataclass(frozen=True, kw_only=True)
class SpeckleState(FullFieldState):
    """That of a beamline with a multilayer and a diffuser behind the sample; ``age_s`` since its start."""

    multilayer_1_deg: float
    multilayer_2_deg: float
    diffuser_x_mm: float
    diffuser_y_mm: float
    age_s: float = 0.0


@dataclass(frozen=True)
class CameraSettings:
    """Exposure and readout; the region is in unbinned sensor pixels.

    A rest that fills no binned pixel is left out.

    Raises
    ------
    ValueError
        A size, the binning or the exposure is not positive, or the port is not one of 1 to 4.
    """

    exposure_s: float
    min_x: int
    min_y: int
    size_x: int
    size_y: int
    binning: int = 1
    readout_port: ReadoutPort = "1"

    def __post_init__(self) -> None:
        sizes, corner = min(self.size_x, self.size_y), min(self.min_x, self.min_y)
        if self.binning < 1 or sizes < self.binning or corner < 0:
            raise ValueError(
                f"camera region {self.size_x} x {self.size_y} at ({self.min_x}, {self.min_y}) with binning "
                f"{self.binning} holds no pixel"
            )
        if self.exposure_s < 0 or self.readout_port not in get_args(ReadoutPort):
            raise ValueError(
                f"exposure {self.exposure_s} s with readout port {self.readout_port!r} is not possible"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a frame, (ny, nx) binned pixels."""
        return self.size_y // self.binning, self.size_x // self.binning
