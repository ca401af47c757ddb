"""What must stay as it is in a series of diffuser positions: places of the sample, and the energy."""

import math
from collections.abc import Iterator
from dataclasses import replace

from xsn_acq.devices.motor import Motor
from xsn_acq.params.progress import Progress
from xsn_acq.plans.instrument import SpeckleInstrument
from xsn_acq.plans.steps import asked

ENERGY = "mono_energy_ev"
"""Name of the energy among the places of a series, as the baseline has it."""
ENERGY_TOLERANCE = 1e-3
"""How far the energy may be from that of the series: the phase of a sample goes with 1 / energy, so that the
phases of two positions differ by 0.1 % at most, some tenth of what the retrieval itself is off."""


def with_places(done: Progress, devices: SpeckleInstrument) -> Progress:
    """The same with places as they are now, where a series has none: it begins."""
    if done.places:
        return done
    found = {motor.name: asked(motor.user_readback) for motor in _motors(devices)}
    found[ENERGY] = asked(devices.mono.energy_ev)
    return replace(done, places={name: place for name, place in found.items() if math.isfinite(place)})


def place_faults(devices: SpeckleInstrument, done: Progress) -> Iterator[str]:
    """Motors of the sample and an energy that are no longer as the series began: that gives another image."""
    for motor in _motors(devices):
        wanted, found = done.places.get(motor.name), asked(motor.user_readback)
        if wanted is not None and not abs(found - wanted) <= 2 * motor.axis.tolerance:
            unit = motor.axis.unit
            yield (
                f"{motor.name}: wanted {wanted:.6g} {unit}, as the series began, found {found:.6g} {unit}; "
                "move it there, or start a new series"
            )
    wanted, found = done.places.get(ENERGY), asked(devices.mono.energy_ev)
    if wanted is not None and not abs(found - wanted) <= ENERGY_TOLERANCE * wanted:
        yield (
            f"energy: wanted {wanted:.1f} +- {ENERGY_TOLERANCE * wanted:.1f} eV, as the series began, found "
            f"{found:.1f} eV; move the monochromator there, or start a new series"
        )


def _motors(devices: SpeckleInstrument) -> tuple[Motor, ...]:
    sample = devices.sample
    return sample.x, sample.y, sample.z
