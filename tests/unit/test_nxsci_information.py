import numpy as np
import pytest
from speckle_frames import patterns

from xsn_acq.analysis.nxsci.information import (
    Prior,
    RunningInformation,
    effective_rank,
    smooth_prior,
    txm_prior,
)
from xsn_acq.errors import ReconstructionError

NOISE = 0.02


def outline(side):
    y, x = np.indices((side, side)) / side - 0.45
    return np.maximum(0.1 - (x**2 + 1.4 * y**2), 0) * 5


def covariance(prior):
    """The prior's matrix, pixel by pixel."""
    shape = prior.outline.shape
    y, x = (i.ravel() for i in np.indices(shape))
    apart2 = (y[:, None] - y) ** 2 + (x[:, None] - x) ** 2
    s = prior.outline.ravel()
    return s[:, None] * s * np.exp(-0.5 * apart2 / prior.correlation_pixels**2)


def by_inverse(prior, stack, noise):
    """Relative posterior RMS by the textbook's dense formula."""
    c, a = covariance(prior), stack.reshape(len(stack), -1)
    gain = c @ a.T @ np.linalg.inv(a @ c @ a.T + (noise * prior.outline.sum()) ** 2 * np.eye(len(a)))
    return np.sqrt(np.trace(c - gain @ a @ c) / np.trace(c))


@pytest.mark.parametrize("shaped", [True, False])
def test_error_left_is_that_of_the_dense_formula(shaped):
    stack = patterns(24, 24, 5)[:, :16, :20]
    prior = Prior(outline(20)[:16], 1.7) if shaped else smooth_prior((16, 20), 1.7)
    running = RunningInformation(prior, NOISE)
    assert running.value() == 1.0
    for n, pattern in enumerate(stack, 1):
        expected = running.value() - running.gain(pattern)
        running.push(pattern)
        assert running.value() == pytest.approx(expected, rel=1e-12)
        if n in (1, 9, 24):
            # the correlation's Gaussian is cut at 4 standard deviations
            assert running.value() == pytest.approx(by_inverse(prior, stack[:n], NOISE), rel=1e-6)
    running.clear()
    assert (running.value(), running.patterns) == (1.0, 0)


def test_error_left_is_what_estimates_of_drawn_maps_have():
    stack, rng = patterns(24, 24, 5)[:, :14, :14], np.random.default_rng(4)
    prior = Prior(outline(14) + 0.1, 2.0)
    running = RunningInformation(prior, NOISE)
    for pattern in stack:
        running.push(pattern)
    c, a = covariance(prior), stack.reshape(len(stack), -1)
    sigma = NOISE * prior.outline.sum()
    maps = rng.multivariate_normal(np.zeros(len(c)), c, 300, check_valid="ignore").T
    counts = a @ maps + sigma * rng.standard_normal((len(a), 300))
    # ridge in the prior's own coordinates: another way to the best linear estimate
    root = np.linalg.cholesky(c + 1e-9 * np.eye(len(c)))
    q = np.linalg.lstsq(
        np.vstack([a @ root / sigma, np.eye(len(c))]), np.vstack([counts / sigma, np.zeros((len(c), 300))])
    )[0]
    error = np.sqrt(np.mean((root @ q - maps) ** 2) / np.mean(maps**2))
    assert running.value() == pytest.approx(error, rel=0.03)  # 300 draws of some 20 free values


def test_what_is_seen_again_tells_little_and_fresh_light_more():
    stack = patterns(24, 24, 5)
    running = RunningInformation(txm_prior(np.exp(-outline(24))), NOISE)
    for pattern in stack[:10]:
        running.push(pattern)
    seen, fresh = running.gain(stack[3]), np.mean([running.gain(pattern) for pattern in stack[10:]])
    assert 0 <= seen < 0.5 * fresh
    even = running.gain(np.ones((24, 24)))
    assert even < 0.8 * fresh  # it tells the sum
    running.push(np.ones((24, 24)))
    weak = 1 + 0.1 * (stack[12] - 1)  # the paper's signed dependence does not see the contrast
    assert running.gain(weak) < 0.5 * running.gain(stack[12])


def test_room_is_made_for_many():
    rng = np.random.default_rng(5)
    prior = smooth_prior((5, 6), 0.5)
    running = RunningInformation(prior, 0.05)
    stack = rng.uniform(0, 2, (140, 5, 6))
    for pattern in stack:
        running.push(pattern)
    assert running.patterns == 140
    assert running.value() == pytest.approx(by_inverse(prior, stack, 0.05), rel=1e-6)


def test_effective_rank_counts_directions():
    rng = np.random.default_rng(6)
    directions = np.linalg.qr(rng.standard_normal((400, 400)))[0]
    six = np.concatenate([directions[:6], -directions[:6]])
    assert effective_rank(1 + six) == pytest.approx(6, rel=1e-6)
    assert effective_rank(rng.standard_normal((60, 20, 20))) > 55
    repeated = np.tile(rng.standard_normal((3, 400)), (20, 1))
    assert effective_rank(repeated) < 2.01  # three patterns less their mean
    assert effective_rank(np.ones((4, 5, 5))) == 0
    assert effective_rank(np.ones((1, 5, 5))) == 0


def test_what_does_not_fit_is_refused():
    with pytest.raises(ReconstructionError, match="wanted a relative noise above 0, found 0"):
        RunningInformation(smooth_prior((4, 4)), 0.0)
    with pytest.raises(ReconstructionError, match="wanted a sample that absorbs"):
        txm_prior(np.full((4, 4), 1.01))
    with pytest.raises(ReconstructionError, match="wanted a transmission"):
        txm_prior(np.full((4, 4), np.nan))
    with pytest.raises(ReconstructionError, match=r"wanted \(4, 4\) pixels, found \(3, 4\)"):
        RunningInformation(smooth_prior((4, 4)), 0.1).push(np.ones((3, 4)))
