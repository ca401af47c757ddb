"""An instrument of plain objects: handlers of a simulated RunEngine do what the messages ask for."""

import time
from types import SimpleNamespace

import numpy as np
from bluesky.simulators import RunEngineSimulator

from xsn_acq.config import load_beamline, load_microscope
from xsn_acq.config.energy import at_energy
from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.devices.frame_flyer import FrameFlyer
from xsn_acq.devices.frame_setup import Rearm
from xsn_acq.devices.monochromator import DoubleCrystal
from xsn_acq.devices.shutter import Shutter
from xsn_acq.optics.undulator import gap_mm
from xsn_acq.plans import beam


def _at_once(file):
    """Here losses of beam are told at once."""
    return file.model_copy(update={"ring": file.ring.model_copy(update={"late_s": 1e-6, "settle_s": 0.0})})


FILE, STRUCTURED = _at_once(load_beamline("pls2-7c-xni")), _at_once(load_microscope("ssrl-6-2c"))
ENERGY_EV, STRUCTURED_EV = 8300.0, 9000.0
UID = "0123456789abcdef"


def settle_looks(devices, monkeypatch):
    """Optics settle for a minute, which a look at the beam takes a third of; the shutter at each look."""
    ring = devices.file.ring.model_copy(update={"settle_s": 60.0})
    devices.file = devices.file.model_copy(update={"ring": ring})
    words, clock = [], time.monotonic
    monkeypatch.setattr(beam.time, "monotonic", lambda: clock() + 20.0 * len(words))

    def look(message):
        if message.command == "sleep" and message.args[0] == beam.LOOK_S:
            words.append(devices.shutter.word)

    return words, look


class Value:
    """A signal, connected, with a value."""

    connected = True
    parent = None

    def __init__(self, name, value):
        self.name, self.value = name, value

    def get(self, **_):
        return self.value

    def subscribe(self, look, *, run):
        self.look = look
        return 1

    def unsubscribe(self, number):
        assert number == 1


class FakeMotor:
    """A motor as far as plans look at it."""

    parent = None
    moving = False

    def __init__(self, name, position, axis):
        self.name, self.axis = name, axis
        self.user_readback = Value(name, position)
        self.velocity = Value(f"{name}_velocity", axis.velocity)
        self.max_velocity = Value(f"{name}_max_velocity", axis.max_velocity)
        self.acceleration = Value(f"{name}_acceleration", axis.acceleration_s)

    def stand(self):
        """Asked in a message."""

    def limit_faults(self, *places):
        low, high = self.axis.low, self.axis.high
        return [
            f"{self.name}: {place} is outside {low} to {high}" for place in places if not low <= place <= high
        ]


class FakeState(SimpleNamespace):
    """A two-state part."""

    parent = None

    def state(self):
        return self.word


class FakeMono(SimpleNamespace):
    """A crystal monochromator as far as plans look at it."""

    beam_faults = DoubleCrystal.beam_faults


class FakeUndulator:
    """An undulator as far as plans look at it."""

    name, parent = "undulator", None

    def __init__(self, gap_mm, facts):
        self._facts = facts
        self.gap, self.deadband = Value("gap", gap_mm), Value("deadband", 0.0)
        self.harmonic = Value("harmonic", facts.harmonic)

    def gap_faults(self, gap_mm):
        low, high = self._facts.gap_low_mm, self._facts.gap_high_mm
        faults = (
            [] if low <= gap_mm <= high else [f"undulator: gap {gap_mm} mm is outside {low} to {high} mm"]
        )
        if self.deadband.value:
            faults.append(f"undulator: dead band is {self.deadband.value} mm")
        return faults

    def stand(self):
        """Asked in a message."""


class FakeBeamMonitor:
    """A beam monitor that always counts as much as ``counts_per_s``."""

    name, parent = "beam_monitor", None
    counts_per_s = 1e6

    def count(self, count_s):
        """Asked in a message."""

    def rate(self):
        return self.counts_per_s


class FakeCamera:
    """A camera whose frames are those the machine has written."""

    name, parent = "camera", None

    def __init__(self):
        self.times = np.empty(0)
        self.cam = self.driver = SimpleNamespace(is_acquiring=lambda: False)
        self.hdf = SimpleNamespace(
            check=lambda: None, captured=Value("captured", 0), is_capturing=lambda: False
        )

    def frame_times_s(self):
        return self.times

    def frames_written(self):
        return len(self.times)

    frames_counted = frames_written
    left_behind = FrameFlyer.left_behind

    def stop_acquiring(self):
        """Asked in a message."""

    close_file = stop_acquiring


class FakeCompare:
    """A position compare whose pulses are those of the last train."""

    name, parent = "position_compare", None
    captures = Value("captures", 0)

    def __init__(self):
        self.pulses = (np.empty(0), np.empty(0))

    def captured(self):
        return self.pulses

    def is_armed(self):
        return False

    def disarm(self):
        """Asked in a message."""


class FakeInstrument(SimpleNamespace):
    """Devices by name."""

    def detectors(self):
        return [getattr(self, name) for name in ("camera", "vortex") if hasattr(self, name)]


def instrument():
    """All aligned at 8300 eV, beam on, experiment shutter shut."""
    source = FILE.undulator
    gap = gap_mm(
        ENERGY_EV,
        source.harmonic,
        period_mm=source.period_mm,
        peak_field_t=source.peak_field_t,
        decay=source.field_decay,
        ring_energy_gev=FILE.ring.energy_gev,
    )
    axes, aligned = FILE.axes, at_energy(FILE, ENERGY_EV)
    common = _microscope(FILE, ENERGY_EV)
    common.mono.bragg = FakeMotor("mono_bragg", aligned.bragg_deg, axes.bragg)
    common.mono.second_crystal_gap = FakeMotor(
        "mono_second_crystal_gap", aligned.second_crystal_gap_mm, axes.second_crystal_gap
    )
    return FakeInstrument(
        **vars(common),
        undulator=FakeUndulator(gap, source),
        cutoff=SimpleNamespace(
            x=FakeMotor("cutoff_x", 0.0, axes.cutoff_x), z=FakeMotor("cutoff_z", 0.0, axes.cutoff_z)
        ),
    )


def _microscope(file, energy_ev):
    """What every microscope has."""
    return SimpleNamespace(
        file=file,
        ring=SimpleNamespace(current=Value("ring_current", 400.0)),
        front_end_shutter=FakeState(
            name="front_end_shutter", word="open", words=Shutter.words, status=Value("status", "Open")
        ),
        shutter=FakeState(name="shutter", word="closed"),
        beam_monitor=FakeBeamMonitor(),
        mono=FakeMono(
            energy_ev=Value("energy_ev", energy_ev),
            feedback=FakeState(name="mono_feedback", word="on", is_locked=True),
        ),
        zone_plate=_motors("zone_plate", file, x=0.0, y=0.0, z=file.zone_plate_z_mm(energy_ev)),
        detector=_motors("detector", file, z=0.0),
        sample=_motors("sample", file, x=0.0, y=0.0, z=0.0, theta=0.0),
        camera=FakeCamera(),
        position_compare=FakeCompare(),
    )


def _motors(part, file, **places):
    """Motors of a part, each where it is said."""
    return SimpleNamespace(
        **{
            axis: FakeMotor(f"{part}_{axis}", place, getattr(file.axes, f"{part}_{axis}"))
            for axis, place in places.items()
        }
    )


def structured_instrument():
    """Structured light at 9000 eV: all aligned, beam on, experiment shutter shut."""
    return FakeInstrument(
        **vars(_microscope(STRUCTURED, STRUCTURED_EV)),
        condenser=_motors("condenser", STRUCTURED, x=0.0, y=0.0, pitch=0.0, yaw=0.0),
        sandpaper_coarse=_motors("sandpaper_coarse", STRUCTURED, x=0.0, y=0.0),
        sandpaper_fine=_motors("sandpaper_fine", STRUCTURED, x=0.0, y=0.0),
        fluorescence_stage=_motors("vortex", STRUCTURED, x=0.0),
    )


class Machine:
    """Lets things happen when the messages that ask for them come by: trains are flown when theta is sent on.

    Parameters
    ----------
    devices
        From `instrument`.
    period_s, latency_s : float
        Of the frames.
    lose : callable
        (train number, angles) -> indices of the frames the camera loses.
    """

    def __init__(self, devices, *, period_s, latency_s, lose=lambda train, angles: []):
        self.devices, self.lose = devices, lose
        self.period_s, self.latency_s = period_s, latency_s
        self.trains, self.rows = [], {"ledger": [], "ledger_summary": []}
        self._armed, self._clock = None, 1.8e9
        self.simulator = RunEngineSimulator()
        self.simulator.add_handler("open_run", lambda msg: UID)
        self.simulator.add_handler("prepare", self._prepare)
        self.simulator.add_handler("kickoff", self._kickoff)
        self.simulator.add_handler("set", self._set)
        self.simulator.add_handler("collect", self._collect)

    def run(self, plan):
        return self.simulator.simulate_plan(plan)

    def _prepare(self, msg):
        value = msg.args[0]
        if isinstance(value, CameraSetup):
            self.devices.camera.times = np.empty(0)
        elif not isinstance(value, Rearm):
            self._train = value

    def _kickoff(self, msg):
        if msg.obj is self.devices.position_compare:
            self._armed = self._train

    def _set(self, msg):
        if msg.obj is not self.devices.sample.theta or self._armed is None:
            return
        train, self._armed = self._armed, None
        self.trains.append(train)
        angles = train.start + train.direction * train.step * np.arange(train.count)
        times = self._clock + self.period_s * np.arange(train.count)
        self._clock = times[-1] + 60.0
        kept = np.delete(times, self.lose(len(self.trains) - 1, angles))
        self.devices.position_compare.pulses = (angles, times)
        self.devices.camera.times = np.append(self.devices.camera.times, kept + self.latency_s)

    def _collect(self, msg):
        if hasattr(msg.obj, "collect_pages"):
            for page in msg.obj.collect_pages():
                columns = page["data"]
                self.rows[msg.obj.name] += [
                    dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
                ]
