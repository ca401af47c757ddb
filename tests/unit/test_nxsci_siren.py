"""The paper's network: its refusal without PyTorch, and where there is one, that it learns."""

import sys

import numpy as np
import pytest
from nxsci_truth import scene

from xsn_acq.analysis.nxsci.scores import psnr
from xsn_acq.analysis.nxsci.siren import SirenSolver
from xsn_acq.errors import ReconstructionError


def test_without_pytorch_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    truth = scene(8, 10, 1e4, seed=0)
    with pytest.raises(ReconstructionError, match=r"^siren: wanted PyTorch, found none; install it"):
        SirenSolver().solve(truth.sweep, truth.guide)


def test_a_small_network_learns():
    pytest.importorskip("torch")
    truth = scene(16, 60, 1e4, seed=1)
    quality, misfit = [], []
    for iterations in (1, 300):
        small = SirenSolver(32, 2, learning_rate=1e-3, iterations=iterations, weight=0.01)
        maps = small.solve(truth.sweep, truth.guide)
        quality.append(np.mean([psnr(a, b) for a, b in zip(maps.values, truth.maps, strict=True)]))
        misfit.append(maps.misfit.mean())
    assert maps.values.shape == truth.maps.shape
    # so small a network learns little in so few steps: 1.9 dB
    assert quality[1] > quality[0] + 1
    assert misfit[1] < 0.5 * misfit[0]
