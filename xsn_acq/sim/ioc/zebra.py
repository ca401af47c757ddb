"""Position-compare box with the PV names of a Zebra."""

from collections.abc import Callable
from typing import Any

from caproto import SkipWrite

from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.channels import Double, Long, Short, enum
from xsn_acq.sim.ioc.faults import EncoderGlitch, Faults, SwallowPulse
from xsn_acq.sim.ioc.pulses import Pulse, PulseGenerator, PulseSettings
from xsn_acq.sim.ioc.table import Records
from xsn_acq.sim.ioc.timeline import AxisMotion

CAPACITY = 100_000
POST_PERIOD_S = 0.1
"""Real seconds between updates of the captured arrays."""

UNITS_S = {"ms": 1e-3, "s": 1.0, "10s": 10.0}
SOURCES = ("Position", "Time", "External")

Trigger = Callable[[float, float], Any]


class Zebra(Records):
    """Fires the camera when the encoder of the rotation stage passes the positions asked for.

    Parameters
    ----------
    prefix : str
    encoder : AxisMotion
        The rotation stage, on encoder 1.
    resolution : float
        One count, degrees.
    clock : SimClock
    faults : Faults
    trigger : callable
        Gets time and width of each pulse, in seconds.
    """

    def __init__(
        self,
        prefix: str,
        encoder: AxisMotion,
        resolution: float,
        clock: SimClock,
        faults: Faults,
        trigger: Trigger,
    ) -> None:
        super().__init__(prefix, clock.now)
        self._encoder, self._resolution, self._trigger = encoder, resolution, trigger
        self._clock, self._faults = clock, faults
        self._generator: PulseGenerator | None = None
        self._armed_s = 0.0
        self._posted_wall = 0.0
        self._positions: list[float] = []
        self._times: list[float] = []
        self._glitches: list[EncoderGlitch] = []
        self._swallowed: list[int] = []
        self._declare()

    def _declare(self) -> None:
        now = self._clock.now
        self.add("PC_ENC", enum(("Enc1", "Enc2", "Enc3", "Enc4"), now=now))
        self.add("PC_DIR", enum(("Positive", "Negative"), now=now))
        self.add("PC_TSPRE", enum(tuple(UNITS_S), now=now))
        self.add("PC_GATE_SEL", enum(SOURCES, now=now))
        self.add("PC_PULSE_SEL", enum(SOURCES, now=now))
        for suffix in ("GATE_START", "GATE_WID", "GATE_STEP", "PULSE_START", "PULSE_WID", "PULSE_STEP"):
            self.add(f"PC_{suffix}", Double(now=now, value=0.0, precision=4, record="ao"))
        self.add("PC_GATE_NGATE", Long(now=now, value=1, record="longout"))
        self.add("PC_PULSE_MAX", Long(now=now, value=0, record="longout"))
        self.add("PC_NUM_CAP", Long(now=now, value=0, record="longin", read_only=True))
        for suffix in ("PC_ARM", "PC_DISARM"):
            self.add(suffix, Short(now=now, value=0, record="bo"))
        for suffix in ("PC_ARM_OUT", "PC_GATE_OUT", "ARRAY_ACQ"):
            self.add(suffix, enum(("No", "Yes"), now=now, record="bi", read_only=True))
        for suffix in ("PC_ENC1", "PC_TIME"):
            pv = Double(
                now=now, value=[], max_length=CAPACITY, precision=6, record="waveform", read_only=True
            )
            self.add(suffix, pv)
        reset = self.add("SYS_RESET", Short(now=now, value=0, record="bo"))
        process = Short(now=now, value=0)
        reset.add_field("PROC", process)
        self.on_put("PC_ARM", self._put_arm)
        self.on_put("PC_DISARM", self._put_disarm)
        process.on_put = self._put_reset

    @property
    def armed(self) -> bool:
        """Whether it looks for pulses."""
        return self._generator is not None

    def external(self, times_s: list[float]) -> None:
        """Note the begin of camera exposures."""
        if self._generator is not None:
            self._generator.external(times_s)

    async def advance(self, now_s: float) -> None:
        """Fire and capture everything up to ``now_s``."""
        generator = self._generator
        if generator is None:
            return
        before = generator.count
        for number, pulse in enumerate(generator.advance(now_s), start=before):
            self._capture(number, pulse)
            if generator.settings.pulse_source != "External" and number not in self._swallowed:
                self._trigger(pulse.time_s, pulse.width_s)
        due = self._clock.monotonic() - self._posted_wall >= POST_PERIOD_S
        if due or generator.finished:
            await self._post_captured()
            await self.post("PC_GATE_OUT", int(generator.gate_open))
        if generator.finished:
            await self._disarm()

    def _capture(self, number: int, pulse: Pulse) -> None:
        jump = sum(glitch.jump_deg for glitch in self._glitches if glitch.index == number)
        self._positions.append(pulse.position + jump)
        self._times.append((pulse.time_s - self._armed_s) / UNITS_S[self.value("PC_TSPRE")])

    async def _post_captured(self) -> None:
        self._posted_wall = self._clock.monotonic()
        count = min(len(self._positions), CAPACITY)
        if count != self.value("PC_NUM_CAP"):
            await self.post("PC_ENC1", self._positions[:count])
            await self.post("PC_TIME", self._times[:count])
            await self.post("PC_NUM_CAP", count)

    async def _put_arm(self, value: int) -> None:
        if not value:
            return
        settings = self._settings()
        self._glitches = self._faults.take(EncoderGlitch)
        self._swallowed = [fault.index for fault in self._faults.take(SwallowPulse)]
        self._positions, self._times = [], []
        for suffix in ("PC_ENC1", "PC_TIME"):
            await self.post(suffix, [])
        await self.post("PC_NUM_CAP", 0)
        self._armed_s = self._clock.now()
        self._generator = PulseGenerator(settings, self._encoder, self._resolution, self._armed_s)
        await self.post("ARRAY_ACQ", 1)
        await self.post("PC_ARM_OUT", 1, timestamp=self._armed_s)
        await self["PC_ARM"].post(0)
        raise SkipWrite

    def _settings(self) -> PulseSettings:
        """Read what the PVs ask for.

        Raises
        ------
        ValueError
            Another encoder than the first, or a step that is not positive.
        """
        if self.value("PC_ENC") != "Enc1":
            raise ValueError(f"{self.prefix}PC_ENC: only Enc1 is connected, found {self.value('PC_ENC')}")
        source = self.value("PC_PULSE_SEL")
        if source != "External" and self.value("PC_PULSE_STEP") <= 0:
            raise ValueError(f"{self.prefix}PC_PULSE_STEP must be above 0")
        unit = UNITS_S[self.value("PC_TSPRE")]
        gate = unit if self.value("PC_GATE_SEL") == "Time" else 1.0
        pulse = unit if source == "Time" else 1.0
        return PulseSettings(
            direction=-1 if self.value("PC_DIR") == "Negative" else 1,
            gate_source=self.value("PC_GATE_SEL"),
            gate_start=gate * self.value("PC_GATE_START"),
            gate_width=gate * self.value("PC_GATE_WID"),
            gate_step=gate * self.value("PC_GATE_STEP"),
            gates=max(1, self.value("PC_GATE_NGATE")),
            pulse_source=source,
            pulse_start=pulse * self.value("PC_PULSE_START"),
            pulse_step=pulse * self.value("PC_PULSE_STEP"),
            pulse_width=(1.0 if source == "Position" else unit) * self.value("PC_PULSE_WID"),
            pulse_max=self.value("PC_PULSE_MAX"),
        )

    async def _disarm(self) -> None:
        self._generator = None
        for suffix in ("PC_GATE_OUT", "PC_ARM_OUT", "ARRAY_ACQ"):
            await self.post(suffix, 0)

    async def _put_disarm(self, value: int) -> None:
        if value and self._generator is not None:
            await self.advance(self._clock.now())
            await self._post_captured()
            await self._disarm()
        await self["PC_DISARM"].post(0)
        raise SkipWrite

    async def _put_reset(self, _: int) -> None:
        await self._disarm()
