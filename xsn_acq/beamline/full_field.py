"""Devices that every beamline has: one factory for each, from the beamline file."""

from dataclasses import dataclass, fields
from typing import Any

from ophyd import Device

from xsn_acq.config import Axis, FullField
from xsn_acq.devices.beam_monitor import BeamMonitor
from xsn_acq.devices.camera import Camera
from xsn_acq.devices.frame_flyer import FrameFlyer
from xsn_acq.devices.motor import Motor, Stage
from xsn_acq.devices.position_compare import PositionCompare
from xsn_acq.devices.ring import Ring
from xsn_acq.devices.sample import SampleStage
from xsn_acq.devices.shutter import Shutter


@dataclass(frozen=True)
class FullFieldInstrument:
    """The devices that all beamlines have, and the file they were built from.

    Each has a monochromator and a camera of its own kind.
    """

    file: FullField
    ring: Ring
    front_end_shutter: Shutter
    shutter: Shutter
    mono: Stage
    beam_monitor: BeamMonitor
    sample: SampleStage
    camera: Camera
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
        return []

    def own_problems(self) -> list[str]:
        """What is out of range in the devices that others do not have."""
        return []

    def motors(self) -> list[Motor]:
        """Every motor."""
        walked = (item for device in self.devices() for item in device.walk_subdevices())
        return [device for _, device in walked if isinstance(device, Motor)]


def full_field_devices(file: FullField) -> dict[str, Any]:
    """Make the devices of `FullFieldInstrument` but monochromator and camera; nothing is waited for."""
    pvs, axes = file.pvs, file.axes
    sample = {"x": axes.sample_x, "y": axes.sample_y, "z": axes.sample_z, "theta": axes.sample_theta}
    return {
        "file": file,
        "ring": Ring(pvs.ring, name="ring"),
        "front_end_shutter": Shutter(pvs.front_end_shutter, name="front_end_shutter"),
        "shutter": Shutter(pvs.shutter, name="shutter"),
        "beam_monitor": BeamMonitor(pvs.beam_monitor, name="beam_monitor"),
        "sample": SampleStage(axes=sample, name="sample"),
        "position_compare": PositionCompare(pvs.position_compare, name="position_compare"),
    }
