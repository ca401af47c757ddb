"""Which frame belongs to which pattern of a line that was flown: pure arithmetic on places and times."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xsn_acq.plans.matching import match_frames, only_offset
from xsn_acq.plans.pattern_rows import NONE


@dataclass(frozen=True)
class Gates:
    """The pulses of a line.

    Attributes
    ----------
    patterns : tuple of int
        Which pattern of the line each pulse gated; `NONE`: it came at no pattern's place.
    times_s : (pulses,)
        When each came.
    places_mm : tuple of float
        Of every pattern of the line, as captured, or where it should be.
    """

    patterns: tuple[int, ...]
    times_s: npt.NDArray[np.float64]
    places_mm: tuple[float, ...]

    @classmethod
    def captured(
        cls, places_mm: npt.ArrayLike, times_s: npt.ArrayLike, wanted_mm: Sequence[float], step_mm: float
    ) -> "Gates":
        """Tell pulses by their number where all came, else by place: the pattern within half a step.

        Examples
        --------
        >>> Gates.captured([1.01, 3.02], [0.5, 1.5], [1.0, 2.0, 3.0], 1.0).patterns
        (0, 2)
        """
        found, wanted = np.asarray(places_mm, float), np.asarray(wanted_mm, float)
        if len(found) == len(wanted):
            patterns = tuple(range(len(wanted)))
        else:
            patterns = _nearest(found, wanted, step_mm)
        places = wanted.copy()
        for pulse, pattern in enumerate(patterns):
            if pattern != NONE:
                places[pattern] = found[pulse]
        return cls(patterns, np.asarray(times_s, float), tuple(places.tolist()))


def _nearest(found: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64], step: float) -> tuple[int, ...]:
    patterns: list[int] = []
    for place in found:
        off = np.abs(wanted - place)
        nearest = int(np.argmin(off))
        near = bool(off[nearest] <= step / 2) and nearest not in patterns
        patterns.append(nearest if near else NONE)
    return tuple(patterns)


class GatedFrames:
    """Matches frames to pulses line by line; how far the clocks are apart is kept for later lines.

    Parameters
    ----------
    period_s : float
        From pulse to pulse.
    """

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._offsets_s: dict[str, float] = {}

    def of_patterns(
        self, stream: str, times_s: npt.NDArray[np.float64], gates: Gates, *, latency_s: float
    ) -> list[int]:
        """Frame of each pattern of a line, counted from the line's first; `NONE` where that is not sure.

        As many frames as patterns belong to them one to one. Else frames are told by their times, once it is
        known how far the clock of this stream is from that of the pulses: the clocks may be a period apart,
        and every frame would be its neighbour's.

        Parameters
        ----------
        stream : str
            Its detector has a clock of its own.
        times_s : (frames,)
            Time stamps.
        gates : Gates
        latency_s : float
            From pulse to time stamp.
        """
        number = len(gates.places_mm)
        self._learn(stream, times_s, gates, latency_s)
        if len(times_s) == number:
            return list(range(number))
        found = [NONE] * number
        if stream not in self._offsets_s:
            return found
        timing = {"latency_s": latency_s, "period_s": self._period_s, "offset_s": self._offsets_s[stream]}
        matches = match_frames(gates.times_s, times_s, **timing)
        for frame, (pulse, sure) in enumerate(zip(matches.pulse, matches.sure, strict=True)):
            if sure and gates.patterns[pulse] != NONE:
                found[gates.patterns[pulse]] = frame
        return found

    def _learn(self, stream: str, times_s: npt.NDArray[np.float64], gates: Gates, latency_s: float) -> None:
        """How far this stream's clock is ahead, from a line that leaves one answer."""
        offset_s: float | None
        if len(times_s) == len(gates.times_s) == len(gates.places_mm):
            offset_s = float(np.median(times_s - gates.times_s - latency_s))
        else:
            offset_s = only_offset(gates.times_s, times_s, latency_s=latency_s, period_s=self._period_s)
        if offset_s is not None:
            self._offsets_s[stream] = offset_s
