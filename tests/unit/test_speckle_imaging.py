import math
from dataclasses import replace

import numpy as np
import pytest
from pixel_axes import axis

from xsn_acq.sim.phantoms import SILICA, Phantom
from xsn_acq.sim.shapes import Ellipsoid
from xsn_acq.sim.speckle_diffuser import SandpaperDiffuser
from xsn_acq.sim.speckle_imaging import (
    SpeckleOptics,
    detected,
    fine_grid,
    intensity,
    mean_intensity,
    speckle_image,
)

PIXEL_UM = 0.65
OPTICS = SpeckleOptics().with_lengths(3.48, 4.31, PIXEL_UM)
SHARP = replace(OPTICS, blur_x_um=0.0, blur_y_um=0.0)
K_PER_M = 2 * math.pi / 1.239841984e-10
BALL = Phantom("ball", (Ellipsoid.sphere((1.0, -2.0, 0.0), 15.0, SILICA),))


def sandpaper(x_um, y_um):
    return SandpaperDiffuser().projected(10_000.0, x_um, y_um)


def ball(x_um, y_um):
    return BALL.projection(10_000.0, 0.0, x_um, y_um)


def grating(per_um, phase_rad=0.0, absorbed=0.0):
    """cos(2 pi x per_um), as phase and as logarithm of the amplitude."""

    def projected(x_um, y_um):
        wave = np.cos(2 * np.pi * per_um * x_um) * np.ones((y_um.size, 1))
        return -phase_rad / K_PER_M * wave, absorbed / K_PER_M * wave

    return projected


@pytest.mark.parametrize("per_um", [0.05, 0.12, 0.2])
def test_a_weak_grating_is_transferred_as_theory_has_it(per_um):
    x = axis(200, PIXEL_UM)
    inner = x[60:140]  # a grating does not fit the periodic grid: what its ends do stays outside
    chi = math.pi * 1.239841984e-10 * (per_um * 1e6) ** 2 * np.array([20e-3, 23e-3])
    blurred = math.exp(-math.pi / 2 * (per_um * 3.48) ** 2)
    for behind, sample in enumerate((False, True)):
        for kind, ideal in (("phase_rad", 2 * np.sin(chi)), ("absorbed", -2 * np.cos(chi))):
            part = {"sample" if sample else "diffuser": grating(per_um, **{kind: 0.01})}
            row = speckle_image(OPTICS, x, x[:16], **part)[8, 60:140].astype(float)
            cosine = np.cos(2 * np.pi * per_um * inner)
            found = np.linalg.lstsq(np.stack([cosine, np.ones_like(cosine)], axis=1), row, rcond=None)[0]
            # of 2 %: float32 adds 1e-7 per sample, the second order of 0.01 a hundredth
            assert found[0] == pytest.approx(0.01 * ideal[behind] * blurred, rel=0.01, abs=5e-6)


def test_a_finer_grid_gives_the_same_image():
    x = axis(64, PIXEL_UM)
    coarse = speckle_image(OPTICS, x, x, sample=ball, diffuser=sandpaper)
    fine = speckle_image(replace(OPTICS, step_um=0.11), x, x, sample=ball, diffuser=sandpaper)
    # rims of grains and ball have no finest detail; half a per cent of the light is below the photon noise
    assert np.sqrt(np.mean((coarse - fine) ** 2)) < 5e-3
    assert coarse.std() > 0.15


def test_light_is_neither_made_nor_lost_by_phase():
    x = axis(120, PIXEL_UM)

    def bent(x_um, y_um):
        delta_m, beta_m = ball(x_um, y_um)
        return delta_m, 0 * beta_m

    image = speckle_image(OPTICS, x, x, sample=bent)
    assert image.astype(float).mean() == pytest.approx(1.0, abs=1e-4)  # little leaves the frame
    absorbed = speckle_image(OPTICS, x, x, sample=ball)
    _, beta_m = ball(x, x)
    let_through = np.exp(-2 * K_PER_M * beta_m.astype(float)).mean()
    assert absorbed.astype(float).mean() == pytest.approx(let_through, abs=2e-4)


def test_white_speckle_has_the_lengths_that_the_optics_say():
    x = axis(48, PIXEL_UM)
    grid = fine_grid(OPTICS, x, x)
    power = np.zeros((48, 48))
    # the autocorrelation of light without any: that of a point, mean over where in a pixel it is
    for down, right in np.ndindex(grid.parts, grid.parts):
        light = np.zeros((grid.y_um.size, grid.x_um.size), np.float32)
        light[grid.top + 24 * grid.parts + down, grid.left + 24 * grid.parts + right] = 1
        power += np.abs(np.fft.fft2(detected(OPTICS, grid, light).astype(float))) ** 2
    correlation = np.fft.ifft2(power).real
    lag = PIXEL_UM * np.arange(1, 6)
    for curve, length in ((correlation[0], 3.48), (correlation[:, 0], 4.31)):
        # a square pixel is no Gaussian, but a small part of the whole
        assert curve[1:6] / curve[0] == pytest.approx(np.exp(-math.pi * lag**2 / length**2), abs=2e-3)
        found = lag[2] * math.sqrt(-math.pi / math.log(curve[3] / curve[0]))
        assert found == pytest.approx(length, rel=2e-3)
    assert OPTICS.lengths_um(PIXEL_UM) == pytest.approx((3.48, 4.31))


def test_a_part_of_the_frame_is_that_part_of_the_image():
    x = axis(96, PIXEL_UM)
    whole = speckle_image(OPTICS, x, x, sample=ball, diffuser=sandpaper)
    part = speckle_image(OPTICS, x[20:70], x[40:90], sample=ball, diffuser=sandpaper)
    # what comes from beyond the guard band and rims of grains on a grid of 1e-13 um elsewhere
    assert part == pytest.approx(whole[40:90, 20:70], abs=3e-3)


def test_the_halo_softens_and_the_band_hardly_does():
    x = axis(80, PIXEL_UM)
    plain = speckle_image(OPTICS, x, x, sample=ball, diffuser=sandpaper)
    halo = speckle_image(replace(OPTICS, tail=0.05), x, x, sample=ball, diffuser=sandpaper)
    # speckle is finer than the halo: all but a few per cent of it go where they went
    assert halo.std() == pytest.approx(0.95 * plain.std(), rel=0.02)
    band = speckle_image(replace(OPTICS, bandwidth=0.021), x, x, sample=ball, diffuser=sandpaper)
    assert band.mean() == pytest.approx(plain.mean(), rel=1e-3)
    assert 1e-5 < np.sqrt(np.mean((band - plain) ** 2)) < 5e-3


def test_nothing_in_the_beam_is_one_and_pixels_can_be_too_large():
    x = axis(4, PIXEL_UM)
    assert np.array_equal(speckle_image(OPTICS, x, x), np.ones((4, 4), np.float32))
    assert speckle_image(SHARP, x, x, sample=grating(0.0)) == pytest.approx(np.ones((4, 4)), abs=1e-6)
    with pytest.raises(ValueError, match=r"pixels of 5.0 um alone blur more"):
        OPTICS.with_lengths(3.48, 4.31, 5.0)


def test_a_sample_that_moves_is_the_mean_of_where_it_was():
    x = axis(32, PIXEL_UM)
    band = replace(OPTICS, bandwidth=0.021)
    for optics, tolerance in ((OPTICS, 1e-6), (band, 0.01)):  # with the band each is seen at one energy
        grid = fine_grid(optics, x, x)
        moved = [lambda a, b, s=shift: ball(a - s, b) for shift in (0.0, 0.4)]
        total = sum(intensity(optics, grid, sample, sandpaper) for sample in moved)
        together = detected(optics, grid, mean_intensity(optics, grid, moved, sandpaper))
        assert together == pytest.approx(detected(optics, grid, total / 2), rel=tolerance)


def test_a_prism_moves_the_speckle_by_its_angle_times_the_way_behind_the_diffuser():
    x, pixels = axis(80, PIXEL_UM), 2
    slope = pixels * PIXEL_UM * 1e-6 / 20e-3

    def prism(x_um, y_um):
        """Thinner towards larger x, and n is below 1: light goes to the thin side."""
        delta_m = -slope * x_um * 1e-6 * np.ones((y_um.size, 1))
        return delta_m, np.zeros_like(delta_m)

    still, moved = (speckle_image(OPTICS, x, x, sample=s, diffuser=sandpaper) for s in (None, prism))
    inner = np.s_[20:-20]
    # the prism ends at the border of the periodic grid: its edge scatters a little into the field
    assert moved[inner, 22:-18] == pytest.approx(still[inner, 20:-20], abs=0.02)
    assert np.abs(moved - still)[inner, inner].max() > 0.5
