"""Position compare (Zebra): triggers at encoder positions, and the positions captured with them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from ophyd import Component as Cpt
from ophyd import Device, EpicsSignalRO
from ophyd.status import StatusBase

from xsn_acq.devices.checked import CheckedSignal, FrameCounter
from xsn_acq.devices.operation import Turns, in_background, require_connected, wait_until
from xsn_acq.errors import DeviceError

_ARM_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class PulseTrain:
    """Pulses at start, start + direction * step, ...; places are in the unit of the encoder.

    Parameters
    ----------
    start : float
        Place of the first pulse.
    step : float
        Between pulses, above 0.
    count : int
        Number of pulses; with ``source="camera"`` the most that are captured.
    direction : {1, -1}
        In which the places rise, or fall.
    source : {"position", "camera"}
        "position": the encoder triggers the camera. "camera": it runs freely and each of its exposures
        captures the encoder, from ``start`` on for ``count * step``.
    width : float, optional
        A pulse of the encoder lasts over such a way, below ``step``: it gates a detector. None: half a step.
    timeout_s : float, optional
        How long `PositionCompare.complete` waits for the last pulse; None: as long as the train is armed.
    """

    start: float
    step: float
    count: int
    direction: Literal[1, -1]
    source: Literal["position", "camera"]
    width: float | None = None
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start) and math.isfinite(self.step) and self.step > 0):
            raise ValueError(f"pulse train: step {self.step} must be above 0 and start {self.start} finite")
        if self.width is not None and not 0 < self.width < self.step:
            raise ValueError(
                f"pulse train: width {self.width} must be above 0 and below the step {self.step}"
            )
        if self.count < 1:
            raise ValueError(f"pulse train: count {self.count} must be at least 1")


class PositionCompare(Device):
    """The position compare of a Zebra; its encoder 1 is that of the scanned axis.

    ``prepare(train)``, ``kickoff()`` (armed, checked), ``complete()`` (all pulses captured), ``captured()``.
    """

    encoder = Cpt(CheckedSignal, "PC_ENC", string=True, kind="config")
    direction = Cpt(CheckedSignal, "PC_DIR", string=True, kind="config")
    time_unit = Cpt(CheckedSignal, "PC_TSPRE", string=True, kind="config")
    gate_source = Cpt(CheckedSignal, "PC_GATE_SEL", string=True, kind="config")
    gate_start = Cpt(CheckedSignal, "PC_GATE_START", kind="config", tolerance=1e-4)
    gate_width = Cpt(CheckedSignal, "PC_GATE_WID", kind="config", tolerance=1e-4)
    gate_count = Cpt(CheckedSignal, "PC_GATE_NGATE", kind="config")
    pulse_source = Cpt(CheckedSignal, "PC_PULSE_SEL", string=True, kind="config")
    pulse_start = Cpt(CheckedSignal, "PC_PULSE_START", kind="config", tolerance=1e-4)
    pulse_step = Cpt(CheckedSignal, "PC_PULSE_STEP", kind="config", tolerance=1e-4)
    pulse_width = Cpt(CheckedSignal, "PC_PULSE_WID", kind="config", tolerance=1e-4)
    pulse_count = Cpt(CheckedSignal, "PC_PULSE_MAX", kind="config")
    arm = Cpt(CheckedSignal, "PC_ARM", kind="omitted")
    disarm_now = Cpt(CheckedSignal, "PC_DISARM", kind="omitted")
    armed = Cpt(EpicsSignalRO, "PC_ARM_OUT", kind="omitted", auto_monitor=True)
    captures = Cpt(FrameCounter, "PC_NUM_CAP", kind="omitted")
    positions = Cpt(EpicsSignalRO, "PC_ENC1", kind="omitted")
    times = Cpt(EpicsSignalRO, "PC_TIME", kind="omitted")

    def __init__(self, prefix: str, *, name: str, **kwargs: Any) -> None:
        super().__init__(prefix, name=name, **kwargs)
        self._train: PulseTrain | None = None
        self._armed_at_s = math.nan
        self._turns = Turns()

    def prepare(self, train: PulseTrain) -> StatusBase:
        """Load a train; the status ends when every setting has been read back."""
        return self._next("prepare", lambda: self._prepare(train))

    def kickoff(self) -> StatusBase:
        """Arm; the status ends when it is armed."""
        return self._next("arm", self._arm)

    def complete(self) -> StatusBase:
        """Wait for the last pulse.

        The status fails with `DeviceError` naming pulses wanted and captured when the train ends early
        (disarmed, gate left) or ``timeout_s`` passes. A train with ``source="camera"`` may end with fewer.
        """
        return in_background(self, "complete", self._complete)

    def disarm(self) -> StatusBase:
        """Disarm, if it is armed; what was captured stays."""
        return self._next("disarm", self._disarm)

    def stop(self, *, success: bool = False) -> None:
        """Disarm and return at once."""
        self.disarm_now.put(1)

    def unstage(self) -> list[object]:
        """Disarm."""
        self.disarm().wait()
        return super().unstage()

    def is_armed(self) -> bool:
        """Whether it is armed, asked now."""
        return bool(self.armed.get(use_monitor=False))

    def pulses_captured(self) -> int:
        """Pulses captured since it was armed."""
        return int(self.captures.get())

    def captured(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Read encoder positions and times of the pulses captured so far.

        Returns
        -------
        positions, unix_times_s : ndarray, float64, shape (pulses,)
            Times on the IOC's clock: the stamp of arming plus the captured time.
        """
        count = self.pulses_captured()
        if not count:
            return np.empty(0), np.empty(0)
        places = np.atleast_1d(self.positions.get(count=count))[:count].astype(np.float64)
        seconds = np.atleast_1d(self.times.get(count=count))[:count].astype(np.float64)
        both = min(len(places), len(seconds))
        return places[:both], seconds[:both] + self._armed_at_s

    def _next(self, operation: str, work: Callable[[], None]) -> StatusBase:
        return self._turns.start(self, operation, work)

    def _prepare(self, train: PulseTrain) -> None:
        self._train = None
        self._disarm()
        position = train.source == "position"
        settings: list[tuple[CheckedSignal, object]] = [
            (self.encoder, "Enc1"),
            (self.direction, "Positive" if train.direction > 0 else "Negative"),
            (self.time_unit, "s"),
            (self.gate_source, "Position"),
            (self.gate_start, train.start),
            (self.gate_width, train.count * train.step),
            (self.gate_count, 1),
            (self.pulse_source, "Position" if position else "External"),
            (self.pulse_start, 0.0),
            (self.pulse_step, train.step),
            (self.pulse_width, train.step / 2 if train.width is None else train.width),
            (self.pulse_count, train.count),
        ]
        for signal, value in settings:
            signal.apply(value)
        self._train = train

    def _arm(self) -> None:
        if self._train is None:
            raise DeviceError(self.name, "arm", "a train", "none", hint="prepare it first")
        self._armed_at_s = self._arm_and_time()
        if not self.is_armed():
            raise DeviceError(self.name, "arm", "armed", "disarmed again at once")

    def _arm_and_time(self) -> float:
        """Arm; the stamp of the very update that says so, for no other is the zero of the captured times."""
        stamps: list[float] = []

        def note(*, value: object, timestamp: float, **_: object) -> None:
            if value:
                stamps.append(float(timestamp))

        token = self.armed.subscribe(note, run=False)
        try:
            self.arm.send(1)
            if not self._wait(lambda: bool(stamps), "arm", _ARM_TIMEOUT_S):
                raise DeviceError(self.name, "arm", "armed", f"disarmed after {_ARM_TIMEOUT_S} s")
        finally:
            self.armed.unsubscribe(token)
        return stamps[0]

    def _complete(self) -> None:
        train = self._train
        if train is None:
            raise DeviceError(self.name, "complete", "a train", "none", hint="prepare it first")
        ended = self._wait(
            lambda: self.captures.get() >= train.count or not self.is_armed(), "complete", train.timeout_s
        )
        require_connected(self.name, "complete", [self.captures])
        found = self.pulses_captured()
        enough = found >= train.count or (train.source == "camera" and ended)
        if not enough:
            hint = (
                "disarmed early: did the stage pass every place?" if ended else f"within {train.timeout_s} s"
            )
            raise DeviceError(self.name, "complete", train.count, found, "pulses", hint)

    def _disarm(self) -> None:
        if not self.is_armed():
            return
        self.disarm_now.send(1)
        if not self._wait(lambda: not self.is_armed(), "disarm", _ARM_TIMEOUT_S):
            raise DeviceError(self.name, "disarm", "disarmed", f"armed after {_ARM_TIMEOUT_S} s")

    def _wait(self, condition: Any, operation: str, timeout_s: float | None) -> bool:
        signals = (self.armed,)
        return wait_until(condition, signals, device=self.name, operation=operation, timeout_s=timeout_s)
