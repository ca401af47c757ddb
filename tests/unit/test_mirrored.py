"""The rotation axis from two phases half a turn apart."""

import numpy as np
import pytest

from xsn_acq.analysis.mirrored import mirrored_axis
from xsn_acq.errors import ReconstructionError

SHAPE = (64, 160)


def phases(axis, *, seed=0, noise=0.1, risen=0.0):
    """Phases (2, ny, nx) of six balls, some of them off the axis, and of the same half a turn on."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    images = rng.normal(0, noise, (2, *SHAPE))
    for _ in range(6):
        row, off, radius = rng.uniform(5, 59), rng.uniform(-50, 50), rng.uniform(4, 16)
        for image, side, up in zip(images, (1, -1), (0.0, risen), strict=True):
            square = radius**2 - (y - row - up) ** 2 - (x - axis - side * off) ** 2
            image -= 0.2 * np.sqrt(np.maximum(square, 0))
    return images


@pytest.mark.parametrize(("noise", "wanted"), [(0.02, 0.02), (0.1, 0.04), (0.5, 0.2)])
def test_the_axis_of_balls(noise, wanted):
    """Twenty scenes have 0.017, 0.022 and 0.18 pixels at most; 0.5 is a sixth of the phase of a ball."""
    for seed, axis in enumerate((79.5, 73.82, 85.36, 79.0)):
        found = mirrored_axis(*phases(axis, seed=seed, noise=noise))
        assert abs(found.column - axis) < wanted
        assert 0.03 <= found.sigma_px < wanted + 0.03


def test_a_sample_that_has_moved_up_by_a_few_rows_is_refused():
    assert mirrored_axis(*phases(79.5, risen=1.0)).column == pytest.approx(79.5, abs=0.05)
    with pytest.raises(ReconstructionError, match=r"rotation axis: wanted .* \+4\.9 rows apart"):
        mirrored_axis(*phases(79.5, risen=5.0))


def test_noise_has_no_axis():
    for seed in range(10):
        noise = np.random.default_rng(seed).normal(0, 1, (2, *SHAPE))
        with pytest.raises(ReconstructionError, match="wanted two images that mirror each other"):
            mirrored_axis(*noise)
