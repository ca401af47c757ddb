import math

import numpy as np
import pytest
from speckle_frames import patterns

from xsn_acq.analysis.nxsci.information import Prior, RunningInformation
from xsn_acq.analysis.nxsci.stopping import StoppingRule
from xsn_acq.errors import ReconstructionError

SIDE, NOISE = 20, 0.005


def test_reconstructions_grow_by_a_third():
    rule, taken = StoppingRule(1e-9, first=20), []
    for n in range(1, 200):
        if rule.due(n):
            taken.append(n)
            rule.push(n, np.full((1, 2, 2), float(n)), 1 / n)
    assert taken == [20, 27, 37, 50, 68, 92, 125, 169]


def test_error_expected_follows_the_largest_of_the_last_two_changes():
    rule = StoppingRule(0.3, first=4, error_per_sign=2.0)
    base = np.ones((2, 3, 3))
    first = rule.push(4, base, 0.9)
    assert math.isnan(first.expected_error)
    assert math.isnan(first.change)
    second = rule.push(8, base * 2, 0.8)  # half of what it became
    assert second.change == pytest.approx(0.5)
    assert not second.enough
    third = rule.push(16, base * 2.5, 0.45)
    assert third.change == pytest.approx(0.2)
    # sqrt(0.9^2 - 0.8^2) = 0.4123 and sqrt(0.8^2 - 0.45^2) = 0.6614 are what the changes stand for
    assert third.expected_error == pytest.approx(2 * math.sqrt(0.45 * 0.45 * 0.5 / 0.4123), rel=1e-3)
    fourth = rule.push(32, base * 2.5, 0.1)
    assert fourth.expected_error == pytest.approx(2 * math.sqrt(0.1 * 0.1 * 0.2 / 0.6614), rel=1e-3)
    assert fourth.enough
    assert rule.value() == fourth
    idle = rule.push(44, base * 2.5, 0.1)  # patterns that tell nothing prove nothing
    assert idle.expected_error == math.inf
    rule.clear()
    assert rule.value() is None
    assert rule.due(4)
    assert not rule.due(3)


def scene(seed):
    """Maps drawn from the prior, their counts, and the best linear estimate from the first n."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((SIDE, SIDE)) / SIDE - 0.5
    prior = Prior(np.maximum(0.2 - (x**2 + y**2), 0) * 5, 2.0)
    covariance = prior.times(np.eye(SIDE * SIDE).reshape(-1, SIDE, SIDE)).reshape(SIDE * SIDE, -1)
    drawn = rng.multivariate_normal(np.zeros(SIDE * SIDE), covariance, check_valid="ignore")
    order = rng.permutation(40)
    light = patterns(40, 24, 6)[order, :SIDE, :SIDE]
    rows = light.reshape(40, -1)
    sigma = NOISE * prior.outline.sum()
    counts = rows @ drawn + sigma * rng.standard_normal(40)

    def solve(n):
        seen = rows[:n] @ covariance
        weights = np.linalg.solve(seen @ rows[:n].T + sigma**2 * np.eye(n), counts[:n])
        return (weights @ seen).reshape(1, SIDE, SIDE)

    return light, drawn.reshape(1, SIDE, SIDE), solve, RunningInformation(prior, NOISE)


def swept(light, solve, information, rule):
    """The judgement that ends a sweep, or the last one."""
    for taken, pattern in enumerate(light, 1):
        information.push(pattern)
        if rule.due(taken) and rule.push(taken, solve(taken), information.value()).enough:
            break
    return rule.value()


@pytest.mark.parametrize("seed", range(5))
def test_a_sweep_ends_early_and_not_below_the_quality_that_was_asked(seed):
    light, drawn, solve, information = scene(seed)
    judged = swept(light, solve, information, StoppingRule(0.5, first=6))
    assert judged.enough
    assert judged.patterns < 40
    assert information.patterns == judged.patterns
    assert judged.relative_rms == information.value()
    error = np.sqrt(np.sum((solve(judged.patterns) - drawn) ** 2) / np.sum(drawn**2))
    assert error < 0.5


def test_a_sweep_that_never_gets_there_says_so():
    light, _, solve, information = scene(1)
    judged = swept(light, solve, information, StoppingRule(0.001, first=6))
    assert (information.patterns, judged.enough) == (40, False)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ReconstructionError, match="quality: wanted more than 0, found 0"):
        StoppingRule(0.0)
    with pytest.raises(ReconstructionError, match="growth: wanted more than 1, found 1"):
        StoppingRule(0.1, growth=1.0)
    rule = StoppingRule(0.1)
    rule.push(8, np.ones((1, 2, 2)), 0.5)
    with pytest.raises(ReconstructionError, match="more than 8 patterns, found 8"):
        rule.push(8, np.ones((1, 2, 2)), 0.5)
    with pytest.raises(ReconstructionError, match=r"wanted maps \(1, 2, 2\) as before"):
        rule.push(9, np.ones((1, 2, 3)), 0.5)
