"""Regions and particles: which pixels go to which sum."""

import numpy as np

from xsn_acq.analysis.nxsci.particles import Particles
from xsn_acq.live.sweep_maps import _labels


def two_particles():
    labels = np.zeros((8, 12), np.int32)
    labels[1:5, 1:5], labels[2:6, 7:11] = 1, 2
    return Particles(labels, np.array([[2.5, 2.5], [3.5, 8.5]]), np.array([16, 16]))


def test_without_regions_there_are_the_particles():
    labels, names = _labels(two_particles(), {})
    np.testing.assert_array_equal(labels, two_particles().labels)
    assert names == {0: "particle 1", 1: "particle 2"}


def test_a_region_takes_what_of_particles_lies_in_it():
    """Column 3, row 1, 6 columns, 3 rows: it cuts both, and what is empty in it stays empty."""
    labels, names = _labels(two_particles(), {"bridge": (3, 1, 6, 3)})
    assert names == {0: "particle 1", 1: "particle 2", 2: "bridge"}
    wanted = two_particles().labels
    wanted[1:4, 3:5] = wanted[2:4, 7:9] = 3
    np.testing.assert_array_equal(labels, wanted)


def test_a_particle_in_a_region_has_no_sum_of_its_own():
    labels, names = _labels(two_particles(), {"left": (0, 0, 6, 8)})
    assert names == {1: "particle 2", 2: "left"}
    assert np.count_nonzero(labels == 3) == 16


def test_an_empty_region_has_none():
    _, names = _labels(two_particles(), {"nothing": (0, 6, 12, 2)})
    assert names == {0: "particle 1", 1: "particle 2"}


def test_particles_are_left_as_they_are():
    particles = two_particles()
    _labels(particles, {"left": (0, 0, 6, 8)})
    np.testing.assert_array_equal(particles.labels, two_particles().labels)
