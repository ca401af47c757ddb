"""The way sideways from images whose displacement and contrast are made by hand."""

import numpy as np
import pytest

from xsn_acq.analysis.calibration.focal_rate import focal_rate
from xsn_acq.analysis.calibration.sideways import (
    InFocus,
    View,
    same_part,
    sideways_run,
    tracks,
    view_shift,
)
from xsn_acq.optics.zone_plate import focal_length_m, object_distance_m

SHAPE = (112, 144)
MIDDLE = (20.0, 90.0)
"""Where the optical axis meets the images: not their own middle."""
RNG = np.random.default_rng(2)
PLACES = RNG.uniform((-20, -60), (130, 90), (300, 2))
STRENGTH = RNG.normal(0, 0.15, 300)


def image(shift=(0.0, 0.0), scale=1.0, turn=0.0, noise=0.0, seed=1):
    """Spots over one sideband: shifted and magnified about the optical axis, phase turned into absorption.

    A spot of width 1.2 px, its spectrum above 0.12 cycles per pixel along x, times exp(i turn) there.
    """
    y, x = (np.arange(n) for n in SHAPE)
    centre = np.array([0.0, 0.0]) + (PLACES - (0, 0)) * scale + MIDDLE + np.array(shift)
    field = np.zeros(SHAPE, complex)
    for (row, column), strength in zip(centre, STRENGTH, strict=True):
        along = np.exp(-((y - row) ** 2) / (2 * 1.2**2))
        across = np.exp(-((x - column) ** 2) / (2 * 1.2**2)) * np.exp(2j * np.pi * 0.22 * (x - column))
        field += strength * along[:, None] * across
    clean = 1 + (field * np.exp(1j * turn)).real
    return clean + noise * np.random.default_rng(seed).standard_normal(SHAPE)


@pytest.mark.parametrize("turn", [0.0, 0.3])
@pytest.mark.parametrize("shift", [(0.37, -0.21), (-3.4, 24.6)])
def test_a_shift_is_found_whatever_the_mix_of_absorption_and_phase(shift, turn):
    rows, columns, likeness = view_shift(image(noise=0.02), image(shift, turn=turn, noise=0.02, seed=2))
    # 0.02 of noise in spots of 0.15 leaves 0.03 px; a tenth of a turn alone would pull a plain fit by 0.2 px
    assert (rows, columns) == pytest.approx(shift, abs=0.06)
    assert likeness > 0.5


PIXEL_M, M = 40e-9, 16.6


def views(shifts, scales):
    """Three images about the focus of each energy; the stage runs 5 px/mm on its way."""
    away = np.array([-0.03, 0.0, 0.03])
    return [
        View(
            z_mm=z + away,
            images=np.array([image((s[0] + 5 * d, s[1] - 5 * d), scale) for d in away]),
            focus_mm=z,
            pixel_m=PIXEL_M / scale,
        )
        for z, s, scale in zip((0.0, 1.0), shifts, scales, strict=True)
    ]


def run(shifts, scales):
    focus = [InFocus(z, 0.002, (1.0, -2.0), M) for z in (0.0, 1.0)]
    return sideways_run(tracks(views(shifts, scales), MIDDLE), focus, PIXEL_M)


def test_the_run_is_told_from_the_walk_that_magnification_makes():
    """The sample lies 40 px off the axis; 1.5 % of magnification alone moves it by 0.6 px."""
    still = run(((0.0, 0.0), (0.0, 0.0)), (1.0, 1.015))
    px_um = 1e6 * PIXEL_M / (1 + 1 / M)
    assert still.place_um == pytest.approx(np.array([[1.0, -2.0]] * 2), abs=0.05 * px_um)
    assert still.um_per_mm == pytest.approx((0.0, 0.0), abs=0.05 * px_um)
    moved = run(((0.0, 0.0), (-6.0, 10.0)), (1.0, 1.015))
    # a zone plate that goes to larger x shows the image at smaller columns: it must go on by the shift
    assert moved.place_um[1] == pytest.approx([1.0 + 10 * px_um, -2.0 - 6 * px_um], abs=0.25 * px_um)
    assert moved.um_per_mm == pytest.approx((-10 * px_um, 6 * px_um), abs=0.25 * px_um)
    # 2 um of the focus at 5 px/mm are 0.01 px, of both
    assert 0.01 * px_um < moved.sigma_um[1] < 0.1 * px_um


def test_images_of_something_else_tell_nothing():
    other, first = RNG.normal(1, 0.1, (3, *SHAPE)), views(((0, 0), (0, 0)), (1, 1))
    strange = View(first[1].z_mm, other, 1.0, PIXEL_M)
    assert tracks([first[0], strange], MIDDLE) is None


def test_the_same_part_of_a_sample_that_moves():
    where = np.array([(0.0, 0.0), (3.2, -7.6)])
    (rows, columns), (rows_moved, columns_moved) = same_part((40, 60), where)
    assert (rows, columns) == (slice(0, 37), slice(8, 60))
    assert (rows_moved, columns_moved) == (slice(3, 40), slice(0, 52))
    assert same_part((40, 60), np.array([(0.0, 0.0), (21.0, 0.0)])) is None


def test_the_rate_of_the_focal_length():
    """Distances of f = f0 + 4.8 um/eV (E - E0), from the lens equation; errors of 5 um at two energies."""
    energy = np.array([8183.0, 8483.0])
    focal = focal_length_m(8300.0, 300e-6, 30e-9) + 4.8e-6 * (energy - 8300.0)
    distance = [object_distance_m(f, 1.11) for f in focal]
    found = focal_rate(energy, distance, [5e-6, 5e-6], 1.11)
    assert found.m_per_ev == pytest.approx(4.8e-6, rel=1e-9)
    assert found.sigma_m_per_ev == pytest.approx(np.sqrt(2) * 5e-6 * (1 - 2 * 0.064 / 1.11) / 300, rel=0.01)


def test_points_off_the_line_widen_the_error_of_the_rate():
    energy = np.array([8200.0, 8300.0, 8400.0, 8500.0])
    bent = 0.064 + 8e-6 * (energy - 8300) + np.array([1, -1, -1, 1]) * 20e-6
    wide, narrow = (focal_rate(energy, bent, np.full(4, sigma), 1.11) for sigma in (2e-6, 40e-6))
    # four points 20 um off with two to spare: 28 um each; f goes with 0.885 p, and is a little bent itself
    assert wide.sigma_m_per_ev == pytest.approx(20e-6 * np.sqrt(2) * 0.885 / np.sqrt(5e4), rel=0.05)
    assert narrow.sigma_m_per_ev == pytest.approx(40e-6 * 0.885 / np.sqrt(5e4), rel=0.02)
