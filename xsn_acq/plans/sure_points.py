"""Points of a run, each recorded when it surely had beam; those of which that is in doubt are taken again."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from bluesky import plan_stubs as bps

from xsn_acq.plans.beam import Beam
from xsn_acq.plans.record import Rows
from xsn_acq.plans.steps import Plan

Counters = tuple[int, ...]


class SurePoints:
    """The stream ``points`` of a run.

    Parameters
    ----------
    row : type
        Dataclass of what is recorded of a point; it has the field ``status``.
    beam : Beam
        Looked at after each point.
    late_s : float
        A loss of beam is told within so many seconds.
    interruptions : callable
        Counts of what spoils points: pauses, losses of beam, ...; any that grows does.
    resting : callable
        () -> plan that is done before a loss of beam is waited for: nothing is exposed meanwhile.
    passed : callable
        (rows): called with those of each point that surely had beam.

    Attributes
    ----------
    good : int
        Points that surely had beam and lack nothing: all their rows have the status ``ok``.
    """

    def __init__(
        self,
        row: type,
        beam: Beam,
        late_s: float,
        interruptions: Callable[[], Counters],
        resting: Callable[[], Plan],
        passed: Callable[[tuple[Any, ...]], None] = lambda rows: None,
    ) -> None:
        self._rows = Rows("points", row)
        self._beam, self._late_s, self._interruptions = beam, late_s, interruptions
        self._resting, self._passed = resting, passed
        self._unsure: deque[tuple[float, Any, tuple[Any, ...]]] = deque()
        self._mark: Counters = ()
        self.good = 0

    def declare(self) -> Plan:
        """Declare the stream."""
        yield from self._rows.declare()

    def take(self, points: Iterable[Any], take: Callable[[Any], Plan]) -> Plan:
        """Take every point; those that were interrupted, and those not beyond doubt by then, again.

        Parameters
        ----------
        points : iterable
            What there is to take.
        take : callable
            (point) -> plan that takes it and returns its rows, a tuple.
        """
        waiting = deque(points)
        self._mark = self._interruptions()
        while waiting or self._unsure:
            if waiting:
                point = waiting.popleft()
                rows = yield from take(point)
                self._unsure.append((time.monotonic(), point, rows))
            else:
                yield from self._resting()
                yield from bps.sleep(self._late_s)
            waiting.extendleft(reversed(self._judge()))
            yield from self._rows.emit()

    def give_up(self) -> Plan:
        """Record the points that are still in doubt as such."""
        self._flag()
        yield from self._rows.emit()

    def _judge(self) -> list[Any]:
        """Pass on the rows of points that surely had beam; return the points that must be taken again."""
        self._beam.look()
        now = self._interruptions()
        if now != self._mark:
            self._mark = now
            return self._flag()
        sure_s = time.monotonic() - self._late_s
        while self._unsure and self._unsure[0][0] <= sure_s:
            _, _, rows = self._unsure.popleft()
            self._rows.push(rows)
            self._passed(rows)
            self.good += all(row.status == "ok" for row in rows)
        return []

    def _flag(self) -> list[Any]:
        """Pass the rows of all points that are in doubt as such; these points."""
        doubtful = [(point, rows) for _, point, rows in self._unsure]
        self._unsure.clear()
        self._rows.push([replace(row, status="flagged") for _, rows in doubtful for row in rows])
        return [point for point, _ in doubtful]
