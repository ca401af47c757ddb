"""The instrument of a schlieren microscope."""

from dataclasses import dataclass

from ophyd import Device

from xsn_acq.beamline.parts import CommonInstrument, common_devices
from xsn_acq.config import Beamline
from xsn_acq.devices.cutoff import CutoffFilter
from xsn_acq.devices.diffuser import RotatingDiffuser
from xsn_acq.devices.optics import Condenser
from xsn_acq.devices.undulator import Undulator


@dataclass(frozen=True)
class Instrument(CommonInstrument):
    """Every device of a schlieren microscope."""

    file: Beamline
    undulator: Undulator
    condenser: Condenser
    diffuser: RotatingDiffuser
    cutoff: CutoffFilter

    def axes_of_changes(self) -> list[Device]:
        """The undulator's gap too."""
        return [*super().axes_of_changes(), self.undulator]

    def own_problems(self) -> list[str]:
        """What is out of range in the undulator."""
        return self.undulator.gap_faults(float(self.undulator.gap.get()))


def schlieren_instrument(file: Beamline) -> Instrument:
    """Make every device; nothing is waited for."""
    condenser = {"x": file.axes.condenser_x, "y": file.axes.condenser_y}
    return Instrument(
        **common_devices(file),
        undulator=undulator(file),
        condenser=Condenser(axes=condenser, name="condenser"),
        diffuser=diffuser(file),
        cutoff=cutoff(file),
    )


def undulator(file: Beamline) -> Undulator:
    """Undulator with the facts of the file."""
    facts = file.undulator
    return Undulator(
        file.pvs.undulator,
        suffixes={str(ours): theirs for ours, theirs in facts.suffixes.items()},
        low_mm=facts.gap_low_mm,
        high_mm=facts.gap_high_mm,
        speed_mm_s=facts.gap_speed_mm_s,
        tolerance_mm=facts.gap_tolerance_mm,
        settle_s=facts.gap_settle_s,
        stall_s=facts.gap_stall_s,
        name="undulator",
    )


def diffuser(file: Beamline) -> RotatingDiffuser:
    """Rotating diffuser."""
    return RotatingDiffuser(
        axes={"x": file.axes.diffuser_x}, rotation=file.pvs.diffuser_rotation, name="diffuser"
    )


def cutoff(file: Beamline) -> CutoffFilter:
    """Cutoff filter in the pupil of the zone plate."""
    lens = file.zone_plate
    return CutoffFilter(
        axes={"x": file.axes.cutoff_x, "z": file.axes.cutoff_z},
        edge_zero_um=file.geometry.cutoff_x_zero_um,
        lens_diameter_um=lens.diameter_um,
        outermost_zone_width_nm=lens.outermost_zone_width_nm,
        name="cutoff",
    )
