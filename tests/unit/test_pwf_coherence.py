"""Coherence lengths from references; the truth is the simulator's, and white noise blurred in real space."""

from functools import cache

import numpy as np
import pytest
from pixel_axes import axis
from sandpaper_speckle import (
    DISTANCE_M,
    ENERGY_EV,
    LENGTHS_UM,
    OPTICS,
    PIXEL_UM,
    WAVELENGTH_M,
    frames,
    plates,
    reference,
)
from scipy import ndimage

from xsn_acq.analysis.pwf.coherence import coherence_lengths
from xsn_acq.analysis.pwf.periodogram import periodogram
from xsn_acq.analysis.pwf.speckle_spectrum import GrainScreen, speckle_spectrum
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.materials import optical_constants
from xsn_acq.sim.speckle_diffuser import SandpaperDiffuser
from xsn_acq.sim.speckle_imaging import fine_grid, intensity, speckle_image

PIXEL_M = PIXEL_UM * 1e-6
WAY = {"wavelength_m": WAVELENGTH_M, "distance_m": DISTANCE_M}


def found_um(fit):
    return np.array([fit.lengths.x_m, fit.lengths.y_m]) * 1e6


def white_speckle(seed, shape=(128, 128), contrast=0.2):
    """White light blurred to the lengths in real space, on pixels: the Gaussian alone."""
    x, y = (length / np.sqrt(4 * np.pi) / PIXEL_UM for length in LENGTHS_UM)
    noise = ndimage.gaussian_filter(
        np.random.default_rng(seed).standard_normal(shape), (y, x), mode="wrap", truncate=6
    )
    return 1 + contrast / noise.std() * noise


@cache
def sandpaper_fit(seed, grain_um=6.0):
    return coherence_lengths(frames(reference(seed, grain_um=grain_um)), PIXEL_M, **WAY)


@pytest.mark.parametrize(("seed", "grain_um"), [(1, 6.0), (2, 6.0), (3, 4.0)])
def test_the_lengths_are_the_simulators_within_three_percent(seed, grain_um):
    fit = sandpaper_fit(seed, grain_um)
    assert found_um(fit) == pytest.approx(LENGTHS_UM, rel=0.03)  # the bar
    assert np.all(np.array(fit.errors_m) < 0.015 * np.array(LENGTHS_UM) * 1e-6)
    assert fit.screen.grain_m == pytest.approx(grain_um * 1e-6, rel=0.2)
    image = reference(seed, grain_um=grain_um)
    assert fit.contrast == pytest.approx(image.std() / image.mean(), rel=0.08)  # slow parts do not count
    # four frames of 20,000 photons, over a mean of 0.96
    assert fit.noise == pytest.approx(1 / np.sqrt(80_000), rel=0.1)


def test_plates_with_upright_sides_are_no_balls_and_do_no_harm():
    constants = optical_constants("SiC", 3.21, ENERGY_EV)

    def drawn(x_um, y_um):
        thickness = plates(x_um, y_um)
        return thickness * constants.delta, thickness * constants.beta

    x = axis(192, PIXEL_UM)
    fit = coherence_lengths(frames(speckle_image(OPTICS, x, x, diffuser=drawn)), PIXEL_M, **WAY)
    assert found_um(fit) == pytest.approx(LENGTHS_UM, rel=0.03)  # the bar
    assert fit.screen.steep > 0.3


def test_taken_for_white_the_speckle_of_grains_misleads():
    plain = coherence_lengths(frames(reference(1)), PIXEL_M)
    assert plain.screen is None
    assert np.all(found_um(plain) > 1.03 * np.array(LENGTHS_UM))
    assert np.all(found_um(plain) > found_um(sandpaper_fit(1)))


def test_white_speckle_needs_no_model_and_errors_are_what_is_seen():
    fits = [coherence_lengths(white_speckle(seed, (96, 96)), PIXEL_M) for seed in range(24)]
    found, told = np.array([found_um(fit) for fit in fits]), np.array([fit.errors_m for fit in fits]) * 1e6
    assert found.mean(axis=0) == pytest.approx(LENGTHS_UM, rel=0.01)  # 2 % each, over the root of 24
    # 24 draws know a spread to 14 %; the window's count of what is alike is no exact one
    assert found.std(axis=0) == pytest.approx(told.mean(axis=0), rel=0.4)


def test_the_beams_slow_structure_and_brightness_have_no_say():
    image = white_speckle(3, (128, 300))
    x = np.arange(300) * PIXEL_UM
    plain = coherence_lengths(image, PIXEL_M)
    uneven = coherence_lengths(7 * image * (1 + 0.15 * np.cos(2 * np.pi * x / 90) + x / 2000), PIXEL_M)
    assert found_um(uneven) == pytest.approx(found_um(plain), rel=0.005)  # well under its own error
    assert uneven.contrast == pytest.approx(plain.contrast, rel=0.1)


def test_a_wide_frame_is_taken_tile_by_tile():
    fit = coherence_lengths(white_speckle(4, (300, 1100)), PIXEL_M)
    assert periodogram(white_speckle(4, (300, 1100)), PIXEL_M).tiles == 4
    assert found_um(fit) == pytest.approx(LENGTHS_UM, rel=0.02)  # three standard errors
    assert fit.misfit < 0.1


def test_without_the_diffuser_there_is_an_error():
    flat = frames(np.ones((96, 96)))
    with pytest.raises(ReconstructionError, match="is the diffuser in the beam"):
        coherence_lengths(flat, PIXEL_M, **WAY)
    slow = 1 + 0.05 * np.cos(np.arange(96) / 20)
    with pytest.raises(ReconstructionError, match="is the diffuser in the beam"):
        coherence_lengths(flat * slow, PIXEL_M, **WAY)


def test_too_little_contrast_is_an_error():
    faint = frames(white_speckle(5, (48, 48), contrast=0.0016))
    with pytest.raises(ReconstructionError, match="more references"):
        coherence_lengths(faint, PIXEL_M)


def test_what_cannot_be_used_is_refused():
    with pytest.raises(ReconstructionError, match="48 pixels a side"):
        coherence_lengths(np.ones((40, 64)), PIXEL_M)
    hole = white_speckle(0).copy()
    hole[5, 5] = np.nan
    with pytest.raises(ReconstructionError, match="repair bad pixels"):
        coherence_lengths(hole, PIXEL_M)


@pytest.mark.parametrize("ratio", [0.0, 0.0109, 0.05])
def test_weak_grains_have_the_textbooks_contrast_transfer(ratio):
    k = np.linspace(0.06e6, 0.6e6, 12)
    screen = GrainScreen(0.1, 6e-6, 0.0, ratio)
    found = speckle_spectrum(k, screen, **WAY)
    quarter = speckle_spectrum(k, screen, WAVELENGTH_M, DISTANCE_M / 4)
    chi = np.pi * WAVELENGTH_M * DISTANCE_M * k**2
    wanted, of_quarter = ((np.sin(x) + ratio * np.cos(x)) ** 2 for x in (chi, chi / 4))
    # the phase's spectrum cancels; the grid of 1/20 of a grain and the second order of 0.1 rad: 2 %
    assert found / quarter == pytest.approx(wanted / of_quarter, rel=0.05)


def test_the_spectrum_is_that_of_waves_behind_sandpaper():
    grid = fine_grid(OPTICS, *2 * [np.arange(160) * PIXEL_UM])
    power, screens = [], []
    for seed in (1, 2):
        diffuser = SandpaperDiffuser(seed=1000 * seed)
        light = intensity(OPTICS, grid, None, lambda a, b, d=diffuser: d.projected(ENERGY_EV, a, b))
        seen = periodogram(light[:512, :512].astype(float), grid.step_um * 1e-6)
        delta_m = diffuser.projected(ENERGY_EV, grid.x_um, grid.y_um)[0].astype(float)
        screens.append(2 * np.pi / WAVELENGTH_M * delta_m.std())
        power.append(seen)
    k = np.arange(0.2e6, 0.6e6, 0.05e6)
    rings = [np.mean([p.power[np.abs(p.radius - at) < 0.02e6].mean() for p in power]) for at in k]
    wanted = speckle_spectrum(k, GrainScreen(float(np.mean(screens)), 6e-6), **WAY)
    # a ring of eight tiles has some 1500 values; ellipsoids are no balls, and few grains no Gaussian
    assert rings == pytest.approx(wanted, rel=0.2)
