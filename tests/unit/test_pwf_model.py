"""Image model, gradient, minimiser; truth from the simulator's finer grid, differences and closed forms."""

import numpy as np
import pytest
from speckle_scenes import PHOTONS, optics, scene

from xsn_acq.analysis.pwf.fitting import fit
from xsn_acq.analysis.pwf.forward import ImageModel
from xsn_acq.analysis.pwf.grid import Grid, guard_pixels
from xsn_acq.analysis.pwf.lbfgs import minimise
from xsn_acq.analysis.pwf.objective import Assumption, Objective
from xsn_acq.analysis.pwf.preconditioner import Preconditioner
from xsn_acq.errors import ReconstructionError

SHAPE = (20, 24)


def setting(single, sharp=0.2):
    """An objective of two diffusers with dead pixels, data and a place, all drawn."""
    rng = np.random.default_rng(4)
    model = ImageModel(optics(SHAPE), double=True)
    padded = model.grid.padded
    diffusers = tuple(np.exp(0.2 * rng.normal(size=padded) + 1j * rng.normal(size=padded)) for _ in range(2))
    images = rng.uniform(0.4, 1.6, (2, *SHAPE))
    images[0, 3, 4] = np.nan
    weights = rng.uniform(1e2, 1e3, images.shape) * (rng.random(images.shape) < 0.9)
    objective = Objective(model, diffusers, Assumption(0.01, single), 3.0, sharp=sharp)
    x = 0.3 * rng.normal(size=(1 if single else 2, *padded))
    return objective, model.data(images, weights), x, rng


@pytest.mark.parametrize("single", [True, False])
def test_the_gradient_is_that_of_finite_differences(single):
    objective, data, x, rng = setting(single)
    _, gradient = objective.value(x, data)
    for _ in range(3):
        way, h = rng.normal(size=x.shape), 1e-4
        one, two = (
            [objective.value(x + sign * step * h * way, data)[0] for sign in (1, -1)] for step in (1, 2)
        )
        measured = (8 * (one[0] - one[1]) - (two[0] - two[1])) / (12 * h)
        # fourth order in h = 1e-4 leaves 1e-9 of truncation, cancellation as much
        assert np.sum(gradient * way) == pytest.approx(measured, rel=1e-6)


def test_the_curvature_is_that_of_the_residuals():
    objective, data, x, rng = setting(single=False)
    model, way, h = objective.model, rng.normal(size=x.shape), 1e-5

    def residuals(step):
        images = model.images(objective.wave(x + step * way), objective.diffusers)
        return np.array([np.sqrt(w * i) for w, i in zip(data.weight, images, strict=True)])

    change = way[0] * objective.assumption.directions[0] + way[1] * objective.assumption.directions[1]
    found = objective.along(model.curvature(objective.wave(x), objective.diffusers, data, change))
    wanted = np.sum(((residuals(h) - residuals(-h)) / (2 * h)) ** 2)
    assert np.sum(found * way) == pytest.approx(wanted, rel=1e-6)  # second order in h, and cancellation


def test_single_precision_gives_the_same_images_and_gradient():
    objective, data, x, _ = setting(single=True)
    single = ImageModel(objective.model.optics)
    coarse = Objective(
        single, tuple(single.array(t) for t in objective.diffusers), Assumption(0.01, True), 3.0
    )
    rounded = type(data)(*(tuple(single.array(each) for each in group) for group in (data.root, data.weight)))
    value, gradient = objective.value(x, data)
    found, slope = coarse.value(single.array(x), rounded)
    assert slope.dtype == np.float32
    assert found == pytest.approx(value, rel=1e-5)
    assert np.abs(slope - gradient).max() < 1e-4 * np.abs(gradient).max()  # 1e3 roundings of 1e-7


def test_the_model_of_the_true_wave_is_the_simulators_image():
    # a grid three times coarser, cut out of the beam, no diffuser: rims of balls is what it cannot show
    one = scene("beads", (96, 96), 0)
    model = ImageModel(one.optics, double=True)
    alpha, phi = (model.grid.extend(part) for part in (one.alpha_everywhere, one.phi_everywhere))
    empty = (np.ones(model.grid.padded, complex),)
    modelled = model.images(np.exp(alpha + 1j * phi), empty)[0][model.grid.window]
    assert np.sqrt(np.mean((modelled - one.without_diffuser) ** 2)) < 0.02
    contrast = one.without_diffuser.std()
    assert np.std(modelled - one.without_diffuser) < 0.25 * contrast


def test_a_grid_has_its_image_in_the_middle():
    grid = Grid((10, 13), 4, 1e-6)
    ny, nx = grid.padded
    assert ny >= 18
    assert nx >= 21
    image = np.arange(130.0).reshape(10, 13)
    for field in (grid.embed(image, -1.0), grid.extend(image)):
        assert field.shape == (ny, nx)
        np.testing.assert_array_equal(field[grid.window], image)
    assert (grid.embed(image, -1.0) == -1).sum() == ny * nx - 130
    assert guard_pixels(0.65e-6, 1.24e-10, 23e-3, 4.31e-6) == 15


def test_lbfgs_finds_the_minimum_of_a_stiff_bowl():
    rng = np.random.default_rng(3)
    stiff, wanted = 10 ** rng.uniform(0, 5, 40), rng.normal(size=40)

    def value(x):
        return 0.5 * float(np.sum(stiff * (x - wanted) ** 2)), stiff * (x - wanted)

    def run(most):
        precondition = rough.__mul__
        return minimise(
            value, np.zeros(40), precondition, np.dot, lambda a: np.abs(a).max(), enough=1e-9, most=most
        )

    rough = 1 / (stiff * rng.uniform(0.5, 2, 40))  # a Hessian known within a factor of two
    found = run(60)
    assert found.converged
    assert found.gradients < 40
    assert found.values[-1] < 1e-8  # of the order of the decrease asked for
    short = run(5)
    assert not short.converged
    assert short.gradients == 5


def test_images_of_another_shape_are_refused():
    model = ImageModel(optics(SHAPE))
    with pytest.raises(
        ReconstructionError, match=r"wanted images and weights \(K, 20, 24\), found \(20, 24\)"
    ):
        model.data(np.ones(SHAPE), np.full(SHAPE, PHOTONS))


def test_another_array_library_gives_the_same():
    strict = pytest.importorskip("array_api_strict")
    objective, data, x, _ = setting(single=False)
    model = ImageModel(optics(SHAPE), double=True, xp=strict)
    diffusers = tuple(model.array(t) for t in objective.diffusers)
    other = Objective(model, diffusers, objective.assumption, objective.mu)
    moved = type(data)(*(tuple(model.array(each) for each in group) for group in (data.root, data.weight)))
    value, gradient = objective.value(x, data)
    found, slope = other.value(model.array(x), moved)
    assert found == pytest.approx(value, rel=1e-10)
    np.testing.assert_allclose(model.fourier.numpy(slope), gradient, atol=1e-9 * np.abs(gradient).max())
    precondition = Preconditioner(other, moved, other.wave(model.array(x)))
    end = fit(other, moved, model.array(x), precondition, enough=1e-3, most=3)
    assert end.values[-1] < end.values[0]
