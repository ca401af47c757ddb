import math

import numpy as np
import pytest

from xsn_acq.sim.sandpaper import Sandpaper

SHEET = Sandpaper(grain_um=5.0, coverage=0.7, seed=3)


def grid(first_um, count, step_um=0.5):
    return first_um + step_um * np.arange(count)


def test_a_place_has_its_thickness_whatever_is_asked_around_it():
    x, y = grid(-9876.0, 200), grid(4321.0, 160)
    whole = SHEET.thickness_m(x, y)
    part = SHEET.thickness_m(x[37:150], y[21:90])
    # float32 sums of the same few grains in another order
    assert part == pytest.approx(whole[21:90, 37:150], abs=1e-6 * float(whole.max()))
    again = Sandpaper(grain_um=5.0, coverage=0.7, seed=3).thickness_m(x, y)
    assert np.array_equal(whole, again)


def test_other_places_and_other_seeds_have_other_grains():
    x = grid(0.0, 200)
    here = SHEET.thickness_m(x, x)
    for other in (
        SHEET.thickness_m(x + 5000.0, x),
        SHEET.thickness_m(-x[::-1] - 100.0, x),
        Sandpaper(grain_um=5.0, coverage=0.7, seed=4).thickness_m(x, x),
    ):
        # some 400 grains: chance correlation of 0.05
        assert abs(np.corrcoef(here.ravel(), other.ravel())[0, 1]) < 0.2


@pytest.mark.parametrize("coverage", [0.4, 1.2])
def test_bare_part_is_that_of_grains_dropped_at_random(coverage):
    sheet = Sandpaper(grain_um=4.0, coverage=coverage, seed=1)
    maps = [sheet.thickness_m(grid(1000.0 * k, 256), grid(-900.0 * k, 256)) for k in range(6)]
    bare = np.mean([(m == 0).mean() for m in maps])
    # Poisson: a ray misses all with exp(-coverage); 6 x 1000 grains leave 2 % of chance, rims of pixels 2 %
    assert bare == pytest.approx(math.exp(-coverage), rel=0.06)
    assert np.mean(maps) == pytest.approx(sheet.mean_thickness_m, rel=0.04)


def test_grains_are_as_large_as_said():
    widths = []
    for grain in (5.0, 15.0):
        x = grid(200.0, 256, grain / 12)
        image = Sandpaper(grain_um=grain, coverage=0.3, seed=9).thickness_m(x, x)
        power = np.abs(np.fft.fft2(image - image.mean())) ** 2
        curve = np.fft.ifft2(power).real[0, :64]
        widths.append(np.interp(-0.5, -curve / curve[0], x[:64] - x[0]))
        assert image.max() > 0.8 * grain * 1e-6 * 0.6
    # a disc's autocorrelation falls to a half at 0.40 diameters, that of a slimmer, rounder grain sooner;
    # large grains count more
    assert 0.25 < widths[0] / 5.0 < 0.45
    assert widths[1] / widths[0] == pytest.approx(3.0, rel=0.1)  # 400 grains each


@pytest.mark.parametrize(("grain", "coverage"), [(0.0, 1.0), (5.0, 0.0), (float("nan"), 1.0)])
def test_nothing_is_refused(grain, coverage):
    with pytest.raises(ValueError, match="wanted grain and coverage above 0"):
        Sandpaper(grain, coverage, 0)
