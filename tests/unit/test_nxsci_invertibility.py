import numpy as np
import pytest

from xsn_acq.analysis.nxsci.invertibility import invertibility


def test_invertibility_rises_with_the_patterns_to_one():
    stack = np.random.default_rng(1).uniform(0, 2, (150, 12, 12))
    picture = np.zeros((12, 12))
    picture[4:9, 3:8] = 1.0

    def pseudo_inverse(light, counts):
        return (np.linalg.pinv(light.reshape(len(light), -1)) @ counts).reshape(light.shape[1:])

    found = [invertibility(stack[:n], picture, pseudo_inverse) for n in (20, 80, 150)]
    assert found[0] < found[1] < found[2]
    assert found[2] == pytest.approx(1.0)
