"""Shifts of many pairs; the truth is drawn here."""

import numpy as np
import pytest

from xsn_acq.analysis.alignment import PairShift
from xsn_acq.analysis.pair_shifts import settled
from xsn_acq.errors import ReconstructionError

N = 120
DRIFT = 1.5 * np.sin(3 * np.linspace(0, 1, N)) - 0.4


def scan(jitter, noise=0.1, seed=0):
    """True dx, and the shifts as measured."""
    rng = np.random.default_rng(seed)
    truth = DRIFT + rng.normal(0, jitter, N)
    return truth, [PairShift(0.2, float(t + rng.normal(0, noise)), 0.05, noise) for t in truth]


def rms(shifts, truth):
    return float(np.std([s.dx for s in shifts] - truth))


def test_without_jitter_the_noise_of_single_pairs_goes():
    truth, shifts = scan(jitter=0.0)
    better = settled(shifts)
    assert rms(better, truth) < 0.05  # 0.1 as measured
    assert rms(better, truth) < 2 * np.median([s.sigma_x for s in better])
    assert [s.dy for s in better] == pytest.approx([0.2] * N, abs=1e-6)


@pytest.mark.parametrize(("jitter", "most"), [(0.1, 0.085), (0.5, 0.105)])
def test_with_jitter_each_pair_counts(jitter, most):
    """The best that can be had is jitter noise / hypot(jitter, noise): 0.071 and 0.098."""
    truth, shifts = scan(jitter)
    better = settled(shifts)
    assert rms(better, truth) < most
    assert np.median([s.sigma_x for s in better]) == pytest.approx(rms(better, truth), rel=0.35)


def test_a_pair_that_was_not_measured_gets_the_path():
    truth, shifts = scan(jitter=0.0)
    shifts[40] = PairShift(7.0, 55.0, np.inf, np.inf)
    better = settled(shifts)
    assert better[40].dx == pytest.approx(truth[40], abs=0.1)
    assert better[40].dy == pytest.approx(0.2, abs=1e-3)
    assert np.isfinite(better[40].sigma_x)


def test_one_wrong_pair_does_not_bend_its_neighbours():
    truth, shifts = scan(jitter=0.0)
    shifts[60] = PairShift(0.2, 30.0, 0.05, 0.1)
    better = settled(shifts)
    assert np.abs([s.dx for s in better] - truth).max() < 0.2  # two sigma of one pair


def test_with_jitter_a_wrong_pair_gets_the_path_too():
    truth, shifts = scan(jitter=0.1)
    shifts[60] = PairShift(0.2, 30.0, 0.05, 0.1)
    assert settled(shifts)[60].dx == pytest.approx(truth[60], abs=0.5)  # five times the jitter


def test_an_error_of_nothing_is_not_believed():
    _, shifts = scan(jitter=0.0)
    shifts[5] = PairShift(0.2, 0.0, 0.0, 0.0)
    assert np.isfinite([s.dx for s in settled(shifts)]).all()


def test_too_few_are_refused():
    with pytest.raises(ReconstructionError, match="8 or more measured"):
        settled([PairShift(0.0, 0.0, 1.0, 1.0)] * 7)
