import numpy as np
import pytest
from scipy.signal import windows

from xsn_acq.analysis.taper import tukey


@pytest.mark.parametrize("count", [2, 3, 48, 193])
@pytest.mark.parametrize("taper", [0.1, 0.2, 0.5, 1.0])
def test_it_is_scipys(count, taper):
    # both are in double precision: a few roundings of numbers up to 1
    np.testing.assert_allclose(tukey(count, taper), windows.tukey(count, taper), atol=1e-14)
