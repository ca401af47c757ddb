import itertools
import math

import numpy as np
import pytest

from xsn_acq.optics.materials import optical_constants
from xsn_acq.sim.phantoms import COPPER, GLUE, SILICA, Phantom, phantom
from xsn_acq.sim.shapes import AIR, Ellipsoid, VerticalCylinder, leaning

ENERGY = 8300.0
SEEDS = (0, 1, 2)


def axis(half_um, step_um):
    return (np.arange(round(2 * half_um / step_um)) + 0.5) * step_um - half_um


def inclined_lens():
    return Phantom("lens", (Ellipsoid.oblate((0.4, -0.2, 0.3), 0.9, 0.25, (1.0, 0.5, -0.7), COPPER),))


@pytest.mark.parametrize("theta", [0.0, 37.0, 90.0, 215.0])
@pytest.mark.parametrize("sample", ["lens", "nmc_graded", "microparticles"])
def test_projection_is_the_sum_of_turned_voxels(sample, theta):
    solid = inclined_lens() if sample == "lens" else phantom(sample, 1)
    x, rows, fine = axis(3.2, 0.1), np.array([-0.55, -0.05, 0.45]), 0.02
    t, z, c, s = (
        axis(3.2, fine),
        axis(3.2, fine),
        math.cos(math.radians(theta)),
        math.sin(math.radians(theta)),
    )
    # a voxel at (t, z) of the laboratory was at this place of the unturned sample
    at = {"x_um": (t * c)[None, None] - (z * s)[None, :, None], "y_um": rows[:, None, None]}
    delta, _ = solid.index(ENERGY, **at, z_um=(t * s)[None, None] + (z * c)[None, :, None])
    depth = delta.sum(axis=1, dtype=float) * fine * 1e-6
    counted = depth.reshape(rows.size, x.size, -1).mean(axis=2)
    known = thin_rows(solid, theta, x, rows)
    # voxels of 20 nm on rims: a few per cent of the largest depth at single pixels, far less on average
    assert np.abs(counted - known).max() < 0.04 * known.max()
    assert np.abs(counted - known).mean() < 0.004 * known.max()


@pytest.mark.parametrize("sample", ["lens", "microparticles"])
def test_a_leaning_axis_turns_the_whole_sample(sample):
    solid = inclined_lens() if sample == "lens" else phantom(sample, 1)
    roll, tilt, theta = math.radians(4.0), math.radians(-6.0), math.radians(37.0)
    about_y = np.array(
        [[math.cos(theta), 0, math.sin(theta)], [0, 1, 0], [-math.sin(theta), 0, math.cos(theta)]]
    )
    lean = leaning(roll, tilt)
    assert lean @ lean.T == pytest.approx(np.eye(3), abs=1e-12)
    upwards = np.array([math.tan(roll), 1.0, math.tan(tilt) / math.cos(roll)])
    assert lean[:, 1] == pytest.approx(upwards / np.linalg.norm(upwards))
    x, rows, fine = axis(3.2, 0.1), np.array([-0.55, 0.45]), 0.02
    t, z = axis(3.2, fine), axis(3.2, fine)
    lab = np.stack(np.broadcast_arrays(t[None, None], rows[:, None, None], z[None, :, None]))
    # a voxel of the laboratory was at this place of the sample
    place = np.einsum("ij,j...->i...", (lean @ about_y).T, lab)
    depth = solid.index(ENERGY, *place)[0].sum(axis=1, dtype=float) * fine * 1e-6
    counted = depth.reshape(rows.size, x.size, -1).mean(axis=2)
    known = np.concatenate([solid.projection(ENERGY, 37.0, x, np.array([row]), lean)[0] for row in rows])
    # as above
    assert np.abs(counted - known).max() < 0.04 * known.max()
    assert np.abs(counted - known).mean() < 0.004 * known.max()


def thin_rows(solid, theta, x, rows):
    """Delta of single rows of no height, so that nothing is averaged along y."""
    return np.concatenate([solid.projection(ENERGY, theta, x, np.array([row]))[0] for row in rows])


@pytest.mark.parametrize("theta", [0.0, 51.0, 130.0])
def test_mass_is_the_same_at_every_angle(theta):
    x, y, step = axis(3.2, 0.04), axis(2.6, 0.04), 0.04e-6
    ball = Ellipsoid.sphere((0.7, 0.3, -0.9), 0.15, SILICA)
    exact = 4 / 3 * math.pi * 0.15**3 * 1e-18 * optical_constants("SiO2", 2.2, ENERGY).delta
    mass = Phantom("ball", (ball,)).projection(ENERGY, theta, x, y)[0].sum(dtype=float) * step**2
    assert mass == pytest.approx(exact, rel=2e-3)  # 16 points in each 40 nm pixel of a 300 nm ball
    lens = inclined_lens().projection(ENERGY, theta, x, y)[0].sum(dtype=float) * step**2
    volume = 4 / 3 * math.pi * 0.9 * 0.9 * 0.25e-18
    assert lens == pytest.approx(volume * optical_constants("Cu", 8.96, ENERGY).delta, rel=1e-3)


def test_a_cylinder_is_averaged_exactly():
    thread = Phantom("thread", (VerticalCylinder((0.3, 0.1), 1.0, GLUE),))
    x = axis(2.0, 0.25)
    depth, _ = thread.projection(ENERGY, 30.0, x, np.zeros(3))
    area = math.pi * 1e-12 * optical_constants("C5H8O2", 1.19, ENERGY).delta
    assert depth.sum(axis=1) * 0.25e-6 == pytest.approx(area, rel=1e-5)  # float32


def test_a_point_is_seen_at_x_cos_plus_z_sin():
    ball = Phantom("ball", (Ellipsoid.sphere((1.0, 0.0, 0.5), 0.1, COPPER),))
    x = axis(1.6, 0.02)
    for theta in (0.0, 40.0, 90.0, 250.0):
        depth = ball.projection(ENERGY, theta, x, np.array([0.0]))[0][0]
        seen = 1.0 * math.cos(math.radians(theta)) + 0.5 * math.sin(math.radians(theta))
        assert (depth * x).sum() / depth.sum() == pytest.approx(seen, abs=2e-3)  # a tenth of a pixel


@pytest.mark.parametrize("seed", SEEDS)
def test_half_a_turn_mirrors_the_projection(seed):
    for name in ("microparticles", "nmc_graded"):
        x, y = axis(3.2, 0.1), axis(2.5, 0.1)
        front = phantom(name, seed).projection(ENERGY, 12.0, x, y)[0]
        back = phantom(name, seed).projection(ENERGY, 192.0, x, y)[0]
        assert np.abs(front - back[:, ::-1]).max() < 1e-4 * front.max()  # float32


@pytest.mark.parametrize("seed", SEEDS)
def test_microparticles_do_not_touch_and_stay_in_the_glue(seed):
    thread, *balls = phantom("microparticles", seed).shapes
    spheres = [(np.array(b.centre_um), math.sqrt(b.form_um2[0][0])) for b in balls]
    for (a, ra), (b, rb) in itertools.combinations(spheres, 2):
        assert np.linalg.norm(a - b) > ra + rb
    for centre, radius in spheres:
        assert math.hypot(centre[0] - thread.centre_um[0], centre[2] - thread.centre_um[1]) + radius < 2.5
        assert abs(centre[1]) + radius < 2.5
    # air on both sides of a field 7.2 um wide
    assert thread.reach_um < 3.0


@pytest.mark.parametrize("seed", SEEDS)
def test_cracks_stay_in_the_core_and_do_not_cross(seed):
    particle = phantom("nmc_graded", seed)
    core = next(s for s in reversed(particle.shapes) if s.material is not AIR)
    cracks = [s for s in particle.shapes if s.material is AIR]
    x = axis(2.4, 0.05) + 0.2
    y, z = x[:, None, None] - 0.15, x[None, :, None] - 0.35
    inside = [crack.contains(x, y, z) for crack in cracks]
    assert np.sum(inside, axis=0).max() == 1
    assert not (np.any(inside, axis=0) & ~core.contains(x, y, z)).any()


def test_cathode_is_ni60_on_average():
    particle = phantom("nmc_graded")
    radii = [math.sqrt(s.form_um2[0][0]) for s in particle.shapes if s.material is not AIR]
    nickel = [float(s.material.formula[4:10]) for s in particle.shapes if s.material is not AIR]
    volumes = -np.diff(np.append(np.array(radii) ** 3, 0.0))
    assert np.average(nickel, weights=volumes) == pytest.approx(0.60, abs=0.02)
    assert nickel[0] == 0.9
    assert nickel[-1] == 0.5


def test_labels_tell_the_material():
    solid = phantom("microparticles", 3)
    ball = solid.shapes[-1]
    here = [np.array([v]) for v in ball.centre_um]
    label = int(solid.labels(*here)[0])
    assert solid.materials[label] is COPPER
    delta, beta = solid.index(ENERGY, *here)
    assert delta[0] == pytest.approx(optical_constants("Cu", 8.96, ENERGY).delta)
    assert beta[0] == pytest.approx(optical_constants("Cu", 8.96, ENERGY).beta)


def test_names():
    assert phantom("empty").projection(ENERGY, 0.0, axis(1, 0.1), axis(1, 0.1))[0].max() == 0
    assert phantom("microparticles", 4) == phantom("microparticles", 4)
    assert phantom("microparticles", 4) != phantom("microparticles", 5)
    with pytest.raises(ValueError, match="choose from empty, microparticles, nmc_graded, nickel_standard"):
        phantom("potato")
