"""When a detector exposes: exact times, whatever the machine can render in the meantime."""

from collections import deque
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

EXTERNAL_EDGE, EXTERNAL_GATE, INTERNAL = "Rising Edge", "Exp. Gate", "Internal"


class Timed(Protocol):
    """Settings that say how long an exposure is."""

    @property
    def exposure_s(self) -> float:
        """Seconds, for exposures that no gate ends."""


S = TypeVar("S", bound=Timed)


@dataclass(frozen=True)
class Exposure(Generic[S]):
    """One exposure; the frame is there at ``ready_s``, after readout. Simulated epoch seconds."""

    number: int
    begin_s: float
    end_s: float
    ready_s: float
    settings: S


class ExposureTimer(Generic[S]):
    """Decides which triggers become exposures.

    A trigger that comes while the detector exposes or reads out is ignored, as real detectors ignore it.
    ``waiting_since_s`` is when the last frame was ready, or the acquisition began.
    """

    def __init__(self) -> None:
        self._settings: S | None = None
        self._mode = INTERNAL
        self._readout_s = 0.0
        self._left: int | None = 0
        self._free_at = 0.0
        self._number = 0
        self.waiting_since_s = 0.0
        self._under_way: deque[Exposure[S]] = deque()

    @property
    def running(self) -> bool:
        """Whether exposures may still begin."""
        return self._settings is not None

    def start(self, settings: S, *, mode: str, readout_s: float, count: int | None, time_s: float) -> None:
        """Begin an acquisition of ``count`` exposures, or without end."""
        self._settings, self._mode, self._readout_s = settings, mode, readout_s
        self._left, self._free_at, self._number = count, time_s, 0
        self.waiting_since_s = time_s
        self._under_way.clear()

    def stop(self, time_s: float) -> None:
        """Begin no more exposures, and give up those not read out at ``time_s``."""
        self._settings = None
        self._under_way = deque(shot for shot in self._under_way if shot.ready_s <= time_s)

    def more(self, count: int) -> None:
        """Allow ``count`` more exposures, for frames that were lost after they were exposed."""
        if self._left is not None:
            self._left += count

    def trigger(self, time_s: float, width_s: float) -> bool:
        """Take an external pulse; whether it began an exposure."""
        if self._mode == INTERNAL or time_s < self._free_at:
            return False
        return self._begin(time_s, width_s if self._mode == EXTERNAL_GATE else None) is not None

    def free_run(self, time_s: float) -> list[Exposure[S]]:
        """Begin all exposures that internal triggering begins up to ``time_s``."""
        begun: list[Exposure[S]] = []
        while self._mode == INTERNAL and self._free_at <= time_s:
            exposure = self._begin(self._free_at, None)
            if exposure is None:
                break
            begun.append(exposure)
        return begun

    def ready(self, time_s: float) -> list[Exposure[S]]:
        """Hand over all exposures read out by ``time_s``."""
        done: list[Exposure[S]] = []
        while self._under_way and self._under_way[0].ready_s <= time_s:
            done.append(self._under_way.popleft())
            self.waiting_since_s = done[-1].ready_s
        return done

    def _begin(self, begin_s: float, width_s: float | None) -> Exposure[S] | None:
        if self._settings is None or self._left == 0:
            return None
        end = begin_s + (self._settings.exposure_s if width_s is None else width_s)
        exposure = Exposure(self._number, begin_s, end, end + self._readout_s, self._settings)
        self._free_at = exposure.ready_s
        self._number += 1
        if self._left is not None:
            self._left -= 1
        self._under_way.append(exposure)
        return exposure
