"""A RunEngine, small tomograms, and what came out of them."""

import json
import threading
from contextlib import suppress

from bluesky import RunEngine

from xsn_acq import beamline
from xsn_acq.config.energy import at_energy
from xsn_acq.params import Roi, XsnTomography
from xsn_acq.plans.energy_moves import GAP, energy_motors, targets_at
from xsn_acq.storage.run import RunRecord

SMALL = Roi(min_x=1540, min_y=1552, size_x=128, size_y=96)
"""64 x 48 binned pixels around the rotation axis."""
DONE_S = 60.0


def small_tomogram(**changes):
    """A full turn of 36 frames of 1 s: two seconds of a clock that runs 20 times real time."""
    values = {"projections": 36, "exposure_s": 1.0, "darks": 3, "flats": 3, "roi": SMALL}
    return XsnTomography(**(values | changes))


class Documents:
    """Subscriber that keeps every document, and does something once when it is asked to."""

    def __init__(self):
        self.all = []
        self._when = self._then = None
        self._doing = threading.Thread()

    def __call__(self, name, doc):
        json.dumps(doc)
        self.all.append((name, doc))
        if self._when is not None and self._when(self.record()):
            then, self._when = self._then, None
            self._doing = threading.Thread(target=then, daemon=True)
            self._doing.start()

    def once(self, when, then):
        """Call ``then()`` in a thread of its own as soon as ``when(record)`` is true."""
        self._when, self._then = when, then

    def done(self):
        """Wait until what `once` called has returned."""
        self._doing.join(DONE_S)

    def record(self):
        """The last run, as far as it is known."""
        starts = [index for index, (name, _) in enumerate(self.all) if name == "start"]
        return RunRecord.from_documents(self.all[starts[-1] :])


def engine():
    """A RunEngine that leaves signals alone, and what it emits."""
    RE, documents = RunEngine({}, context_managers=[]), Documents()
    RE.subscribe(documents)
    return RE, documents


def put_right(RE, devices):
    """End the run and bring the instrument back to where a test expects it, whatever the last one did."""
    with suppress(Exception):
        if RE.state != "idle":
            RE.abort()
    put_back(devices)


def put_back(devices):
    """Bring the instrument to where a test expects it."""
    faults = beamline.make_safe(devices)
    assert not faults, faults
    theta = devices.sample.theta
    theta.velocity.set(30.0).wait(DONE_S)
    for motor, target in ((devices.sample.x, 0.0), (theta, 0.0)):
        motor.set(target).wait(DONE_S)
    theta.velocity.set(10.0).wait(DONE_S)
    energy = targets_at(at_energy(devices.file, 8300.0))
    optics = (
        (devices.cutoff.x, 0.0),
        (devices.cutoff.z, 0.0),
        *((motor, energy[name]) for name, motor in energy_motors(devices).items() if name in energy),
    )
    for motor, target in optics:
        if abs(motor.user_readback.get(use_monitor=False) - target) > motor.axis.tolerance:
            motor.set(target).wait(DONE_S)
    if abs(devices.undulator.gap.get(use_monitor=False) - energy[GAP]) > devices.undulator.tolerance_mm:
        devices.undulator.set(energy[GAP]).wait(DONE_S)
    devices.mono.feedback.set("on").wait(DONE_S)


def at_rest(devices):
    """What tells whether the hardware was left safe and as it was found."""
    theta = devices.sample.theta
    return {
        "moving": bool(theta.motor_is_moving.get(use_monitor=False)),
        "velocity": theta.velocity.get(use_monitor=False),
        "sample_x": round(devices.sample.x.user_readback.get(use_monitor=False), 3),
        "shutter": devices.shutter.state(),
        "capturing": devices.camera.hdf.is_capturing(),
        "acquiring": devices.camera.cam.is_acquiring(),
        "armed": bool(devices.position_compare.armed.get(use_monitor=False)),
    }


SAFE = {
    "moving": False,
    "velocity": 10.0,
    "sample_x": 0.0,
    "shutter": "closed",
    "capturing": False,
    "acquiring": False,
    "armed": False,
}
