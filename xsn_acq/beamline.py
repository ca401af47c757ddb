"""The instrument of a beamline file: one factory for each device; connect all, collect every failure."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

from ophyd import Device
from ophyd.status import StatusBase

from xsn_acq.config import Beamline
from xsn_acq.config.energy import bragg_offset_deg
from xsn_acq.devices.beam_monitor import BeamMonitor
from xsn_acq.devices.connection import be_patient, connection_faults, operation_faults
from xsn_acq.devices.cutoff import CutoffFilter
from xsn_acq.devices.diffuser import RotatingDiffuser
from xsn_acq.devices.kinetix import Kinetix
from xsn_acq.devices.left_behind import left_behind
from xsn_acq.devices.monochromator import DoubleCrystal
from xsn_acq.devices.motor import Motor
from xsn_acq.devices.optics import Condenser, DetectorStage, Pinhole, ZonePlateStage
from xsn_acq.devices.position_compare import PositionCompare
from xsn_acq.devices.ring import Ring
from xsn_acq.devices.sample import SampleStage
from xsn_acq.devices.shutter import Shutter
from xsn_acq.devices.undulator import Undulator
from xsn_acq.errors import ConnectError

SAFE_TIMEOUT_S = 30.0
USUAL = 0.01
"""A rotation stage whose velocity is off the usual one by more than this share was left so by a scan."""


@dataclass(frozen=True)
class Instrument:
    """Every device of a beamline, and the file it was built from."""

    file: Beamline
    ring: Ring
    front_end_shutter: Shutter
    shutter: Shutter
    undulator: Undulator
    mono: DoubleCrystal
    beam_monitor: BeamMonitor
    condenser: Condenser
    diffuser: RotatingDiffuser
    pinhole: Pinhole
    zone_plate: ZonePlateStage
    cutoff: CutoffFilter
    sample: SampleStage
    detector: DetectorStage
    camera: Kinetix
    position_compare: PositionCompare

    def devices(self) -> list[Device]:
        """All devices, in the order of the fields."""
        return [getattr(self, f.name) for f in fields(self) if f.name != "file"]


def ring(file: Beamline) -> Ring:
    """Storage ring."""
    return Ring(file.pvs.ring, name="ring")


def front_end_shutter(file: Beamline) -> Shutter:
    """Shutter of the front end."""
    return Shutter(file.pvs.front_end_shutter, name="front_end_shutter")


def shutter(file: Beamline) -> Shutter:
    """Experiment shutter."""
    return Shutter(file.pvs.shutter, name="shutter")


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


def mono(file: Beamline) -> DoubleCrystal:
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


def beam_monitor(file: Beamline) -> BeamMonitor:
    """Ion chamber before the experiment shutter."""
    return BeamMonitor(file.pvs.beam_monitor, name="beam_monitor")


def condenser(file: Beamline) -> Condenser:
    """Condenser lens."""
    return Condenser(axes={"x": file.axes.condenser_x, "y": file.axes.condenser_y}, name="condenser")


def diffuser(file: Beamline) -> RotatingDiffuser:
    """Rotating diffuser."""
    return RotatingDiffuser(
        axes={"x": file.axes.diffuser_x}, rotation=file.pvs.diffuser_rotation, name="diffuser"
    )


def pinhole(file: Beamline) -> Pinhole:
    """Pinhole before the sample."""
    return Pinhole(axes={"x": file.axes.pinhole_x, "y": file.axes.pinhole_y}, name="pinhole")


def zone_plate(file: Beamline) -> ZonePlateStage:
    """Imaging zone plate."""
    axes = {"x": file.axes.zone_plate_x, "y": file.axes.zone_plate_y, "z": file.axes.zone_plate_z}
    return ZonePlateStage(axes=axes, name="zone_plate")


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


def sample(file: Beamline) -> SampleStage:
    """Sample stage."""
    axes = {
        "x": file.axes.sample_x,
        "y": file.axes.sample_y,
        "z": file.axes.sample_z,
        "theta": file.axes.sample_theta,
    }
    return SampleStage(axes=axes, name="sample")


def detector(file: Beamline) -> DetectorStage:
    """Detector stage."""
    return DetectorStage(axes={"z": file.axes.detector_z}, name="detector")


def camera(file: Beamline) -> Kinetix:
    """Camera and its file writer."""
    return Kinetix(file.pvs.camera, name="camera")


def position_compare(file: Beamline) -> PositionCompare:
    """Position compare on the rotation stage."""
    return PositionCompare(file.pvs.position_compare, name="position_compare")


def build(beamline: Beamline) -> Instrument:
    """Make every device; nothing is waited for."""
    be_patient()
    return Instrument(
        file=beamline,
        ring=ring(beamline),
        front_end_shutter=front_end_shutter(beamline),
        shutter=shutter(beamline),
        undulator=undulator(beamline),
        mono=mono(beamline),
        beam_monitor=beam_monitor(beamline),
        condenser=condenser(beamline),
        diffuser=diffuser(beamline),
        pinhole=pinhole(beamline),
        zone_plate=zone_plate(beamline),
        cutoff=cutoff(beamline),
        sample=sample(beamline),
        detector=detector(beamline),
        camera=camera(beamline),
        position_compare=position_compare(beamline),
    )


@contextmanager
def connected(file: Beamline, timeout_s: float = 10.0) -> Iterator[Instrument]:
    """Build every device and wait for its records; let them go at the end.

    Raises
    ------
    ConnectError
        See `connect`.
    """
    instrument = build(file)
    try:
        connect(instrument, timeout_s)
    except ConnectError:
        destroy(instrument)
        raise  # a Ctrl-C ends the program; to let go what is just connecting can crash libca
    try:
        yield instrument
    finally:
        destroy(instrument)


def connect(instrument: Instrument, timeout_s: float = 10.0) -> None:
    """Wait for every record; all are sought at the same time.

    Raises
    ------
    ConnectError
        One line for each device with records that did not answer, a single one when none did; one for each
        motor in the wrong unit.
    """
    faults = connection_faults(instrument.devices(), timeout_s)
    if not faults:
        faults = [fault for motor in motors(instrument) for fault in _unit_faults(motor)]
    if faults:
        raise ConnectError(f"beamline {instrument.file.name}", faults)


def problems(instrument: Instrument) -> list[str]:
    """List what is out of range or not a number, one line each; empty when all is well."""
    found = [line for motor in motors(instrument) for line in _motor_problems(motor)]
    found += _not_a_number(instrument)
    least = instrument.file.ring.min_current_ma
    current = float(instrument.ring.current.get())
    if current < least:
        found.append(f"ring: current {current:.1f} mA is below {least} mA")
    found += instrument.undulator.gap_faults(float(instrument.undulator.gap.get()))
    found += left_behind(instrument.camera, instrument.position_compare)
    return found + _sample_stage_problems(instrument)


def _sample_stage_problems(instrument: Instrument) -> list[str]:
    """What a scan that was killed leaves at the sample stage and the shutter."""
    file, sample = instrument.file, instrument.sample
    velocity, usual = float(sample.theta.velocity.get(use_monitor=False)), file.axes.sample_theta.velocity
    found = []
    if not math.isclose(velocity, usual, rel_tol=USUAL):
        found.append(
            f"{sample.theta.name}: velocity: wanted {usual:g} deg/s, found {velocity:.4g}; run xsn-acq safe"
        )
    x = float(sample.x.user_readback.get(use_monitor=False))
    if file.geometry.is_out(x):
        back = f"caput {sample.x.prefix} {file.geometry.sample_x_centre_um:g}"
        found.append(f"{sample.x.name}: the sample is out of the beam, at {x:.1f} um; move it back ({back})")
    if instrument.shutter.is_open:
        found.append(f"{instrument.shutter.name}: wanted closed while nothing is measured, found open")
    return found


def make_safe(instrument: Instrument, timeout_s: float = SAFE_TIMEOUT_S) -> list[str]:
    """Shut the beam off, stop what runs, close the frame file, give the rotation stage its velocity back.

    For what a killed session left behind. Nothing is moved. Each part is done whatever becomes of the others;
    what goes wrong is returned, one line each.

    Parameters
    ----------
    instrument : Instrument
        Only what is made safe needs to answer.
    timeout_s : float
        For each part, seconds: to answer, and to do it.
    """
    theta, camera, compare = instrument.sample.theta, instrument.camera, instrument.position_compare
    usual = instrument.file.axes.sample_theta.velocity
    parts: tuple[tuple[Device, Callable[[], StatusBase]], ...] = (
        (instrument.shutter, lambda: instrument.shutter.set("closed")),
        *((axis, axis.stand) for axis in _energy_axes(instrument)),
        (theta, theta.stand),
        (compare, compare.disarm),
        (camera, camera.stop_acquiring),
        (camera, camera.close_file),
        (theta, lambda: theta.velocity.set(usual)),
    )
    return [fault for device, act in parts for fault in operation_faults(device, act, timeout_s)]


def _energy_axes(instrument: Instrument) -> tuple[Any, ...]:
    """What a killed energy change may have left moving."""
    mono, lens = instrument.mono, instrument.zone_plate
    return mono.bragg, mono.second_crystal_gap, lens.x, lens.y, lens.z, instrument.undulator


def baseline(instrument: Instrument) -> list[Device]:
    """Devices to be read at the start and end of every run."""
    flyers = (instrument.camera, instrument.position_compare)
    return [device for device in instrument.devices() if device not in flyers]


def motors(instrument: Instrument) -> list[Motor]:
    """Every motor."""
    walked = (item for device in instrument.devices() for item in device.walk_subdevices())
    return [device for _, device in walked if isinstance(device, Motor)]


def destroy(instrument: Instrument) -> None:
    """Let every record go."""
    for device in instrument.devices():
        device.destroy()


def _unit_faults(motor: Motor) -> list[str]:
    unit = motor.motor_egu.get()
    if unit == motor.axis.unit:
        return []
    return [f"{motor.name}: {motor.prefix} is in {unit!r}, the beamline file says {motor.axis.unit!r}"]


def _motor_problems(motor: Motor) -> list[str]:
    unit, axis = motor.axis.unit, motor.axis
    here = float(motor.user_readback.get(use_monitor=False))
    lines = [f"{motor.name}: position: {fault}" for fault in motor.limit_faults(here)]
    low = float(motor.low_limit_travel.get(use_monitor=False))
    high = float(motor.high_limit_travel.get(use_monitor=False))
    if low < high and (axis.low < low or axis.high > high):
        wide = f"limits {axis.low} to {axis.high} {unit} of the beamline file"
        lines.append(f"{motor.name}: {wide} are wider than {low} to {high} {unit} of the record")
    velocity, most = (float(s.get(use_monitor=False)) for s in (motor.velocity, motor.max_velocity))
    if most > 0 and velocity > most:
        lines.append(
            f"{motor.name}: velocity {velocity:.4g} {unit}/s is above the record's {most:g} {unit}/s"
        )
    return lines


def _not_a_number(instrument: Instrument) -> list[str]:
    lines = []
    for device in baseline(instrument):
        for key, reading in device.read().items():
            value = reading["value"]
            if isinstance(value, float) and math.isnan(value):
                lines.append(f"{device.name}: {key} reads NaN")
    return lines
