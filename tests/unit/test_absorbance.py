"""Absorbance of transmissions, good and bad."""

import numpy as np
import pytest

from xsn_acq.analysis.absorbance import absorbance
from xsn_acq.errors import ReconstructionError


def test_absorbance_is_the_logarithm_and_dark_pixels_have_a_floor():
    found = absorbance([[1.0, np.exp(-0.37)], [0.0, -2.0]], floor=0.01)
    # float32
    np.testing.assert_allclose(found, [[0, 0.37], [-np.log(0.01)] * 2], rtol=1e-6, atol=1e-7)
    assert np.isnan(absorbance([np.nan])).all()


def test_a_floor_must_be_above_zero():
    with pytest.raises(ReconstructionError, match="floor above 0"):
        absorbance([1.0], floor=0.0)
