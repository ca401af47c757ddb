"""Where the speckle of a projection stands, by the projection itself."""

import numpy as np
import pytest
from speckle_scenes import ONE_MATERIAL, scene

from xsn_acq.analysis.shift import shift_image
from xsn_acq.live.speckle_standing import standing


@pytest.mark.parametrize("kind", ONE_MATERIAL)
def test_a_sample_does_not_pass_for_a_drift(kind):
    one = scene(kind)
    assert standing(one.references[0], one.projections[0]) == (0.0, 0.0)


def test_speckle_that_moved_is_followed_behind_a_sample():
    one = scene("powder")
    before = shift_image(one.references[0], -2.5, 1.25)
    # the sample itself is worth 0.07 pixels
    assert standing(before, one.projections[0]) == pytest.approx((2.5, -1.25), abs=0.1)


def test_other_speckle_is_not_followed():
    one = scene("powder")
    other = np.random.default_rng(1).random(one.references[0].shape)
    assert standing(other, one.projections[0]) == (0.0, 0.0)


def test_frames_too_small_to_tell_are_left_as_they_are():
    small = np.random.default_rng(1).random((16, 24))
    assert standing(small, np.roll(small, 3, axis=1)) == (0.0, 0.0)
