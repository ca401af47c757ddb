"""Does what the messages of a sweep ask for: motors arrive, the shutter follows, frames and spectra come."""

from types import SimpleNamespace

import numpy as np
from bluesky.utils import FailedStatus
from fake_instrument import UID, FakeCamera, FakeState, Value, structured_instrument
from ophyd.status import Status

from xsn_acq.devices.frame_setup import Rearm
from xsn_acq.devices.position_compare import PulseTrain
from xsn_acq.errors import DeviceError

PATIENCE_S = 5.0
"""An operation that takes so long has failed."""


def ended(error=None):
    """A status that has ended."""
    status = Status()
    if error is None:
        status.set_finished()
    else:
        status.set_exception(error)
    return status


class FakeDetector(FakeCamera):
    """A detector as a flyer: an exposure of its own, or one for each gate; ``lose`` tells which do not come.

    ``ahead_s``: so far its clock is ahead of that of the pulses.

    ``lose`` is called with the number of the exposure since the file was opened, and tells what is wrong:
    nothing (False), no frame (True), or the error that `complete` fails with. ``kept_back``: so many of those
    that do not come were counted.
    """

    def __init__(self, name):
        super().__init__()
        self.name, self.lose, self.setup, self.asked = name, lambda number: False, None, 0
        self.waits, self.ahead_s, self.flag, self.kept_back = False, 0.0, 0, 0
        self._error = None

    def frames_counted(self):
        return self.frames_written() + self.kept_back

    def frame_flags(self):
        return np.array([self.flag] * len(self.times), np.uint8)

    def prepare(self, value):
        if not isinstance(value, Rearm):
            self.setup, self.asked = value, 0
            self.times = np.empty(0)
        self.armed, self._error = value.frames, None

    def kickoff(self):
        self.waits = True
        if self.setup.trigger == "internal":
            self.expose(1.0 * np.arange(self.armed))

    def stop_acquiring(self):
        self.waits = False

    def expose(self, times_s):
        wrong = [self.lose(self.asked + number) for number in range(len(times_s))]
        self.asked += len(times_s)
        came = times_s[[not each for each in wrong]]
        self.times = np.append(self.times, came + self.setup.exposure_s + self.ahead_s)
        self._error = next((each for each in wrong if isinstance(each, DeviceError)), None)
        if any(wrong) and self.setup.trigger == "internal" and self._error is None:
            self._error = DeviceError(self.name, "complete", self.asked, len(self.times), "frames")

    def complete(self):
        return ended(self._error)


class StructuredMachine:
    """Plays a plan as the RunEngine does: the failure of an operation is thrown at what comes next.

    Attributes
    ----------
    before : callable
        (message): called before it is done; what it returns, an error, is thrown at the plan.
    rows : dict
        Of each stream that the plan makes.
    trains : list
        The pulse trains that were flown, each with where the sheet began, its velocity, and where it went.
    """

    def __init__(self):
        self.devices = structured_instrument()
        devices = self.devices
        devices.camera, devices.vortex = FakeDetector("camera"), FakeDetector("vortex")
        devices.shutter = FakeState(name="shutter", word="closed", set=self._shut_at_once)
        devices.beam_monitor.preset_s = Value("preset_s", 0.05)
        devices.position_compare.captured = lambda: self.pulses
        self.before = lambda message: None
        self.messages, self.rows, self.trains = [], {}, []
        self.pulses = np.empty(0), np.empty(0)
        self.interruption = None
        self._groups, self._train, self._armed, self._clock = {}, None, None, 1.8e9

    def run(self, plan):
        """Play it; all its messages."""
        reply, error = None, None
        try:
            while True:
                message = plan.send(reply) if error is None else plan.throw(error)
                reply, error = None, self.before(message)
                self.messages.append(message)
                if error is None:
                    reply = getattr(self, f"_{message.command}", lambda message: None)(message)
                if isinstance(reply, FailedStatus):
                    reply, error = None, reply
        except StopIteration:
            return self.messages

    def motors(self):
        """Every motor that a sweep may move, and the velocity of the fine sheet."""
        devices = self.devices
        parts = (devices.condenser, devices.sandpaper_coarse, devices.sandpaper_fine, devices.sample)
        found = {motor.name: motor.user_readback.value for part in parts for motor in vars(part).values()}
        return found | {
            "velocity": devices.sandpaper_fine.x.velocity.value,
            "preset_s": devices.beam_monitor.preset_s.value,
            "shutter": devices.shutter.word,
        }

    def told(self, *commands):
        """Messages of these commands."""
        return [message for message in self.messages if message.command in commands]

    def pause(self):
        """The RunEngine pauses and goes on."""
        self.interruption.pause()
        self.interruption.resume()

    def lose_beam(self):
        """The ring is empty for a moment, and a monitor tells."""
        current = self.devices.ring.current
        current.look(value=0.0)

    def _shut_at_once(self, word):
        self.devices.shutter.word = word
        return ended()

    def _open_run(self, message):
        return UID

    def _null(self, message):
        if hasattr(message.obj, "pause"):
            self.interruption = message.obj

    def _prepare(self, message):
        if isinstance(message.args[0], PulseTrain):
            self._train = message.args[0]
        else:
            message.obj.prepare(message.args[0])

    def _kickoff(self, message):
        if message.obj is self.devices.position_compare:
            self._armed = self._train
        else:
            message.obj.kickoff()

    def _set(self, message):
        obj, target = message.obj, message.args[0]
        if isinstance(obj, FakeState):
            obj.word = target
        elif isinstance(obj, Value):
            obj.value = target
        else:
            if obj is self.devices.sandpaper_fine.x and self._armed is not None:
                self._fly(obj, target)
            obj.user_readback.value = target

    def _fly(self, sheet, target):
        train, self._armed = self._armed, None
        self.trains.append((train, sheet.user_readback.value, sheet.velocity.value, target))
        places = train.start + train.direction * train.step * np.arange(train.count)
        times = self._clock + train.step / sheet.velocity.value * np.arange(train.count)
        self._clock = times[-1] + 60.0
        self.pulses = places, times
        for detector in (self.devices.camera, self.devices.vortex):
            if detector.waits:
                detector.expose(times)

    def _trigger(self, message):
        return self._waited(message, message.obj.trigger())

    def _complete(self, message):
        return self._waited(message, message.obj.complete())

    def _waited(self, message, status):
        if status is not None:
            self._groups.setdefault(message.kwargs["group"], []).append(status)
        return status

    def _wait(self, message):
        group = message.args[0] if message.args else message.kwargs["group"]
        for status in self._groups.pop(group, []):
            error = status.exception(PATIENCE_S)
            if error is not None:
                failed = FailedStatus(status)
                failed.__cause__ = error
                return failed
        return True

    def _collect(self, message):
        if hasattr(message.obj, "collect_pages"):
            for page in message.obj.collect_pages():
                columns = page["data"]
                self.rows.setdefault(message.obj.name, []).extend(
                    SimpleNamespace(**dict(zip(columns, row, strict=True)))
                    for row in zip(*columns.values(), strict=True)
                )
