"""Devices that every microscope has: one factory for each, from the beamline file."""

from dataclasses import dataclass
from typing import Any

from ophyd import Device

from xsn_acq.beamline.full_field import FullFieldInstrument, full_field_devices
from xsn_acq.config import Microscope
from xsn_acq.config.energy import bragg_offset_deg
from xsn_acq.devices.kinetix import Kinetix
from xsn_acq.devices.monochromator import DoubleCrystal
from xsn_acq.devices.optics import DetectorStage, Pinhole, ZonePlateStage


@dataclass(frozen=True)
class CommonInstrument(FullFieldInstrument):
    """The devices that all microscopes with a zone plate have, and the file they were built from."""

    file: Microscope
    mono: DoubleCrystal
    camera: Kinetix
    pinhole: Pinhole
    zone_plate: ZonePlateStage
    detector: DetectorStage

    def axes_of_changes(self) -> list[Device]:
        """Those of the energy."""
        mono, lens = self.mono, self.zone_plate
        return [mono.bragg, mono.second_crystal_gap, lens.x, lens.y, lens.z]


def common_devices(file: Microscope) -> dict[str, Any]:
    """Make the devices of `CommonInstrument`; nothing is waited for."""
    axes = file.axes
    zone_plate = {"x": axes.zone_plate_x, "y": axes.zone_plate_y, "z": axes.zone_plate_z}
    return {
        **full_field_devices(file),
        "mono": mono(file),
        "camera": Kinetix(file.pvs.camera, name="camera"),
        "pinhole": Pinhole(axes={"x": axes.pinhole_x, "y": axes.pinhole_y}, name="pinhole"),
        "zone_plate": ZonePlateStage(axes=zone_plate, name="zone_plate"),
        "detector": DetectorStage(axes={"z": axes.detector_z}, name="detector"),
    }


def mono(file: Microscope) -> DoubleCrystal:
    """Double-crystal monochromator."""
    axes = file.axes
    return DoubleCrystal(
        axes={
            "bragg": axes.bragg,
            "second_crystal_gap": axes.second_crystal_gap,
            "second_crystal_pitch": axes.second_crystal_pitch,
        },
        feedback=file.pvs.mono_feedback,
        d_spacing_angstrom=file.monochromator.d_spacing_angstrom,
        lock_s=file.monochromator.lock_s,
        bragg_offset_deg=bragg_offset_deg(file),
        name="mono",
    )
