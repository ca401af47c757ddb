"""Profiles over shells, against values that are known."""

import numpy as np
import pytest

from xsn_acq.analysis.profile import ShellProfile, depth_below_surface, distance_from
from xsn_acq.errors import ReconstructionError

VOXEL_M = 50e-9
SHAPE = (24, 30, 32)
CENTRE = (11.0, 15.2, 15.7)


def test_slabs_add_up_to_the_whole():
    values = np.random.default_rng(1).standard_normal((2, *SHAPE))
    whole, slabs = (ShellProfile(np.array([0, 4, 8]) * VOXEL_M, quantities=2) for _ in range(2))
    whole.push(values, distance_from(SHAPE, CENTRE, VOXEL_M))
    for start in range(0, 24, 7):
        part = values[:, start : start + 7]
        slabs.push(part, distance_from(part.shape[1:], CENTRE, VOXEL_M, start_row=start))
    a, b = whole.value(), slabs.value()
    np.testing.assert_allclose(a.mean, b.mean, rtol=1e-12)
    np.testing.assert_allclose(a.covariance, b.covariance, rtol=1e-9)
    inside = distance_from(SHAPE, CENTRE, VOXEL_M) < 4 * VOXEL_M
    np.testing.assert_allclose(a.mean[:, 0], values[:, inside].mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(a.covariance[..., 0], np.cov(values[:, inside]) / inside.sum(), rtol=1e-9)


def test_the_standard_error_is_the_spread_of_means():
    distance = distance_from(SHAPE, CENTRE, VOXEL_M)
    rng, means = np.random.default_rng(2), []
    for _ in range(60):
        profile = ShellProfile([0, 4 * VOXEL_M])
        profile.push(rng.standard_normal(SHAPE), distance)
        means.append(profile.value().mean[0, 0])
    # 60 draws: 9 % each way, three of them
    assert float(profile.value().error[0, 0]) == pytest.approx(np.std(means), rel=0.28)


def test_a_margin_keeps_the_neighbours_out():
    distance = distance_from(SHAPE, CENTRE, VOXEL_M)
    edge = 6 * VOXEL_M
    step = 1 / (1 + np.exp((distance - edge) / (0.5 * VOXEL_M)))  # a border as the optics blur it
    plain, careful = (ShellProfile([0, edge, 2 * edge], margin_m=margin) for margin in (0, 2.5 * VOXEL_M))
    for profile in (plain, careful):
        profile.push(step, distance)
    assert plain.value().mean[0, 0] < 0.95
    # five widths away the border is 0.7 %
    np.testing.assert_allclose(careful.value().mean[0], [1, 0], atol=0.007)


def test_masked_and_unknown_voxels_do_not_count():
    distance = distance_from(SHAPE, CENTRE, VOXEL_M)
    values = np.ones(SHAPE)
    values[11] = np.nan
    values[12:] = 7
    profile = ShellProfile([0, 5 * VOXEL_M, 6 * VOXEL_M])
    profile.push(values, distance, np.broadcast_to(np.arange(24)[:, None, None] < 12, SHAPE))
    assert profile.value().mean[0].tolist() == [1, 1]
    profile.clear()
    assert np.isnan(profile.value().mean).all()
    assert profile.value().voxels.tolist() == [0, 0]


def test_depth_is_counted_from_the_outer_surface_and_not_from_a_crack():
    radius = distance_from(SHAPE, CENTRE, 1.0)
    inside = radius < 9
    inside[11, 14:17, 12:20] = False
    depth = depth_below_surface(inside, VOXEL_M)
    # a rough sphere of voxels: 0.8 voxel at most
    seen = radius < 11
    np.testing.assert_allclose(depth[seen] / VOXEL_M, 9 - radius[seen], atol=0.8)


def test_shells_must_rise():
    with pytest.raises(ReconstructionError, match="rising borders"):
        ShellProfile([0.0, 2.0, 1.0])
