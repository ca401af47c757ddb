"""A beamline of speckle microtomography of plain objects, and what happens when messages ask for it."""

from types import SimpleNamespace

import numpy as np
from fake_instrument import (
    FakeBeamMonitor,
    FakeCamera,
    FakeCompare,
    FakeInstrument,
    FakeMotor,
    FakeState,
    Machine,
    Value,
)

from xsn_acq.config import load_microscope
from xsn_acq.devices.frame_setup import Rearm
from xsn_acq.devices.multilayer import MultilayerMono
from xsn_acq.devices.shutter import Shutter
from xsn_acq.params import Roi, SpeckleTomography
from xsn_acq.plans.framing import framing

SHIPPED = load_microscope("pls2-6c")
FILE = SHIPPED.model_copy(
    update={"ring": SHIPPED.ring.model_copy(update={"late_s": 1e-6, "settle_s": 0.0})}
)  # losses of beam are told at once
ENERGY_EV = 10000.0
PARAMS = SpeckleTomography(
    projections=37,
    exposure_s=1.0,
    darks=3,
    flats=4,
    references=5,
    roi=Roi(min_x=1216, min_y=1032, size_x=128, size_y=96),
)


class FakeMultilayer(SimpleNamespace):
    """A multilayer as far as plans look at it."""

    beam_faults = MultilayerMono.beam_faults


def _motors(part, **places):
    return SimpleNamespace(
        **{
            axis: FakeMotor(f"{part}_{axis}", place, getattr(FILE.axes, f"{part}_{axis}"))
            for axis, place in places.items()
        }
    )


def instrument():
    """All aligned at 10 keV, beam on, experiment shutter shut, the diffuser a little off its middle."""
    pitch, axes = FILE.multilayer.pitch_deg(ENERGY_EV), FILE.axes
    return FakeInstrument(
        file=FILE,
        ring=SimpleNamespace(current=Value("ring_current", 400.0)),
        front_end_shutter=FakeState(
            name="front_end_shutter", word="open", words=Shutter.words, status=Value("status", "Open")
        ),
        shutter=FakeState(name="shutter", word="closed"),
        beam_monitor=FakeBeamMonitor(),
        mono=FakeMultilayer(
            energy_ev=Value("energy_ev", ENERGY_EV),
            bandwidth=FILE.multilayer.bandwidth,
            first=FakeMotor("mono_first", pitch, axes.multilayer_1),
            second=FakeMotor("mono_second", pitch, axes.multilayer_2),
        ),
        sample=_motors("sample", x=0.0, y=0.0, z=0.0, theta=0.0),
        diffuser=_motors("diffuser", x=0.5, y=-0.25),
        camera=FakeCamera(),
        position_compare=FakeCompare(),
    )


class SpeckleMachine(Machine):
    """Axes arrive where they are sent; references taken between trains are in the file of the projections.

    Parameters
    ----------
    devices, lose
        See `Machine`.
    params : SpeckleTomography
        What is taken.
    """

    def __init__(self, devices, params=PARAMS, **options):
        frame = framing(devices.file, params)
        latency_s = frame.exposure_s + frame.readout_s
        super().__init__(devices, period_s=frame.period_s, latency_s=latency_s, **options)
        self.rows |= {"reference_spans": [], "run_times": [], "spoilt": []}
        self._internal = 0

    def _prepare(self, msg):
        super()._prepare(msg)
        value = msg.args[0]
        if isinstance(value, Rearm):
            self._internal = value.frames if value.trigger == "internal" else 0

    def _kickoff(self, msg):
        super()._kickoff(msg)
        if msg.obj is self.devices.camera and self._internal:
            times = self._clock + self.period_s * np.arange(1, self._internal + 1)
            self.devices.camera.times = np.append(self.devices.camera.times, times)
            self._clock, self._internal = times[-1] + 60.0, 0

    def _set(self, msg):
        super()._set(msg)
        obj, target = msg.obj, msg.args[0]
        if hasattr(obj, "word"):
            obj.word = target
        elif hasattr(obj, "user_readback"):
            obj.user_readback.value = target
