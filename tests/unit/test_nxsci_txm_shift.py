"""A TXM image that stands off by a hidden amount is put where the patterns are."""

import numpy as np
import pytest
from nxsci_truth import scene

from xsn_acq.analysis.nxsci.guided import GuidedSolver
from xsn_acq.analysis.nxsci.problem import Sweep
from xsn_acq.analysis.nxsci.scores import psnr
from xsn_acq.analysis.nxsci.txm_shift import find_txm_shift


@pytest.mark.parametrize("shift", [(0.6, -0.35), (-2.3, 1.8)])
def test_the_shift_is_found_from_the_counts(shift):
    truth = scene(32, 100, 1e4, seed=8, shift=shift)
    found = find_txm_shift(truth.sweep, truth.guide)
    # 0.1 pixel is what the maps need
    assert (found.dy, found.dx) == pytest.approx((-shift[0], -shift[1]), abs=0.1)
    assert found.explained > 0.9
    assert found.sigma_pixels < 0.1


def test_its_error_is_as_stated():
    off, said = [], []
    for seed in range(10):
        truth = scene(24, 50, 2e3, seed=seed, shift=(0.3, 0.2))
        found = find_txm_shift(truth.sweep, truth.guide)
        off += [found.dy + 0.3, found.dx + 0.2]
        said += 2 * [found.sigma_pixels]
    # 20 values: 16 %, and the light's detail within a pixel adds to it
    assert 0.7 < np.sqrt(np.mean((np.array(off) / said) ** 2)) < 1.5


def test_maps_gain_what_the_shift_cost():
    truth = scene(32, 100, 1e4, seed=8, shift=(0.6, -0.35))
    moved = find_txm_shift(truth.sweep, truth.guide).moved(truth.guide)
    before, after = (GuidedSolver().solve(truth.sweep, guide).values for guide in (truth.guide, moved))
    gain = [psnr(a, t) - psnr(b, t) for a, b, t in zip(after, before, truth.maps, strict=True)]
    # 0.7 pixel costs 4 dB and more
    assert np.mean(gain) > 3


def test_counts_that_do_not_change_tell_nothing():
    truth = scene(16, 30, 1e4, seed=9)
    found = find_txm_shift(Sweep(truth.sweep.patterns, np.full(30, 5.0), 1.0), truth.guide)
    assert found.explained == pytest.approx(0.0, abs=1e-9)
    assert found.sigma_pixels == np.inf
