import itertools
import math

import numpy as np
import pytest
from pixel_axes import axis

from xsn_acq.sim.boxes import Box
from xsn_acq.sim.cathodes import (
    COBALT,
    FRAGMENT,
    LCO,
    LNO,
    NMC,
    TWIN_LCO,
    TWIN_LNO,
    areal_density,
    cobalt_target,
    three_cathodes,
)
from xsn_acq.sim.phantoms import Phantom, phantom
from xsn_acq.sim.shapes import leaning, turned

ENERGY = 9000.0
MASS = {"Li": 6.94, "Mn": 54.938, "Co": 58.933, "Ni": 58.693, "O": 15.999}
"""Standard atomic weights."""


def fraction(element, **metals):
    atoms = {"Li": 1, "O": 2, **metals}
    return atoms.get(element, 0) * MASS[element] / sum(n * MASS[e] for e, n in atoms.items())


def test_mass_of_each_element_is_that_of_the_balls():
    sample = three_cathodes()
    x = axis(256, 0.05)
    total = dict.fromkeys(("Mn", "Co", "Ni"), 0.0)
    metals = {NMC: {"Ni": 0.7, "Mn": 0.2, "Co": 0.1}, LCO: {"Co": 1}, LNO: {"Ni": 1}}
    for shape in sample.shapes:
        volume_cm3 = 4 / 3 * math.pi * math.sqrt(np.linalg.det(np.asarray(shape.form_um2))) * 1e-12
        for element in total:
            share = fraction(element, **metals[shape.material])
            total[element] += volume_cm3 * shape.material.density_g_cm3 * share
    for theta in (0.0, 40.0):
        for element, mass in total.items():
            density = areal_density(sample, element, x, x, theta)
            # chords of pixels of 50 nm
            assert density.sum(dtype=float) * (0.05e-4) ** 2 / mass == pytest.approx(1, rel=2e-3)


def test_all_is_in_the_field_and_nothing_overlaps():
    for seed in range(3):
        sample = phantom("three_cathodes", seed)
        assert sample.reach_um < 6.4
        assert -6.4 < sample.span_y_um[0] < sample.span_y_um[1] < 6.4
        balls = [(np.array(s.centre_um), np.sqrt(np.linalg.eigvalsh(s.form_um2)[-1])) for s in sample.shapes]
        for (a, ra), (b, rb) in itertools.combinations(balls, 2):
            assert np.linalg.norm(a - b) > ra + rb - 1e-9
        assert {s.material for s in sample.shapes} == {NMC, LCO, LNO}
        assert all(0.6 < 2 * radius < 4 for _, radius in balls)


def test_twins_look_alike_and_are_not():
    twins = [Phantom("twin", (three_cathodes().shapes[k],)) for k in (TWIN_LNO, TWIN_LCO)]
    x = axis(256, 0.05)
    depths = [twin.projection(ENERGY, 0.0, x, x)[1] for twin in twins]
    assert depths[0].max() / depths[1].max() == pytest.approx(1, rel=0.005)
    assert depths[0].sum() / depths[1].sum() == pytest.approx(1, rel=0.005)
    assert [areal_density(twin, "Ni", x, x).any() for twin in twins] == [True, False]
    assert [areal_density(twin, "Co", x, x).any() for twin in twins] == [False, True]


def test_fragment_touches_its_host_and_shows_beside_it():
    host, fragment = three_cathodes().shapes[FRAGMENT - 1 : FRAGMENT + 1]
    assert (host.material, fragment.material) == (LNO, LCO)
    distance = np.linalg.norm(np.subtract(host.centre_um, fragment.centre_um))
    radii = [math.sqrt(shape.form_um2[0][0]) for shape in (host, fragment)]
    assert distance == pytest.approx(sum(radii))
    assert 2 * radii[1] < 0.8
    x = axis(512, 0.025)
    cobalt = areal_density(Phantom("fragment", (fragment,)), "Co", x, x) > 0
    nickel = areal_density(Phantom("host", (host,)), "Ni", x, x) > 0
    assert 0.1 < (cobalt & nickel).sum() / cobalt.sum() < 0.9


def test_bars_are_as_wide_as_said():
    step = 0.01
    x, y = axis(1200, step), np.array([1.8, 1.81])
    row = areal_density(cobalt_target(), "Co", x, y)[0]
    assert row.max() == pytest.approx(8.90e-4)  # 1 um of 8.90 g/cm3
    edges = np.flatnonzero(np.diff((row > 4e-4).astype(int)))
    widths = np.diff(edges)[::2] * step
    spaces = np.diff(edges)[1::2] * step
    wanted = np.repeat([0.10, 0.15, 0.20, 0.30, 0.50], 3)
    assert widths == pytest.approx(wanted, abs=1.01 * step)
    assert np.delete(spaces, [2, 5, 8, 11]) == pytest.approx(np.repeat(wanted[::3], 2), abs=1.01 * step)
    assert areal_density(cobalt_target(), "Ni", x, y).max() == 0


@pytest.mark.parametrize("theta", [0.0, 33.0, 90.0])
def test_a_box_keeps_its_volume_and_is_made_of_its_points(theta):
    box = Box((0.4, -0.3, 0.2), (1.1, 0.7, 0.5), COBALT)
    x = axis(120, 0.025)
    turn = leaning(0.1, -0.05) @ turned(math.radians(theta))
    patch = box.project(turn, x, x)
    volume = patch.thickness_m.sum(dtype=float) * 0.025e-6**2
    assert volume / (1.1 * 0.7 * 0.5 * 1e-18) == pytest.approx(1, rel=2e-3)  # 64 rays a pixel
    z = axis(400, 0.005)
    column, row = 70, 48
    # a point of the laboratory was at this place of the sample
    place = turn.T @ np.stack([np.full(z.size, x[column]), np.full(z.size, x[row]), z])
    counted = box.contains(*place).sum() * 0.005e-6
    at = patch.thickness_m[row - patch.rows.start, column - patch.columns.start]
    assert counted > 0
    assert 1e6 * at == pytest.approx(1e6 * counted, abs=0.02)  # steps of 5 nm, and the pixel's own mean
    assert box.project(turn, x + 50.0, x) is None
