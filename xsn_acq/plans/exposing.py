"""Exposures of patterns: one at a time with everything at rest, or a line of them on the fly."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from bluesky import plan_stubs as bps
from bluesky.utils import short_uid

from xsn_acq.devices.position_compare import PulseTrain
from xsn_acq.plans.detectors import FRAMES, SPECTRA, Detectors
from xsn_acq.plans.framing import Framing, run_up_deg
from xsn_acq.plans.gates import GatedFrames, Gates
from xsn_acq.plans.instrument import StructuredInstrument
from xsn_acq.plans.pattern_rows import NONE
from xsn_acq.plans.steps import POLL_S, Interruption, Plan, Step, asked, finished, move, step, stop
from xsn_acq.plans.stills import FLUSH_S

logger = logging.getLogger(__name__)

PATIENCE_S = 2.0
PATIENCE_PERIODS = 2
"""After the sheet has passed, no new frame for so long means that none will come."""


@dataclass(frozen=True)
class Shot:
    """One pattern exposed: its frame and spectrum (-1: none came), where the fine sheet was, the beam.

    ``gated``: its pulse was captured, or it needs none. ``untold``: streams of which frames came in its line,
    none of which is surely anybody's.
    """

    pattern: int
    frame: int
    spectrum: int
    fine_x_mm: float
    beam_counts_s: float
    gated: bool = True
    untold: tuple[str, ...] = ()


class Exposing(Protocol):
    """A way to expose patterns."""

    def arrive(self, places_mm: Sequence[float]) -> float:
        """Where the fine sheet goes along x before patterns at these places are exposed, mm."""

    def expose(self, patterns: Sequence[int], places_mm: Sequence[float], *, spectra: bool) -> Plan:
        """Expose them; their shots."""


class AtRest:
    """Camera and detector expose once while everything stands, and the beam monitor counts meanwhile.

    Parameters
    ----------
    devices, detectors
        The instrument, its detectors.
    exposure_s : float
        Of a pattern.
    """

    def __init__(self, devices: StructuredInstrument, detectors: Detectors, exposure_s: float) -> None:
        self._devices, self._detectors, self._exposure_s = devices, detectors, exposure_s

    def arrive(self, places_mm: Sequence[float]) -> float:
        """At the first place."""
        return places_mm[0]

    def expose(self, patterns: Sequence[int], places_mm: Sequence[float], *, spectra: bool) -> Plan:
        """One frame, one spectrum; one that does not come is no failure."""
        devices, detectors = self._devices, self._detectors
        streams = (FRAMES, SPECTRA) if spectra else (FRAMES,)
        first = {stream: detectors.written(stream) for stream in streams}
        yield from detectors.arm(len(patterns), streams)
        counting = yield from begin_counting(devices, self._exposure_s)
        yield from detectors.start(streams)
        yield from detectors.await_what_comes(streams)
        yield from detectors.stop(streams)
        beam_counts_s = yield from counted(devices, counting)
        found = {stream: self._indices(stream, number, len(patterns)) for stream, number in first.items()}
        spectra_found = found.get(SPECTRA, [NONE] * len(patterns))
        place = asked(devices.sandpaper_fine.x.user_readback)
        return [
            Shot(
                pattern,
                frame=found[FRAMES][number],
                spectrum=spectra_found[number],
                fine_x_mm=place,
                beam_counts_s=beam_counts_s,
            )
            for number, pattern in enumerate(patterns)
        ]

    def _indices(self, stream: str, first: int, wanted: int) -> list[int]:
        """Frame of a stream for each pattern, -1 where none came; of too many none is surely anybody's."""
        came = self._detectors.written(stream) - first
        if came > wanted:
            logger.warning(
                "%s: wanted %d, found %d: an earlier one came late; left out", stream, wanted, came
            )
            came = 0
        return [first + number if number < came else NONE for number in range(wanted)]


def begin_counting(devices: StructuredInstrument, count_s: float) -> Plan:
    """Let the beam monitor count for so long; what `counted` waits for."""
    group = short_uid("beam monitor")
    counting = Step("beam monitor count", lambda: devices.beam_monitor.count(count_s))
    status = yield from bps.trigger(counting, group=group)
    return group, status


def counted(devices: StructuredInstrument, counting: tuple[str, Any]) -> Plan:
    """Wait for the beam monitor; its counts per second."""
    group, status = counting
    yield from bps.wait(group)
    while status is not None and not status.done:
        yield from bps.sleep(POLL_S)
    return devices.beam_monitor.rate()


class OnTheFly:
    """The fine sheet passes at constant velocity; its encoder gates camera and detector together.

    Parameters
    ----------
    devices, detectors
        The instrument, its detectors.
    frame : Framing
        Timing of the frames.
    step_mm : float
        Between patterns.
    interruption : Interruption
        Tells of pauses.
    interrupted : callable
        Whether beam or plan were interrupted since the line began.
    """

    def __init__(
        self,
        devices: StructuredInstrument,
        detectors: Detectors,
        frame: Framing,
        step_mm: float,
        interruption: Interruption,
        interrupted: Callable[[], bool],
    ) -> None:
        self._devices, self._detectors, self._frame = devices, detectors, frame
        self._step_mm, self._interruption, self._interrupted = step_mm, interruption, interrupted
        self._velocity = step_mm / frame.period_s
        self._gated = GatedFrames(frame.period_s)

    def arrive(self, places_mm: Sequence[float]) -> float:
        """Before the first place, so that the sheet has its velocity there."""
        return places_mm[0] - self._direction(places_mm) * self._run_up_mm()

    def expose(self, patterns: Sequence[int], places_mm: Sequence[float], *, spectra: bool) -> Plan:
        """Fly over the places; the velocity of the beamline file is put back."""
        devices, detectors = self._devices, self._detectors
        sheet = devices.sandpaper_fine.x
        streams = (FRAMES, SPECTRA) if spectra else (FRAMES,)
        first = {stream: detectors.written(stream) for stream in streams}
        direction = self._direction(places_mm)
        end = places_mm[-1] + direction * (self._step_mm + self._run_up_mm())
        yield from move(sheet.velocity, self._velocity, self._interruption)
        yield from detectors.arm(len(patterns), streams)
        yield from self._arm(places_mm, direction)
        counting = yield from begin_counting(devices, len(patterns) * self._frame.period_s)
        yield from detectors.start(streams)
        group = short_uid("line")
        passing = yield from bps.abs_set(sheet, end, group=group)
        yield from self._follow(passing, group, streams, first, len(patterns))
        if self._interrupted():
            yield from stop(sheet)
        yield from detectors.stop(streams)
        yield from detectors.await_all(streams)
        places, pulse_s = devices.position_compare.captured()
        yield from step("position compare disarm", devices.position_compare.disarm)
        usual = devices.file.axes.sandpaper_fine_x.velocity
        yield from move(sheet.velocity, usual, self._interruption)
        beam_counts_s = yield from counted(devices, counting)
        gates = Gates.captured(places, pulse_s, places_mm, self._step_mm)
        middle_mm = direction * self._velocity * self._frame.exposure_s / 2
        return self._shots(patterns, gates, first, middle_mm, beam_counts_s)

    def _shots(
        self,
        patterns: Sequence[int],
        gates: Gates,
        first: dict[str, int],
        middle_mm: float,
        beam_counts_s: float,
    ) -> list[Shot]:
        """Patterns of a line with what came of each stream; the sheet from a pulse to mid-exposure."""
        found = {stream: self._indices(stream, number, gates) for stream, number in first.items()}
        spectra = found.get(SPECTRA, [NONE] * len(patterns))
        untold = tuple(
            stream
            for stream, number in first.items()
            if gates.patterns and self._detectors.written(stream) > number and max(found[stream]) == NONE
        )
        return [
            Shot(
                pattern,
                frame=found[FRAMES][number],
                spectrum=spectra[number],
                fine_x_mm=gates.places_mm[number] + middle_mm,
                beam_counts_s=beam_counts_s,
                gated=number in gates.patterns,
                untold=untold,
            )
            for number, pattern in enumerate(patterns)
        ]

    def _arm(self, places_mm: Sequence[float], direction: Literal[1, -1]) -> Plan:
        compare = self._devices.position_compare
        train = PulseTrain(
            start=places_mm[0],
            step=self._step_mm,
            count=len(places_mm),
            direction=direction,
            source="position",
            width=self._velocity * self._frame.exposure_s,
        )
        yield from finished(bps.prepare(compare, train, wait=True))
        yield from finished(bps.kickoff(compare, wait=True))

    def _follow(
        self, passing: Any, group: str, streams: Sequence[str], first: dict[str, int], wanted: int
    ) -> Plan:
        """Announce frames while the sheet passes, and until the last one is there or none comes any more."""
        while not self._interrupted():
            yield from bps.wait(group, timeout=FLUSH_S, error_on_timeout=False)
            yield from self._detectors.announce(streams)
            if passing is None or passing.done:
                break
        patience = PATIENCE_S + PATIENCE_PERIODS * self._frame.period_s
        seen, since = self._came(streams, first), time.monotonic()
        while not self._interrupted() and min(seen) < wanted and time.monotonic() - since < patience:
            yield from bps.sleep(POLL_S)
            now = self._came(streams, first)
            if now != seen:
                seen, since = now, time.monotonic()

    def _came(self, streams: Sequence[str], first: dict[str, int]) -> tuple[int, ...]:
        return tuple(self._detectors.written(stream) - first[stream] for stream in streams)

    def _indices(self, stream: str, first: int, gates: Gates) -> list[int]:
        """Frame of a stream for each pattern, -1 where none came."""
        times_s = self._detectors.times_s(stream)[first : self._detectors.written(stream)]
        latency_s = self._frame.exposure_s + (self._frame.readout_s if stream == FRAMES else 0.0)
        found = self._gated.of_patterns(stream, times_s, gates, latency_s=latency_s)
        return [NONE if number == NONE else first + number for number in found]

    def _direction(self, places_mm: Sequence[float]) -> Literal[1, -1]:
        return -1 if places_mm[-1] < places_mm[0] else 1

    def _run_up_mm(self) -> float:
        sheet = self._devices.file.axes.sandpaper_fine_x
        return run_up_deg(self._velocity, sheet.acceleration_s, sheet.tolerance)
