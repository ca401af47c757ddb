"""What of a frame is looked at live."""

import numpy as np
import pytest

from xsn_acq.live.speckle_reduced import LEAST_ROWS, MOST_PIXELS, Reduction

PIXEL_M, RESOLUTION_M = 0.65e-6, 2.3e-6


@pytest.mark.parametrize(
    ("shape", "pooled", "small"),
    [
        ((64, 96), 1, (64, 96)),
        ((256, 256), 1, (256, 256)),
        ((512, 512), 2, (256, 256)),
        ((601, 513), 2, (256, 256)),
        ((2160, 2560), 2, (51, 1280)),
        ((2160, 4097), 2, (LEAST_ROWS, 2048)),
    ],
)
def test_large_frames_are_cut_and_pooled(shape, pooled, small):
    reduction = Reduction.of(shape, PIXEL_M, RESOLUTION_M)
    assert reduction.pooled == pooled
    image = np.random.default_rng(0).random(shape, np.float32)
    assert reduction(image).shape == small
    assert reduction(image).size <= max(MOST_PIXELS, LEAST_ROWS * shape[1])
    above, below = reduction.rows.start, shape[0] - reduction.rows.stop
    assert 0 <= below - above <= 1  # in the middle


def test_pixels_that_are_as_coarse_as_the_light_resolves_are_not_pooled():
    reduction = Reduction.of((512, 512), PIXEL_M, 1.9 * PIXEL_M)
    assert (reduction.pooled, reduction.columns) == (1, slice(0, 512))
    assert reduction(np.zeros((512, 512))).shape == (128, 512)


def test_pooled_pixels_are_means():
    reduction = Reduction(2, slice(1, 5), slice(0, 4))
    image = np.arange(30.0).reshape(6, 5)
    expected = [[8.0, 10.0], [18.0, 20.0]]  # of 5 6 10 11, and so on; the last column is left out
    np.testing.assert_array_equal(reduction(image), expected)


@pytest.mark.parametrize("shape", [(512, 512), (601, 513), (64, 96)])
def test_the_axis_is_where_a_line_on_it_comes_out(shape):
    reduction, column = Reduction.of(shape, PIXEL_M, RESOLUTION_M), shape[1] // 2 + 3
    image = np.zeros(shape, np.float32)
    image[:, column : column + 2] = 1  # its middle is half a pixel on
    row = reduction(image)[0].astype(float)
    assert np.sum(row * np.arange(row.size)) / row.sum() == pytest.approx(reduction.column(column + 0.5))
