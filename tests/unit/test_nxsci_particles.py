"""Particles are where there is matter, each once."""

import numpy as np
import pytest

from xsn_acq.analysis.nxsci.particles import find_particles
from xsn_acq.analysis.nxsci.problem import Guide

NOISE = 0.01
DISCS = ((8.0, 9.0, 4.0), (22.0, 8.0, 5.0), (16.0, 24.0, 3.0))
"""Row, column, radius."""


def discs(extra=()):
    """Absorbance of discs 0.4 thick with rims of a pixel, and labels from 1."""
    y, x = np.indices((32, 32))
    thickness, labels = np.zeros((32, 32)), np.zeros((32, 32), int)
    for number, (row, column, radius) in enumerate((*DISCS, *extra), 1):
        distance = np.hypot(y - row, x - column)
        thickness += 0.4 * np.clip(radius + 0.5 - distance, 0, 1)
        labels[distance <= radius] = number
    return thickness, labels


def found(thickness, seed=1):
    image = np.exp(-thickness) + np.random.default_rng(seed).normal(0, NOISE, thickness.shape)
    return find_particles(Guide(image, np.full(image.shape, NOISE)))


def test_each_particle_is_found_where_it_is():
    thickness, labels = discs()
    particles = found(thickness)
    assert len(particles.pixels) == 3
    nearest = [int(np.argmin(np.hypot(*(particles.centres - np.array(disc[:2])).T))) for disc in DISCS]
    assert sorted(nearest) == [0, 1, 2]
    for number, (row, column, _) in enumerate(DISCS):
        # hundreds of pixels of 40 times the noise: far below a pixel
        assert particles.centres[nearest[number]] == pytest.approx((row, column), abs=0.2)
        mask = particles.masks[nearest[number]]
        rim = 2 * np.pi * DISCS[number][2]
        assert np.count_nonzero(mask ^ (labels == number + 1)) < 1.2 * rim  # a rim's pixels may go either way


def test_masks_are_apart_and_counted():
    particles = found(discs()[0])
    assert particles.masks.sum(axis=0).max() == 1
    np.testing.assert_array_equal(particles.masks.sum(axis=(1, 2)), particles.pixels)


def test_two_that_touch_are_one():
    assert len(found(discs([(8.0, 17.0, 4.0)])[0]).pixels) == 3


def test_specks_and_noise_are_no_particles():
    thickness, _ = discs()
    thickness[28, 28] = 0.4  # one pixel
    assert len(found(thickness).pixels) == 3
    empty = found(np.zeros((32, 32)))
    assert (len(empty.pixels), empty.masks.shape, empty.centres.shape) == (0, (0, 32, 32), (0, 2))
