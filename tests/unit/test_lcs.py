"""LCS; the truth is speckle displaced on a finer grid by a known phase."""

import numpy as np
import pytest
from scipy import ndimage

from xsn_acq.analysis.lcs import LowCoherenceSystem
from xsn_acq.errors import ReconstructionError

PIXEL_M, WAVELENGTH_M, DISTANCE_M = 0.65e-6, 1.24e-10, 20e-3
SIDE, PARTS, K = 72, 3, 8
PHOTONS = 20_000


def grid(count):
    """Pixels from the middle, (count,), and as a column."""
    x = np.arange(count) - 0.5 * (count - 1)
    return x[:, None], x


def blob(y, x):
    """Phase and alpha of a soft blob, 12 rad deep, and the phase's slopes per pixel."""
    shape = np.exp(-((x - 4) ** 2 + (y + 3) ** 2) / (2 * 9.0**2))
    phi = -12.0 * shape
    return phi, 0.004 * phi, -(y + 3) / 9.0**2 * phi, -(x - 4) / 9.0**2 * phi


def scan(photons=PHOTONS, k=K, seed=0):
    """References and projections (k, SIDE, SIDE), moved by interpolation on a grid three times finer."""
    rng = np.random.default_rng(seed)
    fine = tuple(each / PARTS for each in grid(SIDE * PARTS))
    _, alpha, slope_y, slope_x = blob(*fine)
    per_slope = DISTANCE_M * WAVELENGTH_M / (2 * np.pi) / PIXEL_M**2 * PARTS
    at = np.indices(alpha.shape) - per_slope * np.stack([slope_y, slope_x])
    frames = []
    for _ in range(k):
        noise = ndimage.gaussian_filter(rng.standard_normal(alpha.shape), 2.2 * PARTS, mode="mirror")
        light = np.maximum(1 + 0.22 / noise.std() * noise, 0.05)
        moved = np.exp(2 * alpha) * ndimage.map_coordinates(light, at, order=3, mode="mirror")
        frames.append([each.reshape(SIDE, PARTS, SIDE, PARTS).mean((1, 3)) for each in (light, moved)])
    expected = np.array(frames).transpose(1, 0, 2, 3)
    if not photons:
        return expected
    counted = np.array([10 * photons, photons])[:, None, None, None]  # ten references are averaged
    return rng.poisson(expected * counted) / counted


def solved(frames, **more):
    return LowCoherenceSystem(frames[0], PIXEL_M, WAVELENGTH_M, DISTANCE_M, **more)(frames[1])


def test_phase_and_absorption_of_a_known_sample():
    found = solved(scan(), air_columns=6)
    phi, alpha, slope_y, _ = blob(*grid(SIDE))
    # displacements of up to 0.6 pixels on speckle of 5: the next order is some percent
    assert np.polyfit(phi.ravel(), found.phi.ravel(), 1)[0] == pytest.approx(1, abs=0.04)
    assert np.std(found.phi - phi) < 0.04 * np.abs(phi).max()
    assert np.polyfit(alpha.ravel(), found.alpha.ravel(), 1)[0] == pytest.approx(1, abs=0.04)
    wanted = DISTANCE_M * WAVELENGTH_M / (2 * np.pi) / PIXEL_M * slope_y
    assert np.polyfit(wanted.ravel(), found.dy_m.ravel(), 1)[0] == pytest.approx(1, abs=0.04)


def test_the_rmse_is_that_of_one_pattern():
    for photons, k in ((5_000, 12), (20_000, 6)):
        frames = scan(photons, k)
        still = LowCoherenceSystem(frames[0], PIXEL_M, WAVELENGTH_M, DISTANCE_M)
        other = np.random.default_rng(9).poisson(frames[0] * photons) / photons
        rmse = still(other).rmse
        # photon noise of one frame, less what three unknowns a pixel take up; the mean over 5000 pixels: 1 %
        wanted = np.sqrt((k - 3) / k / photons)
        assert np.sqrt(np.mean(rmse**2)) == pytest.approx(wanted, rel=0.05)


def test_more_positions_have_less_noise():
    phi = blob(*grid(SIDE))[0]
    few, many = (np.std(solved(scan(2_000, k), air_columns=6).phi - phi) for k in (4, 12))
    assert many < 0.75 * few  # 1 / sqrt(3), and what stays: the second order


def test_fewer_than_three_positions_are_refused():
    frames = scan(0, 3)
    assert np.isfinite(solved(frames).phi).all()
    with pytest.raises(ReconstructionError, match="K = 3 diffuser positions or more"):
        solved(frames[:, :2])
    with pytest.raises(ReconstructionError, match="as the references"):
        LowCoherenceSystem(frames[0], PIXEL_M, WAVELENGTH_M, DISTANCE_M)(frames[1][:2])
