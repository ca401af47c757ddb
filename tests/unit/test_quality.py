import numpy as np
import pytest
import scipy.fft

from xsn_acq.analysis.quality import background, interior, material_values


def a_ball_in_air():
    z, y, x = np.mgrid[-20:20, -20:20, -20:20] + 0.5
    labels = (np.sqrt(x**2 + y**2 + z**2) < 12).astype(np.uint8)
    return labels


def test_a_blurred_rim_does_not_count():
    labels = a_ball_in_air()
    volume = np.where(labels == 1, 2.0, 0.0)
    volume[(labels == 1) & ~interior(labels, 1, 3)] = 1.0  # the rim, half as bright
    (value,) = material_values(volume, labels, {"ball": (1, 2.0)}, erosion=3)
    assert value.measured == 2.0
    assert value.error == 0.0
    assert value.voxels == interior(labels, 1, 3).sum() < (labels == 1).sum()
    assert material_values(volume, labels, {"ball": (1, 2.0)}, erosion=0)[0].measured < 2.0


def ramp_filtered_noise(shape, seed):
    """Noise of 1 a voxel (y, z, x), its spectrum as a filtered back-projection leaves it in each slice."""
    white = scipy.fft.fftn(np.random.default_rng(seed).standard_normal(shape))
    along_z, along_x = (scipy.fft.fftfreq(n) for n in shape[1:])
    noise = scipy.fft.ifftn(white * np.hypot(along_z[:, None], along_x)).real
    return noise / noise.std()


@pytest.mark.parametrize("seed", range(4))
def test_noise_of_a_back_projection_cancels_inside(seed):
    labels = a_ball_in_air()
    volume = np.where(labels == 1, 1.0, 0.0) + ramp_filtered_noise(labels.shape, seed)
    (value,) = material_values(volume, labels, {"ball": (1, 1.0)}, erosion=3)
    # 0.004 for the mean of these 3504 voxels (40 seeds); white noise would leave 0.017, a median 0.011
    assert value.measured == pytest.approx(1.0, abs=0.012)


def test_a_material_without_a_voxel_inside_is_left_out():
    assert material_values(np.zeros((4, 4, 4)), np.zeros((4, 4, 4), int), {"gold": (3, 1.0)}) == []


def test_the_background_is_air_away_from_sample_and_corners():
    labels = a_ball_in_air()
    rng = np.random.default_rng(5)
    volume = 0.01 + rng.normal(0, 0.1, labels.shape)
    volume[labels == 1] = 50.0
    volume[:, :3, :3] = 50.0  # a corner that the projections do not see
    found = background(volume, labels)
    assert found.median == pytest.approx(0.01, abs=0.003)  # 0.1 / sqrt(40000 voxels) is 0.0005
    assert found.voxel_sigma == pytest.approx(0.1, rel=0.05)
