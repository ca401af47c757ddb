"""The strength and the solver are chosen without a look at the truth; the truth says how well."""

import numpy as np
import pytest
from nxsci_truth import scene

from xsn_acq.analysis.nxsci.admm import Steps
from xsn_acq.analysis.nxsci.guided import GuidedSolver
from xsn_acq.analysis.nxsci.scores import psnr
from xsn_acq.analysis.nxsci.total_variation import TotalVariationSolver
from xsn_acq.analysis.nxsci.weight import held_out, strength_by_held_out
from xsn_acq.errors import ReconstructionError

STEPS = Steps(40)


@pytest.fixture(scope="module")
def truth():
    return scene(24, 60, 3e3, seed=7)


def quality(solver, truth):
    maps = solver.solve(truth.sweep, truth.guide)
    return np.mean([psnr(found, true) for found, true in zip(maps.values, truth.maps, strict=True)])


def best_by_truth(kind, truth):
    return max(quality(kind(strength, STEPS), truth) for strength in np.geomspace(0.1, 20, 10))


@pytest.mark.parametrize("kind", [TotalVariationSolver, GuidedSolver])
def test_the_rule_is_near_the_best_there_is(kind, truth):
    # within 0.4 dB at 64 x 64; the fewer the pixels, the less they are alike
    assert quality(kind(steps=STEPS), truth) > best_by_truth(kind, truth) - 1


def test_patterns_held_out_tell_which_solver_is_better(truth):
    candidates = {"tv": TotalVariationSolver(steps=STEPS), "guided": GuidedSolver(steps=STEPS)}
    found = held_out(candidates, truth.sweep, truth.guide)
    assert found.best == "guided"
    assert found.excess_sigma[1] == 0
    # plainly, not by chance
    assert found.excess_sigma[0] > 3
    with pytest.raises(ReconstructionError, match="wanted 10 or more for 5 folds, found 8"):
        held_out(candidates, truth.sweep.subset(np.arange(8)), truth.guide)


def test_a_strength_far_off_is_put_right_and_a_good_one_kept(truth):
    kept, _ = strength_by_held_out(GuidedSolver(steps=STEPS), truth.sweep, truth.guide)
    assert kept.strength == GuidedSolver().strength
    weak = GuidedSolver(0.05, STEPS)
    changed, found = strength_by_held_out(weak, truth.sweep, truth.guide, factors=(10, 50))
    assert found.names == ("0.05", "0.5", "2.5")
    assert changed.strength >= 0.5
    assert quality(changed, truth) > quality(weak, truth) + 3
