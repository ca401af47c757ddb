"""Two volumes of one sample on one grid: scale and shift that are known."""

import numpy as np
import pytest

from xsn_acq.analysis import registration
from xsn_acq.analysis.registration import Placement, match_volumes, resample_block, resample_rows
from xsn_acq.errors import ReconstructionError

VOXEL_M = 40e-9
OTHER_VOXEL_M = VOXEL_M * 8366 / 8326
SHAPE, OTHER_SHAPE = (30, 44, 44), (32, 46, 46)
SHIFT = (2.3, -3.27, 1.61)


def blobs(shape, voxel_m, shift=(0.0, 0.0, 0.0), *, seed=1, noise=0.05):
    """Gaussian blobs sampled at voxel centres: no grid of their own."""
    rng = np.random.default_rng(seed)
    axes = [(np.arange(n) - (n - 1) / 2) * voxel_m for n in shape]
    volume = np.zeros(shape)
    for _ in range(25):
        centre = rng.uniform(-0.5e-6, 0.5e-6, 3) + np.array(shift) * VOXEL_M
        width, height = rng.uniform(70e-9, 160e-9), rng.uniform(0.3, 1)
        y, z, x = (np.exp(-((a - c) ** 2) / 2 / width**2) for a, c in zip(axes, centre, strict=True))
        volume += height * y[:, None, None] * z[:, None] * x
    return volume + noise * np.random.default_rng(seed + len(shape) + shape[0]).standard_normal(shape)


@pytest.fixture(scope="module")
def pair():
    return blobs(SHAPE, VOXEL_M), blobs(OTHER_SHAPE, OTHER_VOXEL_M, SHIFT)


def test_a_shift_is_found_to_a_twentieth_of_a_voxel(pair):
    found = match_volumes(*pair, VOXEL_M, OTHER_VOXEL_M)
    # noise of 5 % of a blob; a wrong scale of 0.5 % alone would move a rim by 0.1 voxel
    np.testing.assert_allclose(found.shift_voxels, SHIFT, atol=0.05)
    assert found.scale == pytest.approx(8326 / 8366)
    assert found.correlation > 0.97


def test_large_volumes_are_matched_by_pooling_and_a_block(pair, monkeypatch):
    monkeypatch.setattr(registration, "_COARSE_VOXELS", 18)
    monkeypatch.setattr(registration, "_FINE_VOXELS", 26)
    found = match_volumes(*pair, VOXEL_M, OTHER_VOXEL_M)
    np.testing.assert_allclose(found.shift_voxels, SHIFT, atol=0.1)  # a fifth of the voxels


def test_what_pooling_leaves_out_at_the_rim_shifts_nothing(pair):
    coarse = registration.pooled(pair[0], 3)
    found = registration._coarse_match(SHAPE, pair[1], coarse, 3, VOXEL_M / OTHER_VOXEL_M)
    np.testing.assert_allclose(found.shift_voxels, SHIFT, atol=0.25)  # a twelfth of a pooled voxel


def test_the_other_volume_comes_onto_the_grid_of_the_reference():
    clean, other = blobs(SHAPE, VOXEL_M, noise=0), blobs(OTHER_SHAPE, OTHER_VOXEL_M, SHIFT, noise=0)
    placement = Placement(VOXEL_M / OTHER_VOXEL_M, SHIFT)
    rows = resample_rows(other, placement, SHAPE, slice(8, 20))
    inner = np.s_[:, 5:-5, 5:-5]
    # cubic splines on blobs of two voxels' sigma
    np.testing.assert_allclose(rows[inner], clean[8:20][inner], atol=0.01)
    whole = resample_block(other, placement, SHAPE, (slice(None),) * 3)
    # 12 rows of halo: 0.27^12 = 1.5e-7 of the spline's tail
    np.testing.assert_allclose(rows, whole[8:20], atol=1e-5)


def test_other_samples_do_not_match(pair):
    with pytest.raises(ReconstructionError, match="same sample"):
        match_volumes(pair[0], np.random.default_rng(9).standard_normal(OTHER_SHAPE), VOXEL_M, OTHER_VOXEL_M)
