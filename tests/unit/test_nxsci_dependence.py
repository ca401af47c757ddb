import math

import numpy as np
import pytest
from speckle_frames import patterns

from xsn_acq.analysis.nxsci.dependence import (
    RunningDependence,
    dependence_map,
    mean_dependence,
)
from xsn_acq.errors import ReconstructionError


def by_numpy(stack):
    """All correlations, and their mean without the diagonal."""
    table = np.corrcoef(stack.reshape(len(stack), -1).T)
    others = ~np.eye(len(table), dtype=bool)
    return table, table[others].mean(), np.abs(table[others]).mean()


def test_means_are_those_of_all_pairs(monkeypatch):
    monkeypatch.setattr("xsn_acq.analysis.nxsci.dependence._BLOCK", 100)
    stack = patterns(24, 24, 5)
    found = mean_dependence(stack)
    _, signed, absolute = by_numpy(stack)
    # float32 correlations
    assert found.signed == pytest.approx(signed, abs=1e-6)
    assert found.absolute == pytest.approx(absolute, abs=1e-6)
    assert found.patterns == 24


def test_independent_pixels_have_what_chance_gives():
    stack = np.random.default_rng(0).normal(5, 1, (200, 20, 20))
    found = mean_dependence(stack)
    assert abs(found.signed) < 0.002  # 80,000 pairs of 200
    assert found.absolute == pytest.approx(found.chance, rel=0.02)
    assert found.chance == pytest.approx(math.sqrt(2 / math.pi / 200))


def test_streamed_equals_batch():
    stack = patterns(24, 24, 5)
    running = RunningDependence((24, 24), most_pixels=24 * 24)
    for _ in range(2):
        for pattern in stack:
            running.push(pattern)
        found = running.value()
        batch = mean_dependence(stack)
        # float64 against float32
        assert (found.signed, found.absolute) == pytest.approx((batch.signed, batch.absolute), abs=1e-6)
        running.clear()
    some = RunningDependence((24, 24), most_pixels=150)
    for pattern in stack:
        some.push(pattern)
    assert some.pixels.size == 150
    assert some.value().absolute == pytest.approx(mean_dependence(stack, most_pixels=150).absolute, abs=1e-6)
    # a quarter of the pixels tell the mean to a few per cent
    assert some.value().absolute == pytest.approx(batch.absolute, rel=0.1)


def test_map_runs_from_near_to_far():
    stack = patterns(24, 24, 5)
    found = dependence_map(stack, most_targets=1000, rows=1000)
    table, *_ = by_numpy(stack)
    assert found.correlation.shape == (575, 576)
    target = 200
    away = np.hypot(*(np.indices((24, 24)) - np.array([8, 8])[:, None, None])).ravel()
    order = np.argsort(away, kind="stable")[1:]
    assert found.correlation[:, target] == pytest.approx(table[target, order], abs=1e-5)  # float32
    assert found.distance[:, target] == pytest.approx(away[order], rel=1e-6)
    # speckle of 150 nm on pixels of 100 nm: the nearest pixels depend, the others do not
    assert found.correlation[:4].mean() > 0.3
    assert abs(found.correlation[100:].mean()) < 0.1
    pooled = dependence_map(stack, most_targets=10, rows=23)
    assert pooled.correlation.shape == (23, 10)
    assert pooled.correlation[0, 0] == pytest.approx(found.correlation[:25, 0].mean(), abs=1e-6)
    assert pooled.targets[0] == 0
    assert pooled.targets[-1] == 575


def test_more_patterns_and_fresh_ones_lower_the_dependence():
    few, many = (mean_dependence(patterns(24, 24, 5)[:n]).absolute for n in (8, 24))
    again = mean_dependence(np.tile(patterns(24, 24, 5)[:8], (3, 1, 1))).absolute
    assert many < 0.8 * few
    assert again == pytest.approx(few, rel=1e-4)
    assert mean_dependence(patterns(24, 24, 5)).over_chance < 1.3
    assert mean_dependence(np.tile(patterns(24, 24, 5)[:8], (6, 1, 1))).over_chance > 2


def test_what_tells_nothing_is_refused():
    stack = np.random.default_rng(2).uniform(0, 2, (4, 5, 6))
    with pytest.raises(ReconstructionError, match="wanted 3 or more patterns, found 2"):
        mean_dependence(stack[:2])
    stack[:, 1, 1] = 1.0
    with pytest.raises(ReconstructionError, match="found 1 of 30 that do not"):
        dependence_map(stack)
    running = RunningDependence((5, 6))
    for pattern in stack:
        running.push(pattern)
    with pytest.raises(ReconstructionError, match="found 1 of 30 that do not"):
        running.value()
    with pytest.raises(ReconstructionError, match=r"wanted \(5, 6\) pixels"):
        running.push(stack[0].T)
