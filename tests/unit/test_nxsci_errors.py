"""Errors of pixels and of sums are as large as they say: pulls against truths of many samples."""

import numpy as np
import pytest
from nxsci_truth import scene

from xsn_acq.analysis.nxsci.bound import absorbance_per_count
from xsn_acq.analysis.nxsci.error_map import error_map
from xsn_acq.analysis.nxsci.guided import GuidedSolver
from xsn_acq.analysis.nxsci.problem import Guide, Sweep
from xsn_acq.analysis.nxsci.region_sums import region_sums
from xsn_acq.errors import ReconstructionError


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


@pytest.mark.parametrize(("number", "counts", "size"), [(80, 1e3, 0.93), (200, 1e4, 0.52)])
def test_the_error_map_is_as_large_as_the_docs_say_and_says_where(number, counts, size):
    """Maps of a strong prior err by their prior: errors are not pulls of 1, but known factors of it."""
    pulls, follows = [], []
    for seed in (1, 2):
        truth = scene(32, number, counts, seed=seed)
        maps = GuidedSolver().solve(truth.sweep, truth.guide)
        sigma = error_map(truth.sweep, truth.guide, maps, draws=24)
        error = maps.values - truth.maps
        pulls.append(error / maps.with_sigma(sigma).sigma)
        inside = truth.labels >= 0
        follows.append(np.corrcoef(np.abs(error[:, inside]).ravel(), sigma[:, inside].ravel())[0, 1])
    # seeds scatter by a fifth; 24 draws know an error to 15 %
    assert rms(pulls) == pytest.approx(size, rel=0.25)
    assert np.mean(follows) > 0.3


def with_another(truth, counts):
    """A fourth element beside the three."""
    sweep, sigma = truth.sweep, np.sqrt(np.maximum(counts, 1.0))
    return Sweep(sweep.patterns, np.vstack([sweep.counts, counts]), np.vstack([sweep.sigma, sigma]))


@pytest.mark.parametrize("there", ["nowhere", "in a corner", "nothing absorbs"])
def test_errors_of_an_element_that_nothing_bounds(there):
    """No count of it, or none that goes as the absorbance does: its absorbance per count is 0."""
    truth = scene(20, 60, 1e3, seed=1)
    guide, true = truth.guide, np.zeros((20, 20))
    if there == "nothing absorbs":
        noise = np.random.default_rng(1).normal(0, 0.01, (20, 20))
        guide = Guide(1 + noise, np.array(0.01))
    if there == "in a corner":
        true[:3, :3] = 5.0
    counts = np.random.default_rng(2).poisson(np.tensordot(truth.sweep.patterns, true, 2)).astype(float)
    sweep = with_another(truth, counts)
    assert absorbance_per_count(sweep, guide.absorbance())[3] == 0
    maps = GuidedSolver().solve(sweep, guide)
    sigma = error_map(sweep, guide, maps, draws=24)
    assert np.all(np.isfinite(sigma) & (sigma > 0))
    # maps of a strong prior err by their prior: it is the size that counts
    assert rms(maps.values[3] - true) < 3 * rms(sigma[3])


def test_an_element_that_is_not_there_leaves_the_bound_of_the_others():
    """What absorbs is told by the others; noise of one element must not count for all."""
    truth = scene(48, 205, 1e3, seed=21)
    noise = np.maximum(np.random.default_rng(21).normal(0, 5, 205), 0)
    for sweep in (truth.sweep, with_another(truth, noise)):
        found = absorbance_per_count(sweep, truth.guide.absorbance())[:3]
        explained = np.tensordot(found, truth.maps, 1).sum() / truth.guide.absorbance().sum()
        assert explained == pytest.approx(0.97, abs=0.03)  # the rest is lattice, and blur's rims


def test_sums_of_regions_are_within_their_errors():
    pulls, fragments = [], []
    for seed in range(5):
        truth = scene(40, 120, 1e4, seed=seed)
        found = region_sums(truth.sweep, truth.guide, truth.labels)
        true = np.array([truth.maps[:, found.regions == k].sum(axis=1) for k in found.labels]).T
        pulls.append((found.sums - true) / found.sigma)
        total, sigma = found.total(found.labels)
        assert np.all(np.abs(total - true.sum(axis=1)) < 5 * sigma)
        fragments.append(found.sums[1, -1] / true[1, -1])
    pulls = np.concatenate([each.ravel() for each in pulls])
    # 150 values: 6 %; the light's detail within a pixel adds to it
    assert 0.7 < rms(pulls) < 1.5
    # what blur takes from a region's light makes sums some 1 % small, half of their error
    assert abs(pulls.mean()) < 0.8
    # a fragment of a dozen pixels on a particle without its element
    assert np.mean(fragments) == pytest.approx(1.0, abs=0.3)


def test_a_fragment_is_whole_in_the_sum_where_the_image_hides_it():
    shown, summed, sigma = [], [], []
    for seed in range(3):
        truth = scene(40, 120, 1e3, seed=seed)
        maps = GuidedSolver().solve(truth.sweep, truth.guide)
        found = region_sums(truth.sweep, truth.guide, truth.labels)
        area = found.regions == found.labels[-1]
        true = truth.maps[1, area].sum()
        shown.append(maps.values[1, area].sum() / true)
        summed.append(found.sums[1, -1] / true)
        sigma.append(found.sigma[1, -1] / true)
    assert np.mean(shown) < 0.75
    assert abs(np.mean(summed) - 1) < 2 * np.mean(sigma) / 3**0.5  # two standard errors of three samples


def test_what_regions_cannot_be_summed():
    truth = scene(16, 20, 1e4, seed=0)
    labels = np.full((16, 16), -1)
    with pytest.raises(ReconstructionError, match="found 0; join"):
        region_sums(truth.sweep, truth.guide, labels)
    with pytest.raises(ReconstructionError, match="1 to 19 regions for 20 patterns, found 256"):
        region_sums(truth.sweep, truth.guide, np.arange(256).reshape(16, 16))
    with pytest.raises(ReconstructionError, match="labels of shape"):
        region_sums(truth.sweep, truth.guide, labels[:3])
