"""Does what messages of energy changes and scans ask for: axes arrive, the shutter follows, frames come."""

import numpy as np
from bluesky.utils import FailedStatus, RunEngineControlException
from fake_instrument import UID
from ophyd.status import StatusBase

from xsn_acq.config.energy import energy_of_bragg_ev
from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.devices.frame_setup import Rearm

NOT_TOLD = ("wait", "sleep", "null", "declare_stream", "collect", "complete", "rewindable")


class EnergyMachine:
    """Runs a plan against the fake instrument.

    Parameters
    ----------
    devices
        From `fake_instrument.instrument`.
    fail : callable
        (device name, target) of a set or trigger -> what its status fails with (an abort too), or None.
    before : callable
        (message): called before it is done.
    """

    def __init__(self, devices, fail=lambda name, target: None, before=lambda msg: None):
        self.devices, self.fail, self.before = devices, fail, before
        self.messages, self.rows, self.error, self.value = [], {}, None, None
        self._armed, self._late = 0, None

    def run(self, plan):
        """Everything it says, in words, up to its end or its error."""
        reply = None
        try:
            message = plan.send(None)
            while True:
                self.before(message)
                self.messages.append(message)
                reply, late = getattr(self, message.command, lambda msg: None)(message), None
                if message.command == "wait":
                    late, self._late = self._late, None
                message = plan.send(reply) if late is None else plan.throw(late)
        except StopIteration as ended:
            self.value = ended.value
        except Exception as error:
            self.error = error
        return self.words()

    def words(self):
        return [word(message) for message in self.messages if message.command not in NOT_TOLD]

    def groups(self):
        """Sets that are waited for together: for each wait, names and targets."""
        found = []
        for message in self.messages:
            if message.command == "wait":
                group = message.args[0] if message.args else message.kwargs["group"]
                sets = [(m.obj.name, m.args[0]) for m in self.messages if _set_in(m, group)]
                found += [dict(sets)] if sets else []
        return found

    def open_run(self, msg):
        return UID

    def set(self, msg):
        obj, target = msg.obj, msg.args[0]
        failure = self.fail(obj.name, target)
        status = self._ended(failure)
        if failure is not None:
            return status
        if hasattr(obj, "word"):
            obj.word = target
            if obj.name == "mono_feedback":
                obj.is_locked = target == "on"
        elif hasattr(obj, "gap"):
            obj.gap.value = target
        else:
            obj.user_readback.value = target
            if obj.name == "mono_bragg":
                self.devices.mono.energy_ev.value = energy_of_bragg_ev(self.devices.file, target)
        return status

    def trigger(self, msg):
        return self._ended(self.fail(msg.obj.name, None))

    def _ended(self, failure):
        """Status of an operation that has ended; a failure is thrown at the wait."""
        status = StatusBase()
        status.set_finished()
        if failure is not None:
            self._late = failed(failure, status)
        return status

    def prepare(self, msg):
        self._armed = msg.args[0].frames
        if isinstance(msg.args[0], CameraSetup):
            self.devices.camera.times = np.empty(0)

    def complete(self, msg):
        self.devices.camera.times = np.append(self.devices.camera.times, np.zeros(self._armed))

    def collect(self, msg):
        if hasattr(msg.obj, "collect_pages"):
            for page in msg.obj.collect_pages():
                columns = page["data"]
                rows = zip(*columns.values(), strict=True)
                self.rows.setdefault(msg.obj.name, []).extend(
                    dict(zip(columns, row, strict=True)) for row in rows
                )


def word(message):
    """A message in a word or two."""
    name = getattr(message.obj, "name", "")
    if message.command == "set":
        target = message.args[0]
        return f"{name} {target if isinstance(target, str) else f'{target:.4f}'}"
    if message.command == "prepare":
        value = message.args[0]
        return f"rearm {value.frames}" if isinstance(value, Rearm) else f"open {value.stream}"
    return name if message.command == "trigger" else f"{message.command} {name}".strip()


def failed(cause, status):
    """What a RunEngine throws at the wait when a status has failed, or an abort as it is."""
    if isinstance(cause, RunEngineControlException):
        return cause
    error = FailedStatus(status)
    error.__cause__ = cause
    return error


def _set_in(message, group):
    return message.command == "set" and message.kwargs.get("group") == group
