"""Devices that every beamline has: one factory for each, from the beamline file."""

from dataclasses import dataclass, fields
from typing import Any

from ophyd import Device

from xsn_acq.config import Axis, Microscope
from xsn_acq.config.energy import bragg_offset_deg
from xsn_acq.devices.beam_monitor import BeamMonitor
from xsn_acq.devices.frame_flyer import FrameFlyer
from xsn_acq.devices.kinetix import Kinetix
from xsn_acq.devices.monochromator import DoubleCrystal
from xsn_acq.devices.motor import Motor
from xsn_acq.devices.optics import DetectorStage, Pinhole, ZonePlateStage
from xsn_acq.devices.position_compare import PositionCompare
from xsn_acq.devices.ring import Ring
from xsn_acq.devices.sample import SampleStage
from xsn_acq.devices.shutter import Shutter


@dataclass(frozen=True)
class CommonInstrument:
    """The devices that all beamlines have, and the file they were built from."""

    file: Microscope
    ring: Ring
    front_end_shutter: Shutter
    shutter: Shutter
    mono: DoubleCrystal
    beam_monitor: BeamMonitor
    pinhole: Pinhole
    zone_plate: ZonePlateStage
    sample: SampleStage
    detector: DetectorStage
    camera: Kinetix
    position_compare: PositionCompare

    def devices(self) -> list[Device]:
        """All devices, in the order of the fields."""
        return [getattr(self, f.name) for f in fields(self) if f.name != "file"]

    def detectors(self) -> list[FrameFlyer]:
        """Detectors, each with its file."""
        return [self.camera]

    def flyers(self) -> list[Device]:
        """Devices that record by themselves."""
        return [*self.detectors(), self.position_compare]

    def flown_axes(self) -> list[tuple[Motor, Axis]]:
        """Axes that plans give another velocity, each with what the beamline file says of it."""
        return [(self.sample.theta, self.file.axes.sample_theta)]

    def axes_of_changes(self) -> list[Device]:
        """What a plan that was killed may have left moving, besides the rotation stage."""
        mono, lens = self.mono, self.zone_plate
        return [mono.bragg, mono.second_crystal_gap, lens.x, lens.y, lens.z]

    def own_problems(self) -> list[str]:
        """What is out of range in the devices that others do not have."""
        return []

    def motors(self) -> list[Motor]:
        """Every motor."""
        walked = (item for device in self.devices() for item in device.walk_subdevices())
        return [device for _, device in walked if isinstance(device, Motor)]


def common_devices(file: Microscope) -> dict[str, Any]:
    """Make the devices of `CommonInstrument`; nothing is waited for."""
    pvs, axes = file.pvs, file.axes
    zone_plate = {"x": axes.zone_plate_x, "y": axes.zone_plate_y, "z": axes.zone_plate_z}
    sample = {"x": axes.sample_x, "y": axes.sample_y, "z": axes.sample_z, "theta": axes.sample_theta}
    return {
        "file": file,
        "ring": Ring(pvs.ring, name="ring"),
        "front_end_shutter": Shutter(pvs.front_end_shutter, name="front_end_shutter"),
        "shutter": Shutter(pvs.shutter, name="shutter"),
        "mono": mono(file),
        "beam_monitor": BeamMonitor(pvs.beam_monitor, name="beam_monitor"),
        "pinhole": Pinhole(axes={"x": axes.pinhole_x, "y": axes.pinhole_y}, name="pinhole"),
        "zone_plate": ZonePlateStage(axes=zone_plate, name="zone_plate"),
        "sample": SampleStage(axes=sample, name="sample"),
        "detector": DetectorStage(axes={"z": axes.detector_z}, name="detector"),
        "camera": Kinetix(pvs.camera, name="camera"),
        "position_compare": PositionCompare(pvs.position_compare, name="position_compare"),
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
