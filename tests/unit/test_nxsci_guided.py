"""The default solver on a sample that is not its model: nothing is known exactly."""

import numpy as np
import pytest
from nxsci_truth import scene
from scipy import sparse
from scipy.optimize import minimize

from xsn_acq.analysis.nxsci.admm import Steps
from xsn_acq.analysis.nxsci.bound import AbsorptionBound, absorbance_per_count
from xsn_acq.analysis.nxsci.denoising import denoise
from xsn_acq.analysis.nxsci.forward import forward, whiten
from xsn_acq.analysis.nxsci.gradients import differences, directional_ratio
from xsn_acq.analysis.nxsci.guided import GuidedSolver
from xsn_acq.analysis.nxsci.normal_equations import DirectEquations, WoodburyEquations
from xsn_acq.analysis.nxsci.problem import Sweep
from xsn_acq.analysis.nxsci.scores import psnr


@pytest.fixture(scope="module")
def truth():
    return scene(32, 80, 1e4, seed=2)


@pytest.fixture(scope="module")
def maps(truth):
    return GuidedSolver().solve(truth.sweep, truth.guide)


def test_the_maps_come_out_from_a_twelfth_of_the_patterns(truth, maps):
    assert maps.values.min() >= 0
    # each element, at 80 patterns for 1024 pixels; what even light or the TXM image alone gives is below 20
    assert min(psnr(found, true) for found, true in zip(maps.values, truth.maps, strict=True)) > 23
    # chi-square per pattern: 1 less what 80 numbers let the fit take up; more where counts are many, since
    # the light's detail within a pixel is not in the patterns
    assert np.all((maps.misfit > 0.4) & (maps.misfit < 5))


def test_matter_that_absorbs_alike_is_told_apart(truth, maps):
    mean = np.array([maps.values[:, truth.labels == k].mean(axis=1) for k in range(6)])
    true = np.array([truth.maps[:, truth.labels == k].mean(axis=1) for k in range(6)])
    # particles of some 50 pixels at 1e4 counts: 0.1 of the strongest
    np.testing.assert_allclose(mean, true, atol=0.1 * true.max())


def test_no_more_than_was_absorbed(truth, maps):
    absorbance = truth.guide.absorbance()
    per_count = absorbance_per_count(truth.sweep, absorbance)
    shown = np.tensordot(per_count, maps.values, 1)
    # the bound is soft: four of the noise
    assert np.all(shown < absorbance + 4 * truth.guide.absorbance_sigma())


def test_the_absorbance_of_a_count_comes_from_the_patterns(truth):
    absorbance = truth.guide.absorbance()
    exact = forward(truth.sweep.patterns, absorbance[None] * 50)
    assert absorbance_per_count(Sweep(truth.sweep.patterns, exact, 1e-4), absorbance)[0] == pytest.approx(
        1 / 50
    )
    noise = 0.5 * exact.std()
    counts = exact + noise * np.random.default_rng(5).standard_normal(exact.shape)
    found = absorbance_per_count(Sweep(truth.sweep.patterns, counts, noise), absorbance)[0]
    # 0.5 / sqrt(80) and as much again; the noise left in would make it 1 / (1 + 0.25) too small
    assert found == pytest.approx(1 / 50, rel=0.12)


def test_one_element_alone_is_not_taken_for_all_that_absorbs(truth):
    for element in (1, 2):
        alone = Sweep(truth.sweep.patterns, truth.sweep.counts[element], truth.sweep.sigma[element])
        found = GuidedSolver().solve(alone, truth.guide)
        # three elements together come to some 27
        assert psnr(found.values[0], truth.maps[element]) > 22


def test_a_warm_start_ends_where_a_cold_one_does(truth):
    few, many = Steps(10), Steps(400, tolerance=0.0)
    end = GuidedSolver(steps=many).solve(truth.sweep, truth.guide)
    size = np.linalg.norm(end.values)
    again = GuidedSolver(steps=many).solve(
        truth.sweep, truth.guide, start=GuidedSolver(steps=few).solve(truth.sweep, truth.guide)
    )
    # both are within the method's own last steps of the minimum
    assert np.linalg.norm(again.values - end.values) < 3e-3 * size
    warm, cold = (
        GuidedSolver(steps=few).solve(truth.sweep, truth.guide, start=start) for start in (end, None)
    )
    assert np.linalg.norm(warm.values - end.values) < 0.2 * np.linalg.norm(cold.values - end.values)


def test_maps_of_fewer_patterns_are_a_good_start():
    """At many counts, patterns that come on ask for much at the start, and nothing is left over of that."""
    made = scene(32, 200, 1e5, seed=2)
    start = GuidedSolver().solve(made.sweep.subset(np.arange(190)), made.guide)
    warm, cold = (GuidedSolver().solve(made.sweep, made.guide, start=each) for each in (start, None))
    assert np.all(warm.misfit < 1.1 * cold.misfit)


def test_both_factorisations_solve_the_same_equations():
    rng = np.random.default_rng(0)
    patterns, counts = rng.uniform(0, 2, (20, 6, 7)), rng.uniform(50, 90, (2, 20))
    light = whiten(Sweep(patterns, counts, rng.uniform(7, 9, (2, 20))))
    grad = directional_ratio(rng.uniform(1, 2, (6, 7)), 0.1)
    regular = sparse.csc_array(grad.T @ grad + 0.3 * sparse.eye_array(42))
    b = rng.standard_normal((2, 42))
    matrix = light.rows(slice(None)).T @ light.rows(slice(None)) + regular.toarray()
    for kind in (DirectEquations, WoodburyEquations):
        # condition 1e4, double precision
        np.testing.assert_allclose(kind(light, regular).solve(b) @ matrix, b, atol=1e-9)


def test_even_composition_costs_nothing_whatever_the_thickness():
    thickness = np.random.default_rng(1).uniform(0.5, 2.0, (9, 8))
    ratio = directional_ratio(thickness, 0.1)
    np.testing.assert_allclose(ratio @ (3 * thickness.ravel()), 0, atol=1e-12)
    step = np.ones((9, 8))
    step[:, 4:] = 2.0  # an edge of the image frees the map's edge there, and only across
    directional = directional_ratio(step, 0.01)
    free, kept = np.zeros((2, 9, 8))
    free[:, 4:] = 1.0
    kept[4:] = 1.0
    # 1 - 0.8^2 = 0.36 is left across, of a ratio that rises by 0.5 where thickness is 1.5; along it all is
    assert np.abs(directional @ free.ravel()).max() == pytest.approx(0.36 * 0.5 * 1.5, rel=0.01)
    assert np.abs(directional @ kept.ravel()).max() > 0.9


def test_differences_end_at_the_border():
    image = np.random.default_rng(2).standard_normal((4, 5))
    found = (differences((4, 5)) @ image.ravel()).reshape(2, 4, 5)
    np.testing.assert_allclose(found[0, :-1], np.diff(image, axis=0), atol=1e-12)
    np.testing.assert_allclose(found[1, :, :-1], np.diff(image, axis=1), atol=1e-12)
    assert not found[0, -1].any()
    assert not found[1, :, -1].any()


def test_the_bound_finds_the_nearest_allowed_values():
    rng = np.random.default_rng(3)
    values, c = rng.normal(0.5, 1.0, (3, 6)), np.array([0.3, 0.0, 1.2])
    bound = AbsorptionBound(rng.uniform(0.0, 0.5, 6), np.full(6, 0.2), c)
    found = bound(values, 0.7)
    for pixel in range(6):

        def cost(v, at=pixel):
            over = max(0.0, float(c @ v) - bound.absorbance[at]) / 0.2
            return 0.35 * np.sum((v - values[:, at]) ** 2) + 0.5 * over**2

        best = minimize(cost, found[:, pixel] + 0.1, bounds=[(0, None)] * 3, tol=1e-12)
        # the search's own tolerance on a kinked cost
        np.testing.assert_allclose(found[:, pixel], best.x, atol=2e-4)


def test_denoising_keeps_edges():
    rng = np.random.default_rng(4)
    clean = np.zeros((40, 40))
    clean[10:30, 15:] = 1.0
    found = denoise(clean + 0.1 * rng.standard_normal(clean.shape), 0.1)
    error = found - clean
    # noise falls more than twofold and the step keeps nine tenths of its height
    assert error.std() < 0.05
    assert found[20, 16] - found[20, 13] > 0.85


def test_blocks_of_float32_patterns_give_the_same_maps(truth, maps, monkeypatch):
    monkeypatch.setattr("xsn_acq.analysis.nxsci.forward._HELD_BYTES", 0)
    monkeypatch.setattr("xsn_acq.analysis.nxsci.problem._BLOCK_BYTES", 8 * 1024 * 7)
    thin = Sweep(truth.sweep.patterns.astype(np.float32), truth.sweep.counts, truth.sweep.sigma)
    found = GuidedSolver().solve(thin, truth.guide)
    # float32 rounds the patterns by 6e-8, the normal equations magnify it
    np.testing.assert_allclose(found.values, maps.values, atol=1e-3 * maps.values.max())
