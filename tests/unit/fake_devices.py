"""Devices without Channel Access: ophyd's fakes, with put callbacks and connections that can be lost."""

from ophyd.sim import FakeEpicsSignal, FakeEpicsSignalRO, fake_device_cache, make_fake_device

from xsn_acq.devices.checked import Checked, CheckedSignal, CheckedSignalWithRBV, FrameCounter


class Answering(FakeEpicsSignal):
    """A fake record that answers puts; ``after_put(value)`` may change what it reads back."""

    after_put = None

    def put(self, value, *args, callback=None, **kwargs):
        if self.after_put is None:
            self.sim_put(value)
        else:
            self.after_put(value)
        if callback is not None:
            callback()


class FakeChecked(Checked, Answering):
    """`CheckedSignal` without Channel Access."""


class FakeCheckedWithRBV(Checked, Answering):
    """`CheckedSignalWithRBV` without Channel Access."""

    def __init__(self, prefix, **kwargs):
        super().__init__(f"{prefix}_RBV", write_pv=prefix, **kwargs)


class FakeFrameCounter(FakeEpicsSignalRO):
    """`FrameCounter` without Channel Access."""


fake_device_cache[CheckedSignal] = FakeChecked
fake_device_cache[CheckedSignalWithRBV] = FakeCheckedWithRBV
fake_device_cache[FrameCounter] = FakeFrameCounter


def fake(cls, *args, **kwargs):
    """Make a device of the class with fake signals."""
    return make_fake_device(cls)(*args, **kwargs)


def lose(signal):
    """The record no longer answers."""
    signal._metadata["connected"] = False
    signal._run_subs(sub_type=signal.SUB_META, **signal._metadata)
