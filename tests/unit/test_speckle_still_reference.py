"""Where the reference speckle of one position stood: told when it moved, unknown where it moved in."""

import numpy as np
import pytest
from scipy import ndimage

from xsn_acq.live.speckle_drift import still_reference
from xsn_acq.live.speckle_frames import Reference

SHAPE = (64, 96)
MARGIN = 12
WIDE = 1 + 0.2 * ndimage.gaussian_filter(
    np.random.default_rng(3).standard_normal([n + 2 * MARGIN for n in SHAPE]), 2.0
) * 7  # fmt: skip
"""Smooth noise with a contrast of about 20 %, wider than what is seen of it."""


def seen(dy, dx, time_s):
    """The window, the speckle moved by whole pixels."""
    rows, columns = slice(MARGIN - dy, MARGIN - dy + SHAPE[0]), slice(MARGIN - dx, MARGIN - dx + SHAPE[1])
    return Reference(WIDE[rows, columns].astype(np.float32), 20, time_s)


def test_a_drift_is_told_and_half_of_it_taken_in_the_middle():
    first, last = seen(0, 0, 0.0), seen(-2, 4, 10.0)
    still = still_reference((first, last))
    assert still.shift_at(5.0) == pytest.approx((-1.0, 2.0), abs=0.05)  # smooth speckle without noise
    assert "the speckle moved by 4.0 pixels" in still.said
    assert still.frames == 40


def test_speckle_that_moved_in_is_not_known():
    still = still_reference((seen(0, 0, 0.0), seen(-2, 4, 10.0)))
    image = still.at(10.0)
    unknown = np.isnan(image)
    assert unknown[:, :4].all()
    assert unknown[-2:].all()
    assert not unknown[:-2, 4:].any()
    inside = (slice(8, -8), slice(12, -8))  # beyond what the mean of both leaves at its ragged border
    np.testing.assert_allclose(image[inside], seen(-2, 4, 10.0).image[inside], atol=0.02)


def test_a_diffuser_that_stands_still_is_not_told():
    still = still_reference((seen(0, 0, 0.0), seen(0, 0, 10.0)))
    assert still.said == ""
    assert not np.isnan(still.at(5.0)).any()
