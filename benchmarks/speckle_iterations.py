"""Gradients to within 1 % of the minimum: plain preconditioned descent and ours, from three starts each."""

import math
import os
from typing import Any

import numpy as np

from benchmarks._speckle import GLASS, plain_descent, scene, settings
from xsn_acq.analysis.pwf.fitting import fit
from xsn_acq.analysis.pwf.retrieval import Retrieval

SIDE, STEP_DEG, MOST = 192, 0.225, 3000
NEAR = 1.01


def run() -> dict:
    first, second = (scene("beads", (SIDE, SIDE), turned_deg=turned) for turned in (0.0, STEP_DEG))
    retrieval = Retrieval(settings(first, GLASS), first.references)
    starts = _starts(retrieval, first, second)
    problem = _Problem(retrieval, second)
    least = NEAR * problem.least(starts["neighbour"])
    ours = {name: problem.ours(x, least) for name, x in starts.items()}
    plain = {name: problem.plain(x, least) for name, x in starts.items()}
    table = [
        f"{who} from {name}: {count} (slope {slope:.3f}, error {error:.3f})"
        for who, found in (("plain", plain), ("ours", ours))
        for name, (count, slope, error) in found.items()
    ]
    return {
        "name": "speckle_iterations",
        "value": ours["neighbour"][0],
        "unit": "gradients",
        "rival": "plain preconditioned descent from zero, the same objective",
        "rival_value": plain["zero"][0],
        "ratio": plain["zero"][0] / ours["neighbour"][0],
        "size": f"{SIDE} x {SIDE}, glass balls turned by {STEP_DEG} degrees, 20,000 photons",
        "cores": len(os.sched_getaffinity(0)),
        "device": "cpu",
        "note": f"{'; '.join(table)}; {MOST} means not reached",
    }


def _starts(retrieval: Retrieval, first: Any, second: Any) -> dict[str, Any]:
    neighbour = retrieval.retrieve(first.projections).variables
    return {
        "zero": np.zeros_like(neighbour),
        "Paganin": retrieval.guess(second.projections),
        "neighbour": neighbour,
    }


class _Problem:
    """The second angle's objective; each result is gradients, slope and error of the phase."""

    def __init__(self, retrieval: Retrieval, truth: Any) -> None:
        self._truth = truth
        self._window = retrieval.model.grid.window
        self._objective, self._precondition = retrieval.prepared
        self._data = retrieval.data(truth.projections)
        square = retrieval.model.grid.frequency() ** 2 * truth.optics.pixel_m**2
        square[0, 0] = math.inf
        self._square = square

    def least(self, x: Any) -> float:
        return min(self._fit(x, 1e-7, 1000).values)

    def ours(self, x: Any, least: float) -> tuple[int, float, float]:
        values = self._fit(x, 1e-7, MOST).values
        count = next((n for n, value in enumerate(values, 1) if value <= least), MOST)
        return self._told(self._fit(x, 1e-7, count).x, count)

    def plain(self, x: Any, least: float) -> tuple[int, float, float]:
        end, values = plain_descent(
            lambda at: self._objective.value(at, self._data), x, self._square, least, MOST
        )
        return self._told(end, len(values))

    def _fit(self, x: Any, enough: float, most: int) -> Any:
        return fit(self._objective, self._data, x, self._precondition, enough=enough, most=most)

    def _told(self, x: Any, count: int) -> tuple[int, float, float]:
        return count, *self._truth.slope(x[-1][self._window])
