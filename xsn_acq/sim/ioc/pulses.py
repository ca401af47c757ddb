"""Position compare: at which instants an encoder passes the positions where pulses are due."""

import math
from dataclasses import dataclass
from typing import Literal

from xsn_acq.sim.ioc.timeline import AxisMotion

Source = Literal["Position", "Time", "External"]


@dataclass(frozen=True)
class PulseSettings:
    """One arming: gates from the encoder, pulses inside them. Places in the encoder's unit, times in seconds.

    Gate number g opens at ``gate_start + direction * g * gate_step`` and is ``gate_width`` wide. Pulse i
    of a gate is due ``pulse_start + i * pulse_step`` after its opening, and is ``pulse_width`` long, in place
    or in time.
    """

    direction: int
    gate_source: Source
    gate_start: float
    gate_width: float
    gate_step: float
    gates: int
    pulse_source: Source
    pulse_start: float
    pulse_step: float
    pulse_width: float
    pulse_max: int


@dataclass(frozen=True)
class Pulse:
    """A pulse and the encoder reading it captured; simulated epoch seconds, unit of the encoder."""

    time_s: float
    width_s: float
    position: float


class PulseGenerator:
    """Finds gates and pulses as time goes on.

    Parameters
    ----------
    settings : PulseSettings
    encoder : AxisMotion
        The axis whose encoder is compared.
    resolution : float
        Size of one encoder count.
    armed_s : float
        Nothing before this instant counts.
    """

    def __init__(
        self, settings: PulseSettings, encoder: AxisMotion, resolution: float, armed_s: float
    ) -> None:
        self.settings = settings
        self._encoder, self._resolution, self._armed = encoder, resolution, armed_s
        self._gate = 0
        self._opened: float | None = None
        self._last = armed_s
        self._in_gate = 0
        self._external: list[float] = []
        self.count = 0
        self.finished = False

    @property
    def gate_open(self) -> bool:
        """Whether pulses may come now."""
        return self._opened is not None

    def external(self, times_s: list[float]) -> None:
        """Note pulses of an external source, for instance the begin of camera exposures."""
        self._external.extend(times_s)

    def advance(self, now_s: float) -> list[Pulse]:
        """All pulses up to ``now_s`` not yet told of, in order."""
        pulses: list[Pulse] = []
        while not self.finished:
            if self._opened is None:
                self._opened = self._edge(0.0, now_s)
                if self._opened is None:
                    break
                self._last, self._in_gate = self._opened, 0
            closed = self._edge(self.settings.gate_width, now_s)
            pulses += self._in_open_gate(now_s if closed is None else closed)
            if closed is None:
                break
            self._opened, self._last, self._gate = None, closed, self._gate + 1
            self.finished = self._gate >= self.settings.gates
        return pulses

    def _edge(self, offset: float, until_s: float) -> float | None:
        """When the present gate opens (offset 0) or closes (its width), if that is before ``until_s``."""
        s = self.settings
        place = s.gate_start + s.direction * (self._gate * s.gate_step + offset)
        if s.gate_source == "Time":
            time = self._armed + s.gate_start + self._gate * s.gate_step + offset
            return time if time <= until_s else None
        after = self._last if self._opened is None else self._opened
        return self._encoder.crossing(place, s.direction, after, until_s)

    def _in_open_gate(self, until_s: float) -> list[Pulse]:
        pulses: list[Pulse] = []
        while self.settings.pulse_max <= 0 or self._in_gate < self.settings.pulse_max:
            time = self._next_pulse(until_s)
            if time is None:
                break
            self._last = time
            self._in_gate += 1
            self.count += 1
            pulses.append(Pulse(time, self._width_s(time), self._reading(time)))
        return pulses

    def _next_pulse(self, until_s: float) -> float | None:
        s = self.settings
        assert self._opened is not None
        due = s.pulse_start + self._in_gate * s.pulse_step
        if s.pulse_source == "External":
            self._external = [time for time in self._external if time >= self._opened]
            return self._external.pop(0) if self._external and self._external[0] <= until_s else None
        if s.pulse_source == "Time":
            time = self._opened + due
            return time if time <= until_s else None
        if due == 0.0:
            return self._opened
        if due > s.gate_width:
            return None
        place = s.gate_start + s.direction * (self._gate * s.gate_step + due)
        return self._encoder.crossing(place, s.direction, self._last, until_s)

    def _width_s(self, time_s: float) -> float:
        """How long a pulse lasts: over a way of the encoder, by its speed when the pulse begins."""
        width = self.settings.pulse_width
        if self.settings.pulse_source != "Position":
            return width
        speed = abs(self._encoder.velocity(time_s))
        return width / speed if speed > 0 else math.inf

    def _reading(self, time_s: float) -> float:
        counts = round(self._encoder.position(time_s) / self._resolution)
        return round(counts * self._resolution, 12)
