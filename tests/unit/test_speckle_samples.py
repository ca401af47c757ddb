import math

import numpy as np
import pytest
from pixel_axes import axis

from xsn_acq.optics.materials import optical_constants
from xsn_acq.sim.sample import Phantom
from xsn_acq.sim.shapes import AIR, Ellipsoid, VerticalCylinder
from xsn_acq.sim.speckle_samples import GLASS, SAMPLES, SEED, speckle_sample, true_slice

ENERGY_EV = 10_000.0


@pytest.mark.parametrize("name", ["few_spheres", "toothpick", "cumin"])
def test_a_projection_is_the_sum_of_the_slice(name):
    sample = speckle_sample(f"{name} scale=0.2", 3)
    n, voxel = 200, 0.7
    x, height = axis(n, voxel), 1.7
    for got, integral in zip(
        true_slice(sample, ENERGY_EV, x, height, 2),
        sample.projection(ENERGY_EV, 0.0, x, height + axis(3, voxel)),
        strict=True,
    ):
        counted = got.astype(float).sum(axis=0) * voxel * 1e-6
        # half a voxel on each rim of a void or a ball of some micrometres
        assert np.abs(counted - integral[1]).mean() < 0.02 * integral[1].max()
        assert counted.sum() == pytest.approx(integral[1].sum(dtype=float), rel=0.01)


def test_a_ball_is_as_thick_as_its_chord():
    ball = speckle_sample("few_spheres", 1).shapes[0]
    assert isinstance(ball, Ellipsoid)
    radius = math.sqrt(ball.form_um2[0][0])
    assert radius == pytest.approx(32.0)
    sample = Phantom("ball", (ball,))
    near = np.array([-0.01, 0.0, 0.01])
    across, up = ball.centre_um[0] + 0.97 * radius + near, ball.centre_um[1] + near
    delta, beta = sample.projection(ENERGY_EV, 0.0, across, up)
    chord_m = 2e-6 * radius * math.sqrt(1 - 0.97**2)
    glass = optical_constants(GLASS.formula, GLASS.density_g_cm3, ENERGY_EV)
    assert delta[1, 1] == pytest.approx(glass.delta * chord_m, rel=1e-3)
    assert beta[1, 1] / delta[1, 1] == pytest.approx(glass.beta / glass.delta, rel=1e-4)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_samples_fit_the_field_and_keep_apart(seed):
    few, many = speckle_sample("few_spheres", seed), speckle_sample("glass_spheres", seed)
    # 256 pixels of 650 nm; the sensor of 2560 x 2160
    assert max(few.reach_um, *map(abs, few.span_y_um)) < 80
    assert many.reach_um < 832
    assert max(map(abs, many.span_y_um)) < 702
    for sample in (few, many):
        assert {s.material.name for s in sample.shapes} == {GLASS.name, AIR.name}
        balls = [s for s in sample.shapes if s.material == GLASS]
        for number, one in enumerate(balls):
            for other in balls[:number]:
                apart = math.dist(one.centre_um, other.centre_um)
                assert apart > math.sqrt(one.form_um2[0][0]) + math.sqrt(other.form_um2[0][0])
        assert max(2 * math.sqrt(ball.form_um2[0][0]) for ball in balls) <= 106.0
        voids = [s for s in sample.shapes if s.material == AIR]
        assert len(voids) >= 2
        assert all(s.host == GLASS for s in voids)


def test_wood_and_glass_are_a_mixture_and_the_seed_is_none():
    wood = speckle_sample("toothpick", 0)
    ratios = {
        round(optical_constants(m.formula, m.density_g_cm3, ENERGY_EV).beta * 1e9)
        / round(optical_constants(m.formula, m.density_g_cm3, ENERGY_EV).delta * 1e9)
        for m in wood.materials
        if m != AIR
    }
    assert max(ratios) > 5 * min(ratios)
    assert {m.name for m in speckle_sample("cumin", 0).materials} == {AIR.name, SEED.name}
    assert any(isinstance(s, VerticalCylinder) for s in wood.shapes)


def test_scale_and_seed():
    whole, half = speckle_sample("few_spheres", 4), speckle_sample("few_spheres scale=0.5", 4)
    assert half.reach_um == pytest.approx(0.5 * whole.reach_um)
    x = axis(60, 2.0)
    thick, thin = (s.projection(ENERGY_EV, 20.0, f * x, f * x)[0] for s, f in ((whole, 1.0), (half, 0.5)))
    assert thin == pytest.approx(0.5 * thick, rel=1e-3, abs=1e-14)
    assert speckle_sample("few_spheres", 4).shapes == whole.shapes != speckle_sample("few_spheres", 5).shapes
    assert not speckle_sample("empty").shapes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("beads", "choose from glass_spheres"),
        ("", "choose from glass_spheres"),
        ("cumin 2", "scale= a number above 0"),
        ("cumin scale=-1", "scale= a number above 0"),
        ("cumin scale=a", "scale= a number above 0"),
        ("cumin scale=1 scale=2", "scale= a number above 0"),
    ],
)
def test_other_words_are_refused(text, said):
    with pytest.raises(ValueError, match=said):
        speckle_sample(text)
    assert "empty" in SAMPLES
