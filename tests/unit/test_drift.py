"""Displacements of projections; the truth is where the balls were drawn."""

from functools import cache

import numpy as np
import pytest
from image_pairs import PIXEL_M, WAVE_NUMBER, ball_shadows

from xsn_acq.analysis.drift import drift
from xsn_acq.errors import ReconstructionError

N = 45
THETA = np.arange(N) * 4.0
TIME = np.linspace(0, 1, N)
SLOW_X, SLOW_Y = 2.5 * np.sin(5 * TIME), 2.0 * TIME**2
JITTER = np.random.default_rng(9).normal(0, 0.5, (2, N))


@cache
def phases(noise_rad=0.006, reach_um=0.9, shape=(72, 96)):
    """Projections of twelve balls, displaced by drift and jitter."""
    rng = np.random.default_rng(2)
    x, y, z = rng.uniform((-reach_um, -1.0, -reach_um), (reach_um, 1.0, reach_um), (12, 3)).T
    rows, columns = (PIXEL_M * 1e6 * (np.arange(n) - 0.5 * (n - 1)) for n in shape)
    stack = np.empty((N, *shape), np.float32)
    for i, theta in enumerate(np.deg2rad(THETA)):
        shift_x, shift_y = PIXEL_M * 1e6 * (np.array([SLOW_X[i], SLOW_Y[i]]) + JITTER[:, i])
        centres = np.stack([x * np.cos(theta) + z * np.sin(theta), y], axis=1)
        stack[i] = -WAVE_NUMBER * 1e-5 * ball_shadows(columns - shift_x, rows - shift_y, 0.25, centres)
    return stack + rng.normal(0, noise_rad, stack.shape).astype(np.float32)


def beyond_the_circle(values):
    """What is left of a displacement when the volume may be moved as a whole."""
    theta = np.deg2rad(THETA)
    circle = np.stack([np.cos(theta), np.sin(theta)], axis=1)
    return values - circle @ np.linalg.lstsq(circle, values, rcond=None)[0]


def measured(stack):
    return drift(stack, THETA, pixel_size_m=PIXEL_M, air_columns=4)


@cache
def once():
    return measured(phases())


def test_each_projection_is_put_in_its_place():
    found = once()
    error_x = beyond_the_circle(found.dx - SLOW_X - JITTER[0])
    error_y = found.dy - SLOW_Y - JITTER[1]
    error_y -= error_y.mean()
    # what it says of itself, known to 10 % from 45 projections, holds within a factor
    assert found.sigma_x / 2 < error_x.std() < 2 * found.sigma_x < 0.2
    assert found.sigma_y / 3 < error_y.std() < 3 * found.sigma_y < 0.5


def test_the_slow_part_and_the_jitter():
    found = once()
    slow = beyond_the_circle(found.smooth_x - SLOW_X)
    assert slow.std() < 0.35  # 0.5 px of jitter, averaged over some ten neighbours
    assert np.std(found.smooth_y - SLOW_Y) < 0.35
    assert found.jitter == pytest.approx(
        (0.5, 0.5), rel=0.35
    )  # 45 draws of 0.5: 11 %, and what the spline took


def test_a_single_slip_does_not_bend_the_rest():
    slipped = phases().copy()
    slipped[20] = np.roll(slipped[20], 9, axis=1)
    clean, found = once(), measured(slipped)
    assert found.dx[20] - clean.dx[20] == pytest.approx(9, abs=0.2)
    others = np.arange(N) != 20
    assert np.abs(found.dx - clean.dx)[others].max() < 0.1
    assert (
        np.abs(found.smooth_x - clean.smooth_x)[others].max() < 0.5
    )  # its neighbours' spline bends a little


def test_a_sample_beyond_the_field_is_refused():
    with pytest.raises(ReconstructionError, match="the sample reaches the border"):
        measured(phases()[:, :, 30:66])


def test_too_little_is_refused():
    with pytest.raises(ReconstructionError, match="8 or more projections"):
        drift(np.zeros((4, 8, 8)), np.arange(4.0), pixel_size_m=PIXEL_M, air_columns=1)
