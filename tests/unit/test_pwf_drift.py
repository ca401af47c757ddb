"""A diffuser that drifts; the truth is sandpaper drawn where it stood, and noise moved on a finer grid."""

from functools import cache

import numpy as np
import pytest
from sandpaper_speckle import PIXEL_UM, frames, reference
from scipy import ndimage

from xsn_acq.analysis.pwf.air import air_region
from xsn_acq.analysis.pwf.drift import DriftingReference, DriftPath, SpeckleShift, drift_path, speckle_shift
from xsn_acq.errors import ReconstructionError

SHAPE, PARTS = (72, 96), 4
SCAN_S = 80.0
HALF_GRAIN_PX = 3.0 / PIXEL_UM
LEFT = (slice(None), slice(0, 30))
"""Columns of air."""


@cache
def light():
    """Speckle on a fine grid, wider than the frames."""
    noise = np.random.default_rng(1).standard_normal([PARTS * (n + 32) for n in SHAPE])
    smooth = ndimage.gaussian_filter(noise, 1.8 * PARTS, mode="wrap")
    return 1 + 0.22 / smooth.std() * smooth


def moved(dy, dx, photons=20_000, seed=0):
    """Frame with the speckle moved by (dy, dx) pixels, by a spline on the fine grid."""
    fine = ndimage.shift(light(), (PARTS * dy, PARTS * dx), order=3, mode="grid-wrap")
    ny, nx = (n // PARTS for n in fine.shape)
    pixels = fine.reshape(ny, PARTS, nx, PARTS).mean((1, 3))[16:-16, 16:-16]
    return np.random.default_rng(seed).poisson(np.maximum(pixels, 0) * photons) / photons


def drifted(time_s):
    """Half a grain across and a third of it up over the scan, not evenly."""
    part = time_s / SCAN_S
    return -HALF_GRAIN_PX / 3 * part**2, HALF_GRAIN_PX * (part + 0.15 * np.sin(np.pi * part))


def taken(time_s, seed):
    return moved(*drifted(time_s), seed=seed)


@pytest.mark.parametrize(("dy", "dx"), [(0.3, -0.2), (-2.6, 4.45), (0.0, 11.7)])
def test_a_shift_is_found_to_what_it_says(dy, dx):
    found = speckle_shift(moved(0, 0), 0.8 * moved(dy, dx, seed=1))
    assert (found.dy, found.dx) == pytest.approx((dy, dx), abs=0.01)  # five standard errors
    assert 5e-4 < found.sigma_x < 5e-3
    assert found.gain == pytest.approx(0.8, abs=1e-3)


def test_the_errors_are_those_seen():
    found = [speckle_shift(moved(0, 0, 2_000, 2 * i), moved(0.4, -0.7, 2_000, 2 * i + 1)) for i in range(8)]
    off = np.array([(s.dy - 0.4, s.dx + 0.7) for s in found])
    told = np.array([(s.sigma_y, s.sigma_x) for s in found])
    # 16 values know a spread to 18 %
    assert np.sqrt(np.mean((off / told) ** 2)) == pytest.approx(1, abs=0.45)


def test_sandpaper_that_moved_is_seen_to_have_moved():
    here, there = reference(1, 96), reference(1, 96, at_um=(1.3, -0.91))
    found = speckle_shift(frames(here, 1)[0], frames(there, 1, seed=3)[0])
    # the stage moved by 2 and -1.4 pixels; rims of grains on the simulator's grid give a hundredth
    assert (found.dx, found.dy) == pytest.approx((2.0, -1.4), abs=0.02)


def test_half_a_grain_of_drift_is_corrected():
    times = np.array([0.0, SCAN_S / 2, SCAN_S])
    known = DriftingReference([taken(t, 10 + i) for i, t in enumerate(times)], times)
    assert known.path.largest_px == pytest.approx(HALF_GRAIN_PX, rel=0.01)
    at_s = np.linspace(0, SCAN_S, 9)
    truth = [moved(*drifted(t), photons=1e9) for t in at_s]
    inner = np.s_[8:-8, 8:-8]
    before = np.mean([np.std((taken(0.0, 20) - each)[inner]) for each in truth])
    after = np.mean([np.std((known.at(t) - each)[inner]) for t, each in zip(at_s, truth, strict=True)])
    # 0.22 of contrast against a tenth of a pixel, what a straight line misses of the path, on slopes of 0.09
    assert before > 0.15
    assert after < 0.02


def test_the_air_of_projections_tells_what_lies_between_references():
    times = np.array([0.0, SCAN_S])
    known = DriftingReference([taken(t, 30 + i) for i, t in enumerate(times)], times)
    at_s = np.linspace(2, SCAN_S - 2, 20)
    projections = [taken(t, 40 + i) for i, t in enumerate(at_s)]
    for image in projections:
        image[:, 40:] *= 0.5  # a sample
    truth = np.array([drifted(t) for t in at_s])
    before = np.abs([known.path.at(t) for t in at_s] - truth).max()
    known.take(at_s, [speckle_shift(known.at(0.0), image, LEFT) for image in projections])
    after = np.abs([known.path.at(t) for t in at_s] - truth).max()
    assert before > 0.3  # a straight line between two references
    assert after < 0.03  # errors of 0.006 in each projection; the path leans on the end references


def test_references_are_averaged_where_they_belong():
    one, many = (
        DriftingReference([taken(t, 60 + i) for i, t in enumerate(times)], times)
        for times in ([0.0], np.linspace(0, SCAN_S, 6))
    )
    truth = moved(0, 0, photons=1e9)
    inner = np.s_[8:-8, 8:-8]
    left = [np.std((known.at(0.0) - truth)[inner]) for known in (one, many)]
    assert left[1] < 0.6 * left[0]  # 1 / sqrt(6), and what six shifts err


def test_another_place_of_the_diffuser_is_refused():
    with pytest.raises(ReconstructionError, match="did the diffuser move"):
        speckle_shift(reference(1, 96), reference(2, 96))
    with pytest.raises(ReconstructionError, match="24 pixels a side"):
        speckle_shift(moved(0, 0), moved(0, 0), (slice(0, 10), slice(None)))


def test_a_path_needs_a_time_for_each_shift():
    shift = SpeckleShift(0.0, 1.0, 0.01, 0.01)
    path = drift_path([2.0, 0.0], [shift, SpeckleShift(0.0, 0.0, 0.01, 0.01)])
    assert isinstance(path, DriftPath)
    assert path.at(1.0) == (0.0, 0.5)
    assert path.at(9.0) == (0.0, 1.0)
    for times in ([0.0], [1.0, 1.0]):
        with pytest.raises(ReconstructionError, match="several different times"):
            drift_path(times, [shift, shift])
    with pytest.raises(ReconstructionError, match="their n times"):
        DriftingReference(np.ones((2, 30, 30)), [0.0])


def test_the_strip_of_air_is_found():
    known, noise = moved(0, 0, photons=1e6), 20_000**-0.5
    there = [taken(t, 70 + i) for i, t in enumerate((10.0, 50.0))]
    assert air_region(known, there, noise, columns=30) is not None
    bent = [image.copy() for image in there]
    for image, drift in zip(bent, (10.0, 50.0), strict=True):
        dy, dx = drifted(drift)
        image[:, :20] = moved(dy, dx + 0.3, seed=80)[:, :20]  # light bent by a third of a pixel
    assert air_region(known, bent, noise, columns=30) == (slice(None), slice(66, 96))
    bent[1][:, -15:] *= 0.9  # matter
    assert air_region(known, bent, noise, columns=30) is None
