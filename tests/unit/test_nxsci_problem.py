"""What a solver is given is checked, in words."""

import numpy as np
import pytest

from xsn_acq.analysis.nxsci.problem import Guide, Maps, Sweep, blocks, check_fit
from xsn_acq.errors import ReconstructionError


def sweep(number=4, elements=2, shape=(3, 5)):
    return Sweep(
        np.ones((number, *shape)), np.full((elements, number), 9.0), np.full((elements, number), 3.0)
    )


def test_a_row_of_counts_is_one_element_and_one_sigma_counts_for_all():
    made = Sweep(np.ones((4, 3, 5), np.float32), np.arange(4.0), 2.0)
    assert made.counts.shape == made.sigma.shape == (1, 4)
    assert made.shape == (3, 5)
    assert Sweep(np.ones((4, 3, 5)), np.arange(4.0), np.arange(1.0, 5.0)).sigma[0, 3] == 4.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"patterns": np.ones((4, 15))}, "patterns: wanted the shape"),
        ({"counts": np.ones((2, 3))}, "counts: wanted the shape .E, 4., one for each pattern, found .2, 3."),
        ({"sigma": np.ones((2, 3))}, "sigma of the counts: wanted the shape .2, 4., found .2, 3."),
        ({"counts": np.full((2, 4), np.nan)}, "counts: wanted finite numbers, found 8 of 8"),
        ({"patterns": np.full((4, 3, 5), np.inf)}, "patterns: wanted finite numbers, found 60 of 60"),
        ({"sigma": np.zeros((2, 4))}, "above 0, found 0 at least"),
    ],
)
def test_what_is_wrong_is_named(change, words):
    good = {"patterns": np.ones((4, 3, 5)), "counts": np.ones((2, 4)), "sigma": np.ones((2, 4))}
    with pytest.raises(ReconstructionError, match=words):
        Sweep(**{**good, **change})


def test_a_subset_keeps_counts_and_patterns_together():
    patterns = np.arange(4.0)[:, None, None] * np.ones((4, 3, 5))
    whole = Sweep(patterns, np.arange(8.0).reshape(2, 4), 1.0)
    for chosen in (np.array([True, False, True, False]), np.array([0, 2])):
        part = whole.subset(chosen)
        np.testing.assert_array_equal(part.patterns[:, 0, 0], [0, 2])
        np.testing.assert_array_equal(part.counts, [[0, 2], [4, 6]])
    with pytest.raises(ReconstructionError, match="found none"):
        whole.subset(np.zeros(4, bool))


def test_the_absorbance_of_a_guide_and_its_noise():
    guide = Guide(np.array([[1.0, np.exp(-0.5), 0.0]]), 0.01)
    np.testing.assert_allclose(guide.absorbance(), [[0.0, 0.5, np.log(1e3)]], atol=1e-12)
    np.testing.assert_allclose(guide.absorbance_sigma(), [[0.01, 0.01 * np.exp(0.5), 10.0]])
    with pytest.raises(ReconstructionError, match="sigma of the transmission: wanted finite numbers above 0"):
        Guide(np.ones((2, 2)), 0.0)
    with pytest.raises(ReconstructionError, match="transmission: wanted the shape"):
        Guide(np.ones(3), 0.1)


def test_a_guide_and_a_start_must_fit_the_patterns():
    guide = Guide(np.ones((3, 5)), 0.1)
    check_fit(sweep(), guide, Maps(np.ones((2, 3, 5)), 1.0, 1, np.ones(2)))
    with pytest.raises(ReconstructionError, match="transmission: wanted the shape"):
        check_fit(sweep(), Guide(np.ones((5, 3)), 0.1))
    with pytest.raises(ReconstructionError, match="maps to start from"):
        check_fit(sweep(), guide, Maps(np.ones((3, 3, 5)), 1.0, 1, np.ones(3)))


def test_blocks_hold_every_pattern_once_and_little_at_a_time():
    patterns = np.broadcast_to(np.float32(1), (70, 1024, 1024))
    parts = blocks(patterns)
    assert [i for part in parts for i in range(*part.indices(70))] == list(range(70))
    assert max(part.stop - part.start for part in parts) * 8 * 1024**2 <= 2**26
