"""Live is offline: maps of patterns that came one by one are those of all at once."""

import numpy as np
import pytest
from nxsci_truth import scene

from xsn_acq.analysis.nxsci.admm import Steps
from xsn_acq.analysis.nxsci.guided import GuidedSolver
from xsn_acq.analysis.nxsci.problem import Guide, Sweep
from xsn_acq.analysis.nxsci.refining import Refining
from xsn_acq.errors import ReconstructionError


@pytest.fixture(scope="module")
def truth():
    return scene(24, 100, 1e4, seed=10)


def push(stream, sweep, numbers):
    for n in numbers:
        stream.push(3.0 * sweep.patterns[n], sweep.counts[:, n], sweep.sigma[:, n])


def test_streamed_equals_batch(truth):
    solver = GuidedSolver(steps=Steps(150, tolerance=0.0))
    stream = Refining(solver, truth.guide)
    for first in range(0, 100, 25):
        push(stream, truth.sweep, range(first, first + 25))
        streamed = stream.value()
    sweep = truth.sweep
    batch = solver.solve(Sweep(sweep.patterns, sweep.counts, sweep.sigma), truth.guide)
    # both end within the method's last steps of one minimum; patterns are held as float32
    difference = np.linalg.norm(streamed.values - batch.values)
    assert difference < 5e-3 * np.linalg.norm(batch.values)
    assert stream.count == 100
    assert stream.value() is streamed


def test_order_does_not_matter_and_clear_forgets(truth):
    stream = Refining(GuidedSolver(), truth.guide)
    push(stream, truth.sweep, range(40))
    forward = stream.value().values
    stream.clear()
    assert stream.count == 0
    push(stream, truth.sweep, range(39, -1, -1))
    np.testing.assert_allclose(stream.value().values, forward, atol=1e-6 * forward.max())


def test_what_cannot_be_taken_is_named(truth):
    stream = Refining(GuidedSolver(), Guide(np.ones((4, 5)), 0.1))
    with pytest.raises(ReconstructionError, match="found none yet"):
        stream.value()
    stream.push(np.ones((4, 5)), [1.0, 2.0], 1.0)
    with pytest.raises(ReconstructionError, match=r"found \(4, 5\) and \(3,\)"):
        stream.push(np.ones((4, 5)), [1.0, 2.0, 3.0], 1.0)
    with pytest.raises(ReconstructionError, match="with light, found a mean of 0"):
        stream.push(np.zeros((4, 5)), [1.0, 2.0], 1.0)
