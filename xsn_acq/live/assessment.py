"""Patterns assessed while a sweep goes on: what is known so far, and whether more would tell anything.

It listens to the documents of the session it runs in, works in a thread of its own, and answers when it is
asked; it commands nothing.
"""

import logging
import math
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsn_acq.analysis.nxsci.dependence import mean_dependence
from xsn_acq.analysis.nxsci.information import RunningInformation, effective_rank, smooth_prior, txm_prior
from xsn_acq.analysis.nxsci.patterns import normalise_patterns
from xsn_acq.analysis.nxsci.problem import Maps, Sweep
from xsn_acq.analysis.nxsci.stopping import StoppingRule
from xsn_acq.closing import Closing
from xsn_acq.errors import ReconstructionError, XsnError
from xsn_acq.live.sweep import GrowingSweep, is_sweep, shows_sample
from xsn_acq.live.sweep_maps import LEAST_PATTERNS, make_maps
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.xspress3 import SCALERS
from xsn_acq.storage.run import Row, RunRecord, rows_of
from xsn_acq.storage.sweep import SweepReader

MOST_PIXELS = 1024
"""Dependence is looked at for so many pixels at most."""
LATE_S = 10.0
"""How long a frame may be on its way to the file, seconds."""
REHEARSAL_NOISE = 0.01
"""Relative noise of the counts that a rehearsal assumes: 10,000 counts."""
_LOOK_S = 0.05
_STANDS_OUT = 5.0
"""An element's summed counts are so many standard errors, or it is not judged."""
_LEAST_SHARE = 0.005
"""Of the strongest element's counts; less may be what the fit of lines took from a neighbour."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """What became of the patterns so far.

    ``enough``: the maps are as good as was asked for. ``stale``: the last block told nothing new. Errors are
    relative; NaN where not known yet.
    """

    patterns: int
    expected_error: float
    effective_rank: float
    mean_dependence: float
    enough: bool
    stale: bool


class SweepAssessor(Closing):
    """Assesses the run whose documents it is given.

    Parameters
    ----------
    library_of : callable
        Finds the run whose sample-out images a run uses; None when it has its own.
    """

    def __init__(self, library_of: Callable[[RunRecord], RunRecord | None]) -> None:
        self._library_of = library_of
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="assess")
        self._lock = threading.Lock()
        self._rows: list[Row] = []
        self._waiting: list[Row] = []
        self._record = RunRecord()
        self._work: _Sample | _Rehearsal | None = None
        self._answer: Future[Verdict] | None = None

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        """Take in a document."""
        with self._lock:
            if name == "start":
                if self._work is not None:
                    self._pool.submit(self._work.close)
                self._record, self._rows, self._work, self._answer = RunRecord(), [], None, None
                self._waiting = []
            self._record.add(name, doc)
            if name == "event_page" and self._record.stream_name(doc) == "points":
                self._rows += rows_of(name, doc)

    def verdict(self) -> Verdict | None:
        """What it says of all rows so far; None while it is at work on that. It then begins anew."""
        if self._answer is None:
            with self._lock:
                rows, self._rows = self._rows, []
            self._answer = self._pool.submit(self._assessed, rows)
        if not self._answer.done():
            return None
        answer, self._answer = self._answer.result(), None
        return answer

    def close(self) -> None:
        """End the thread and close the files."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._work is not None:
            self._work.close()

    def _assessed(self, rows: list[Row]) -> Verdict:
        """Whatever goes wrong is told, and the sweep goes on."""
        self._waiting += rows
        try:
            if self._work is None:
                self._work = self._begin()
            rows, self._waiting = self._waiting, []
            return self._work.assess(rows)
        except Exception as error:  # whatever it is: the sample is in the beam, and the plan waits
            expected = isinstance(error, XsnError | OSError)
            _log.warning(
                "patterns are not assessed: %s", error if expected else f"{type(error).__name__}: {error}"
            )
            return Verdict(0, math.nan, math.nan, math.nan, enough=False, stale=False)

    def _begin(self) -> "_Sample | _Rehearsal":
        if not is_sweep(self._record.start):
            raise ReconstructionError("wanted a run of structured illumination, found another")
        if shows_sample(self._record.start):
            return _Sample(self._record, self._library_of(self._record))
        return _Rehearsal(self._record)


class Informed:
    """What the patterns in use tell.

    Fits of lines change with each block, and with them what is found wrong with a spectrum: where a pattern
    is in use no longer, or one comes into use that is not the last, it is reckoned anew.
    """

    def __init__(self, information: RunningInformation) -> None:
        self._information = information
        self._taken: tuple[int, ...] = ()

    def take(self, numbers: tuple[int, ...], patterns: FloatArray) -> float:
        """Take the patterns (n, ny, nx) in use and their numbers; the error left, see its `value`."""
        if numbers[: len(self._taken)] != self._taken:
            self._information.clear()
            self._taken = ()
        for pattern in patterns[len(self._taken) :]:
            self._information.push(pattern)
        self._taken = numbers
        return self._information.value()


class _Known:
    """What all assessments have: how many patterns there are, and how many of the last ones are new."""

    def __init__(self, start: Row) -> None:
        given = start["params"]["adaptive"] or {}
        self._quality = float(given.get("quality", 0.0))
        self._least = int(given.get("least", 4))
        self._least_gain = float(given.get("least_gain", 0.0))
        self._rank = 0.0
        self._taken = 0

    def _is_stale(self, patterns: int, rank: float) -> bool:
        """Whether the effective rank grew by less than the wanted share of the new patterns."""
        new, gained = patterns - self._taken, rank - self._rank
        self._taken, self._rank = patterns, rank
        return new > 0 and patterns > new and gained < self._least_gain * new


class _Sample(_Known, Closing):
    """A sweep with the sample: maps are made at growing numbers of patterns, and judged by their changes."""

    def __init__(self, record: RunRecord, library: RunRecord | None) -> None:
        super().__init__(record.start)
        self._least = max(self._least, LEAST_PATTERNS)
        self._growing = GrowingSweep(record, library)
        self._rule = StoppingRule(self._quality, first=self._least)
        self._informed: Informed | None = None
        self._maps: Maps | None = None
        self._weights = np.zeros(len(self._growing.elements))

    def assess(self, rows: list[Row]) -> Verdict:
        """Take rows in, and judge."""
        self._growing.push(rows)
        _await(self._growing.ready)
        self._growing.settle(final=True)
        sweep = self._growing.sweep()
        number = len(sweep.patterns)
        rank = effective_rank(sweep.patterns)
        if number >= self._least and self._judges(sweep):
            left = self._left(sweep)
            if self._rule.due(number):
                self._maps = make_maps(self._growing, self._maps).maps
                weighted = self._maps.values * self._weights[:, None, None]
                self._rule.push(number, weighted, left)
        judged = self._rule.value()
        expected, enough = (math.nan, False) if judged is None else (judged.expected_error, judged.enough)
        return Verdict(
            number, expected, rank, _dependence(sweep.patterns), enough, self._is_stale(number, rank)
        )

    def close(self) -> None:
        """Close the files."""
        self._growing.close()

    def _judges(self, sweep: Sweep) -> bool:
        """Whether there is an element to judge; when there is one more, judging begins anew.

        Maps are judged in units of their counts' noise, so that each element's noise counts alike.
        """
        known = self._weights > 0
        shown = known | stands_out(sweep)
        if (shown != known).any():
            self._weights = np.where(shown, 1 / np.median(sweep.sigma, axis=1), 0.0)
            self._informed = None
            self._rule.clear()
        if not shown.any():
            _log.warning(
                "patterns are not judged: lines of %s do not stand out of their noise; "
                "wanted an element that the sample holds",
                ", ".join(self._growing.elements),
            )
        return bool(shown.any())

    def _left(self, sweep: Sweep) -> float:
        """Error left of what is unknown before, by the patterns alone."""
        if self._informed is None:
            judged = self._weights > 0
            noise = float(np.median((sweep.sigma / np.maximum(sweep.counts, sweep.sigma))[judged]))
            prior = txm_prior(self._growing.guide().transmission)
            self._informed = Informed(RunningInformation(prior, noise))
        return self._informed.take(self._growing.used, sweep.patterns)


class _Rehearsal(_Known, Closing):
    """A sweep without the sample: what its patterns would tell of one that is alike everywhere."""

    def __init__(self, record: RunRecord) -> None:
        super().__init__(record.start)
        self._reader = SweepReader(record, SCALERS)
        self._informed: Informed | None = None
        self._patterns: list[FloatArray] = []

    def assess(self, rows: list[Row]) -> Verdict:
        """Take rows in, and judge."""
        good = [row for row in rows if row["status"] == "ok"]
        _await(lambda: not good or self._reader.has(good[-1]))
        if good:
            frames = self._reader.frames([row["frame"] for row in good])
            self._patterns += list(normalise_patterns(frames, self._reader.dark()).patterns)
        patterns = np.array(self._patterns)
        if self._informed is None:
            self._informed = Informed(RunningInformation(smooth_prior(patterns.shape[1:]), REHEARSAL_NOISE))
        number, rank = len(patterns), effective_rank(patterns)
        expected = self._informed.take(tuple(range(number)), patterns)
        enough = number >= self._least and expected < self._quality
        return Verdict(number, expected, rank, _dependence(patterns), enough, self._is_stale(number, rank))

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


def _dependence(patterns: FloatArray) -> float:
    """Mean |r| of pixels; NaN of fewer than three patterns."""
    if len(patterns) < 3:
        return math.nan
    return mean_dependence(patterns, most_pixels=MOST_PIXELS).absolute


def stands_out(sweep: Sweep) -> NDArray[np.bool_]:
    """Whether each element's counts, all patterns together, stand out of their error, (E,)."""
    total, error = sweep.counts.sum(axis=1), np.sqrt(np.sum(sweep.sigma**2, axis=1))
    return np.asarray((total > _STANDS_OUT * error) & (total > _LEAST_SHARE * total.max()))


def _await(ready: Callable[[], bool]) -> None:
    """Wait until frames that were announced can be read.

    Raises
    ------
    ReconstructionError
        They cannot after `LATE_S`.
    """
    pause = threading.Event()
    for _ in range(round(LATE_S / _LOOK_S)):
        if ready():
            return
        pause.wait(_LOOK_S)
    raise ReconstructionError(
        f"wanted the frames that were announced within {LATE_S:g} s, found them missing"
    )
