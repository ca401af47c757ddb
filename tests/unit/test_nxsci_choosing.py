import numpy as np
import pytest
from speckle_frames import patterns

from xsn_acq.analysis.nxsci.choosing import Times, choose_patterns
from xsn_acq.analysis.nxsci.information import RunningInformation, smooth_prior
from xsn_acq.errors import ReconstructionError

NOISE = 0.02
PRIOR = smooth_prior((24, 24))


def one_by_one(stack, number):
    """The same greedy choice by asking every pattern each time."""
    running, order, left = RunningInformation(PRIOR, NOISE), [], []
    for _ in range(number):
        gains = [-1.0 if n in order else running.gain(pattern) for n, pattern in enumerate(stack)]
        order.append(int(np.argmax(gains)))
        running.push(stack[order[-1]])
        left.append(running.value())
    return order, left


def test_each_choice_is_the_one_that_tells_most():
    stack = patterns(24, 24, 5)
    found = choose_patterns(stack, PRIOR, NOISE, 12)
    order, left = one_by_one(stack, 12)
    assert found.order.tolist() == order
    assert found.relative_rms == pytest.approx(left, rel=1e-9)
    assert found.seconds.tolist() == list(range(1, 13))


def test_what_was_seen_is_chosen_last():
    twice = np.tile(patterns(24, 24, 5)[:8], (2, 1, 1))
    order = choose_patterns(twice, PRIOR, NOISE, 16).order
    assert set(order[:8] % 8) == set(range(8))


def test_a_change_is_made_when_the_group_has_no_more_to_tell():
    stack = patterns(24, 24, 5)
    group = np.arange(24) // 8
    noisy = np.concatenate([stack[:1]] * 7 + [stack[1:18]])  # seven times the same in the first group
    slow = choose_patterns(noisy, PRIOR, NOISE, 24, group=group, times=Times(1.0, 5.0, 4))
    visited = group[slow.order]
    changes = int(np.count_nonzero(np.diff(visited)))
    assert changes <= 4
    assert slow.seconds[-1] == pytest.approx(24 + 5 * changes)
    free = choose_patterns(noisy, PRIOR, NOISE, 24, group=group, times=Times(1.0, 0.0, 4))
    assert np.count_nonzero(np.diff(group[free.order])) > changes
    assert np.count_nonzero(visited[:12] == 0) <= 4  # copies can wait


def test_what_does_not_fit_is_refused():
    stack = patterns(24, 24, 5)
    with pytest.raises(ReconstructionError, match="wanted 1 to 24 patterns, found 25"):
        choose_patterns(stack, PRIOR, NOISE, 25)
    with pytest.raises(ReconstructionError, match="a group for each of 24 patterns"):
        choose_patterns(stack, PRIOR, NOISE, 2, group=[1, 2])
    with pytest.raises(ReconstructionError, match=r"wanted patterns \(N, 24, 24\)"):
        choose_patterns(stack[:, 1:], PRIOR, NOISE, 2)
    with pytest.raises(ReconstructionError, match="relative noise above 0"):
        choose_patterns(stack, PRIOR, 0.0, 2)
