"""The instrument of a microscope with structured illumination."""

from dataclasses import dataclass

from ophyd import Device

from xsn_acq.beamline.parts import CommonInstrument, common_devices
from xsn_acq.config import Axis, StructuredBeamline
from xsn_acq.devices.frame_flyer import FrameFlyer
from xsn_acq.devices.motor import Motor
from xsn_acq.devices.optics import CapillaryCondenser, FluorescenceStage, Sandpaper
from xsn_acq.devices.xspress3 import Vortex


@dataclass(frozen=True)
class StructuredInstrument(CommonInstrument):
    """Every device of a microscope with structured illumination and a fluorescence detector."""

    file: StructuredBeamline
    condenser: CapillaryCondenser
    sandpaper_coarse: Sandpaper
    sandpaper_fine: Sandpaper
    fluorescence_stage: FluorescenceStage
    vortex: Vortex

    def detectors(self) -> list[FrameFlyer]:
        """The fluorescence detector too."""
        return [*super().detectors(), self.vortex]

    def flown_axes(self) -> list[tuple[Motor, Axis]]:
        """The fine sheet too."""
        return [*super().flown_axes(), (self.sandpaper_fine.x, self.file.axes.sandpaper_fine_x)]

    def axes_of_changes(self) -> list[Device]:
        """The sheets of sandpaper and the condenser too."""
        sheets, condenser = (self.sandpaper_coarse, self.sandpaper_fine), self.condenser
        own = [axis for sheet in sheets for axis in (sheet.x, sheet.y)]
        return [*super().axes_of_changes(), *own, condenser.x, condenser.y, condenser.pitch, condenser.yaw]


def structured_instrument(file: StructuredBeamline) -> StructuredInstrument:
    """Make every device; nothing is waited for."""
    axes = file.axes
    condenser = {
        "x": axes.condenser_x,
        "y": axes.condenser_y,
        "pitch": axes.condenser_pitch,
        "yaw": axes.condenser_yaw,
    }
    coarse = {"x": axes.sandpaper_coarse_x, "y": axes.sandpaper_coarse_y}
    fine = {"x": axes.sandpaper_fine_x, "y": axes.sandpaper_fine_y}
    return StructuredInstrument(
        **common_devices(file),
        condenser=CapillaryCondenser(axes=condenser, name="condenser"),
        sandpaper_coarse=Sandpaper(axes=coarse, name="sandpaper_coarse"),
        sandpaper_fine=Sandpaper(axes=fine, name="sandpaper_fine"),
        fluorescence_stage=FluorescenceStage(axes={"x": axes.vortex_x}, name="fluorescence_stage"),
        vortex=Vortex(
            file.pvs.vortex,
            name="vortex",
            bins=file.vortex.bins,
            dead_time_s=file.vortex.dead_time_s,
            most_dead=file.vortex.most_dead,
        ),
    )
