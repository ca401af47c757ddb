import time
from dataclasses import replace

import numpy as np
import pytest
from pixel_axes import axis
from scipy import ndimage

from xsn_acq.sim.structured_light import LightPlaces, LightTruth, StructuredLight

PIXEL_UM = 0.05
ALIGNED = LightPlaces(9000.0)
TIMES = LightTruth().demagnification


def light(coarse_um=15.3, fine_um=5.0, **truth):
    return StructuredLight(coarse_um, fine_um, 30.0, LightTruth(**truth))


def places(k, **others):
    """Places on the sheets that have nothing in common."""
    return replace(
        ALIGNED, coarse_x_mm=0.9 * k, coarse_y_mm=-0.7 * k, fine_x_mm=-0.8 * k, fine_y_mm=0.6 * k, **others
    )


def correlation(one, other):
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def half_width_um(maker, along):
    """Where the autocorrelation falls to a half, along x (1) or y (0)."""
    x, total = axis(160, PIXEL_UM), 0.0
    for k in range(4):
        image = maker.speckle(places(k), x, x)
        curve = np.fft.ifft2(np.abs(np.fft.fft2(image / image.mean() - 1)) ** 2).real
        total = total + (curve[0, :40] if along else curve[:40, 0])
    return float(np.interp(-0.5, -total / total[0], 0.05 * np.arange(40)))


def contrast(maker):
    x = axis(160, PIXEL_UM)
    return float(
        np.mean([image.std() / image.mean() for image in (maker.speckle(places(k), x, x) for k in range(3))])
    )


def test_mean_is_one_and_features_are_fine():
    maker, x = light(), axis(256, PIXEL_UM)
    images = [maker.illumination(places(k), x, x) for k in range(6)]
    assert np.mean(images) == pytest.approx(1.0, abs=0.02)  # mean of 6 patterns of 3000 speckles
    assert min(image.min() for image in images) >= 0
    assert 0.4 < contrast(maker) < 0.65
    # autocorrelation of speckles 150 nm wide: sqrt(2) times that, its half
    assert 0.08 < half_width_um(maker, 1) < 0.14


def test_same_places_same_light_on_any_grid():
    maker, x = light(), axis(256, PIXEL_UM)
    whole = maker.illumination(places(2), x, x)
    assert np.array_equal(whole, maker.illumination(places(2), x, x))
    part = maker.illumination(places(2), x[60:200], x[40:170])
    # what is scattered wide wraps around: some thousandths beyond the guard
    assert np.abs(part - whole[40:170, 60:200]).max() < 0.05 * whole.std()
    finer = maker.illumination(places(2), axis(512, 0.025), axis(512, 0.025))
    pooled = finer.reshape(256, 2, 256, 2).mean(axis=(1, 3))
    # a mean over 50 nm pixels against values at their centres: the blur of a pixel
    assert correlation(pooled, whole) > 0.995


def test_waves_are_sampled_finely_enough():
    x = axis(128, PIXEL_UM)
    usual, finer = (light(step_um=step).speckle(places(1), x, x) for step in (0.04, 0.02))
    assert (
        correlation(usual, finer) > 0.97
    )  # a sixth of the contrast is scattered wider than the grid carries
    assert usual.std() == pytest.approx(finer.std(), rel=0.03)


def test_moving_both_sheets_moves_the_pattern_inverted_and_demagnified():
    maker, x = light(), axis(128, PIXEL_UM)
    before = maker.speckle(ALIGNED, x, x)
    x_mm, y_mm = 0.3e-3 * TIMES, -0.2e-3 * TIMES
    moved = replace(ALIGNED, coarse_x_mm=x_mm, fine_x_mm=x_mm, coarse_y_mm=y_mm, fine_y_mm=y_mm)
    after = maker.speckle(moved, x, x)
    # 0.3 um to the left and 0.2 um up: 6 and 4 pixels; not whole steps of the waves' grid
    assert correlation(after[4:, :-6], before[:-4, 6:]) > 0.97
    assert correlation(after, before) < 0.3


def test_condenser_and_tilt_take_the_pattern_along():
    maker, x = light(), axis(128, PIXEL_UM)
    before = maker.speckle(ALIGNED, x, x)
    step = 0.4 / (1 + 1 / TIMES)  # a lens moved by s moves the image by s (1 + 1 / D)
    after = maker.speckle(replace(ALIGNED, condenser_x_um=step), x, x)
    assert correlation(after[:, 8:], before[:, :-8]) > 0.99
    tilted = maker.speckle(replace(ALIGNED, condenser_pitch_urad=400.0), x, x)
    assert correlation(tilted[8:], before[:-8]) > 0.99
    bare = maker.outline(ALIGNED, x, x)
    assert np.array_equal(bare, bare[::-1, ::-1])
    leaning = maker.outline(replace(ALIGNED, condenser_yaw_urad=1000.0), x, x)
    assert leaning[:, 96:].mean() > 1.1 * leaning[:, :32].mean()
    there = maker.outline(replace(ALIGNED, condenser_y_um=1.0), x, x)
    assert there[20:] == pytest.approx(bare[:-20], rel=1e-5)  # float32


def test_each_sheet_alone_makes_the_pattern_fresh():
    maker, x = light(), axis(160, PIXEL_UM)
    start = maker.speckle(ALIGNED, x, x)
    fine = [
        correlation(start, maker.speckle(replace(ALIGNED, fine_x_mm=d), x, x)) for d in (1e-3, 3e-3, 20e-3)
    ]
    coarse = [
        correlation(start, maker.speckle(replace(ALIGNED, coarse_y_mm=d), x, x)) for d in (1e-3, 5e-3, 60e-3)
    ]
    assert fine[0] > fine[1] > fine[2]
    assert coarse[0] > coarse[1] > coarse[2]
    assert fine[0] > 0.85 > 0.7 > fine[2]
    both = maker.speckle(replace(ALIGNED, fine_x_mm=1.0, coarse_x_mm=-1.0), x, x)
    assert abs(correlation(start, both)) < 0.1  # 1000 speckles: chance 0.03


def test_coarser_grit_makes_wider_speckle():
    grains = ((15.3, 5.0), (30.0, 30.0), (60.0, 60.0))
    widths = [half_width_um(light(coarse, fine), 1) for coarse, fine in grains]
    assert widths[1] > 1.4 * widths[0]
    assert widths[2] > 1.8 * widths[1]


def test_contrast_falls_with_the_size_of_the_source():
    points = contrast(light(source_x_um=0.1, source_y_um=0.1))
    usual = contrast(light())
    broad = contrast(light(source_x_um=600.0, source_y_um=600.0))
    assert points > 1.02 * usual
    assert usual > 1.5 * broad
    lying = light(source_x_um=300.0, source_y_um=3.0)
    assert half_width_um(lying, 1) > 1.3 * half_width_um(lying, 0)


def test_out_of_focus_a_point_is_a_ring():
    maker, x = light(), axis(128, PIXEL_UM)
    sharp = maker.speckle(ALIGNED, x, x)
    off_um = 200.0
    soft = maker.speckle(replace(ALIGNED, sample_z_um=off_um), x, x)
    radius = LightTruth().condenser_na * off_um / 0.05
    ring = np.hypot(*np.mgrid[-15:16, -15:16])
    ring = np.exp(-0.5 * ((ring - radius) / 0.5) ** 2)
    inner = (slice(20, -20), slice(20, -20))
    assert correlation(soft[inner], ndimage.convolve(sharp, ring / ring.sum())[inner]) > 0.98
    assert soft.std() < 0.7 * sharp.std()


def test_pinhole_cuts_where_it_is():
    small = StructuredLight(15.3, 5.0, 4.0)
    x = axis(128, 0.1)
    lit = small.illumination(replace(ALIGNED, pinhole_x_um=2.0), x, x)
    inside = np.hypot(x - 2.0, x[:, None]) < 1.2
    outside = np.hypot(x - 2.0, x[:, None]) > 4.0
    assert lit[inside].mean() > 0.7
    assert lit[outside].max() < 0.05


def test_a_pattern_is_quick():
    maker, x = light(), axis(256, PIXEL_UM)
    maker.illumination(ALIGNED, x, x)
    times = []
    for k in range(3):
        start = time.process_time()
        maker.illumination(places(k + 1), x, x)
        times.append(time.process_time() - start)
    assert min(times) < 0.12  # seconds of CPU: 35 ms on a free core, more where the caches are shared
