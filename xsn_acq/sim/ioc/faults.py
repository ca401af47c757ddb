"""Faults the simulated beamline can be told to have: one frozen value each, found by name.

A fault is written ``name key=value ...``, on the command line (``--fault``) as in the PV ``SIM:Fault``.
To add one, write its dataclass, list it in `KINDS`, and let the instrument ask `Faults` for it.
"""

import math
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import TypeVar, get_type_hints

from xsn_acq.errors import ConfigError


@dataclass(frozen=True)
class DropFrames:
    """The camera loses ``count`` random frames of its next acquisition of ten or more, uncounted."""

    count: int = 3
    seed: int = 1


@dataclass(frozen=True)
class SwallowPulse:
    """Pulse ``index`` of the next train of position compare does not reach the camera."""

    index: int = 0


@dataclass(frozen=True)
class WriterOverrun:
    """The file writer drops every ``every``-th array it is given."""

    every: int = 2


@dataclass(frozen=True)
class DiskFull:
    """Writing fails after ``after`` more frames."""

    after: int = 0


@dataclass(frozen=True)
class MotorDead:
    """The motor of ``axis`` takes a target and never moves nor says done; ``gap`` is the undulator's."""

    axis: str


@dataclass(frozen=True)
class MotorStopsShort:
    """The motor of ``axis`` stops ``by`` before its target and says it is done."""

    axis: str
    by: float = 1.0

    def shortened(self, distance: float) -> float:
        """Return how far the motor goes of a signed distance; it never turns back."""
        by = min(self.by, abs(distance))
        return math.copysign(abs(distance) - by, distance)


@dataclass(frozen=True)
class HardLimit:
    """A limit switch of ``axis`` stands at ``at``: the motor goes no further, on the side it is on now."""

    axis: str
    at: float


@dataclass(frozen=True)
class FeedbackNoLock:
    """The feedback of the second crystal never locks."""


@dataclass(frozen=True)
class BeamDump:
    """The ring loses its beam until the fault is cleared."""


@dataclass(frozen=True)
class EncoderGlitch:
    """The captured position number ``index`` of the next train is off by ``jump_deg``."""

    index: int = 0
    jump_deg: float = 5.0


@dataclass(frozen=True)
class ClockOffset:
    """The clock of the camera's host is ``seconds`` ahead: frames are stamped so much too late."""

    seconds: float = 0.5


@dataclass(frozen=True)
class DropSpectra:
    """The spectrometer loses ``count`` random frames of its next acquisition of ten or more, uncounted."""

    count: int = 3
    seed: int = 1


@dataclass(frozen=True)
class HighRate:
    """So many ``times`` as many photons reach the fluorescence detector: it saturates."""

    times: float = 50.0

    def __post_init__(self) -> None:
        if self.times < 1:
            raise ValueError(f"times must be 1 or more, found {self.times}")


@dataclass(frozen=True)
class LostScalers:
    """The scalers of the spectrometer read 0: no dead time can be told."""


@dataclass(frozen=True)
class SheetSlips:
    """The part on ``axis`` stays where it is though its motor moves: a loose sheet of sandpaper."""

    axis: str


@dataclass(frozen=True)
class MonitorDead:
    """The beam monitor counts nothing."""


@dataclass(frozen=True)
class NanValue:
    """The PV reads NaN until the fault is cleared."""

    pv: str


Fault = (
    DropFrames
    | SwallowPulse
    | WriterOverrun
    | DiskFull
    | MotorDead
    | MotorStopsShort
    | HardLimit
    | FeedbackNoLock
    | BeamDump
    | EncoderGlitch
    | ClockOffset
    | DropSpectra
    | HighRate
    | LostScalers
    | SheetSlips
    | MonitorDead
    | NanValue
)
F = TypeVar("F")

KINDS: dict[str, type[Fault]] = {
    "drop_frames": DropFrames,
    "swallow_pulse": SwallowPulse,
    "writer_overrun": WriterOverrun,
    "disk_full": DiskFull,
    "motor_dead": MotorDead,
    "motor_stops_short": MotorStopsShort,
    "hard_limit": HardLimit,
    "feedback_no_lock": FeedbackNoLock,
    "beam_dump": BeamDump,
    "encoder_glitch": EncoderGlitch,
    "clock_offset": ClockOffset,
    "drop_spectra": DropSpectra,
    "high_rate": HighRate,
    "lost_scalers": LostScalers,
    "sheet_slips": SheetSlips,
    "monitor_dead": MonitorDead,
    "nan": NanValue,
}


def parse_fault(text: str) -> Fault:
    """Read ``name key=value ...``.

    Raises
    ------
    ConfigError
        No such fault, no such key, or a value of the wrong kind.

    Examples
    --------
    >>> parse_fault("motor_stops_short axis=sample_x by=0.5")
    MotorStopsShort(axis='sample_x', by=0.5)
    """
    name, *words = text.split() or [""]
    if name not in KINDS:
        raise ConfigError(f"fault {text!r}", [f"no fault {name!r}; known: {', '.join(sorted(KINDS))}"])
    kind = KINDS[name]
    types = get_type_hints(kind)
    values: dict[str, object] = {}
    problems: list[str] = []
    for word in words:
        key, _, value = word.partition("=")
        try:
            values[key] = types[key](value)
        except KeyError:
            problems.append(f"no key {key!r}; known: {', '.join(types) or 'none'}")
        except ValueError:
            problems.append(f"{key}={value!r} is not {types[key].__name__}")
        else:
            if isinstance(values[key], float) and not math.isfinite(float(value)):
                problems.append(f"{key}={value!r} must be finite")
    required = [f.name for f in fields(kind) if f.default is MISSING]
    problems += [f"{key}= is missing" for key in required if key not in values]
    if problems:
        raise ConfigError(f"fault {text!r}", problems)
    try:
        return kind(**values)  # type: ignore[arg-type]
    except ValueError as error:
        raise ConfigError(f"fault {text!r}", [str(error)]) from error


class Faults:
    """The faults in force."""

    def __init__(self) -> None:
        self._active: list[Fault] = []
        self._listeners: list[Callable[[], None]] = []

    def inject(self, fault: Fault) -> None:
        """Put a fault in force."""
        self._active.append(fault)
        self._tell()

    def clear(self) -> None:
        """End all faults."""
        self._active.clear()
        self._tell()

    def find(self, kind: type[F]) -> list[F]:
        """All faults of one kind in force."""
        return [fault for fault in self._active if isinstance(fault, kind)]

    def take(self, kind: type[F]) -> list[F]:
        """Like `find`, for faults that happen once: they are no longer in force."""
        taken = self.find(kind)
        self._active = [fault for fault in self._active if not isinstance(fault, kind)]
        return taken

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever faults come or go."""
        self._listeners.append(listener)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
