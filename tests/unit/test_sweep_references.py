"""The pattern that is taken again and again: how far it stood from where it was at first."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from xsn_acq.live.sweep_references import reference_shifts

SIDE, DARK, PHOTONS = 64, 100.0, 1000.0
PLACES = [(0, 0), (2, -1), (-3, 1)]
"""Rows and columns by which the light moved, whole pixels: a crop elsewhere in a larger picture."""


def light(seed):
    """Speckle of 3 pixels, contrast 0.6, larger than the frame."""
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(SIDE + 16, SIDE + 16)), 1.3)
    return np.maximum(1 + 0.6 * field / field.std(), 0)


def frame(seed, place, rng):
    """A sample that stands still hides a half in the middle."""
    v, u = np.indices((SIDE, SIDE)) - SIDE / 2
    sample = 1 - 0.5 * np.exp(-(u**2 + v**2) / (2 * 15.0**2))
    row, column = 8 - place[0], 8 - place[1]
    return DARK + rng.poisson(PHOTONS * sample * light(seed)[row : row + SIDE, column : column + SIDE])


@pytest.fixture
def reader():
    """Three frames of pattern 0, one of pattern 40 in between, one without light."""
    rng = np.random.default_rng(5)
    shown = [(1, PLACES[0]), (1, PLACES[1]), (2, (0, 0)), (1, PLACES[2])]
    frames = np.array([*(frame(seed, place, rng) for seed, place in shown), np.full((SIDE, SIDE), DARK)])
    return SimpleNamespace(dark=lambda: np.full((SIDE, SIDE), DARK), frames=lambda numbers: frames[numbers])


def row(number, pattern):
    return {"pattern": pattern, "frame": number, "ended": 1000.0 + number, "kind": "reference"}


def test_each_is_told_against_the_first_of_its_pattern(reader):
    rows = [row(0, 0), row(1, 0), row(2, 40), row(3, 0), row(4, 0)]
    found = reference_shifts(reader, rows)
    assert [(each.pattern, each.time_s) for each in found] == [
        (0, 1000.0), (0, 1001.0), (40, 1002.0), (0, 1003.0), (0, 1004.0)
    ]  # fmt: skip
    for each, place in zip(found, [PLACES[0], PLACES[1], (0, 0), PLACES[2]], strict=False):
        # 1000 photons a pixel: 0.01 expected, and some from the sample, which stays
        assert each.shift == pytest.approx(place, abs=0.05)
    assert found[-1].shift is None


def test_none_were_taken(reader):
    assert reference_shifts(reader, []) == []
