"""What is out of range, and what a killed session left behind."""

import math
from collections.abc import Callable
from functools import partial

from ophyd import Device
from ophyd.status import StatusBase

from xsn_acq.beamline.connecting import baseline
from xsn_acq.beamline.full_field import FullFieldInstrument
from xsn_acq.devices.connection import operation_faults
from xsn_acq.devices.left_behind import left_behind
from xsn_acq.devices.motor import Motor

SAFE_TIMEOUT_S = 30.0
USUAL = 0.01
"""An axis whose velocity is off the usual one by more than this share was left so by a scan."""


def problems(instrument: FullFieldInstrument) -> list[str]:
    """List what is out of range or not a number, one line each; empty when all is well."""
    found = [line for motor in instrument.motors() for line in _motor_problems(motor)]
    found += _not_a_number(instrument)
    least = instrument.file.ring.min_current_ma
    current = float(instrument.ring.current.get())
    if current < least:
        found.append(f"ring: current {current:.1f} mA is below {least} mA")
    found += instrument.own_problems()
    found += left_behind(instrument.detectors(), instrument.position_compare)
    return found + _sample_stage_problems(instrument)


def _sample_stage_problems(instrument: FullFieldInstrument) -> list[str]:
    """What a scan that was killed leaves at the sample stage and the shutter."""
    file, sample, found = instrument.file, instrument.sample, []
    for motor, axis in instrument.flown_axes():
        velocity = float(motor.velocity.get(use_monitor=False))
        if not math.isclose(velocity, axis.velocity, rel_tol=USUAL):
            wanted = f"wanted {axis.velocity:g} {axis.unit}/s, found {velocity:.4g}"
            found.append(f"{motor.name}: velocity: {wanted}; run xsn-acq safe")
    x = float(sample.x.user_readback.get(use_monitor=False))
    if file.geometry.is_out(x):
        back = f"caput {sample.x.prefix} {file.geometry.sample_x_centre_um:g}"
        found.append(f"{sample.x.name}: the sample is out of the beam, at {x:.1f} um; move it back ({back})")
    if instrument.shutter.is_open:
        found.append(f"{instrument.shutter.name}: wanted closed while nothing is measured, found open")
    return found


def make_safe(instrument: FullFieldInstrument, timeout_s: float = SAFE_TIMEOUT_S) -> list[str]:
    """Shut the beam off, stop what runs, close the files, give the axes that are flown their velocity back.

    For what a killed session left behind. Nothing is moved. Each part is done whatever becomes of the others;
    what goes wrong is returned, one line each.

    Parameters
    ----------
    instrument : FullFieldInstrument
        Only what is made safe needs to answer.
    timeout_s : float
        For each part, seconds: to answer, and to do it.
    """
    theta, compare = instrument.sample.theta, instrument.position_compare
    parts: tuple[tuple[Device, Callable[[], StatusBase]], ...] = (
        (instrument.shutter, lambda: instrument.shutter.set("closed")),
        *((axis, axis.stand) for axis in instrument.axes_of_changes()),
        (theta, theta.stand),
        (compare, compare.disarm),
        *((each, each.stop_acquiring) for each in instrument.detectors()),
        *((each, each.close_file) for each in instrument.detectors()),
        *((motor, partial(motor.velocity.set, axis.velocity)) for motor, axis in instrument.flown_axes()),
    )
    return [fault for device, act in parts for fault in operation_faults(device, act, timeout_s)]


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


def _not_a_number(instrument: FullFieldInstrument) -> list[str]:
    lines = []
    for device in baseline(instrument):
        for key, reading in device.read().items():
            value = reading["value"]
            if isinstance(value, float) and math.isnan(value):
                lines.append(f"{device.name}: {key} reads NaN")
    return lines
