"""Nickel close to its edge: against the table, a plain Kramers-Kronig sum, and a plain blur."""

from dataclasses import replace

import numpy as np
import pytest
import xraydb

from xsn_acq.config import load_beamline
from xsn_acq.optics.materials import optical_constants
from xsn_acq.sim.microscope import Microscope
from xsn_acq.sim.near_edge import Line, NearEdge, f1, f2, near_edge_constants
from xsn_acq.sim.nominal import nominal_state
from xsn_acq.sim.phantoms import NICKEL_POWDER, OXIDE_PRE_EDGE, nickel_standard, nmc_graded
from xsn_acq.sim.state import CameraSettings
from xsn_acq.sim.truth import Truth

EDGE_EV = 8333.0
METAL = NearEdge("Ni", EDGE_EV, 1.2, 0.0, 0.0, 1.0)
OXIDE = NearEdge("Ni", 8344.5, 2.6, 0.7, 5.0, 2.4, OXIDE_PRE_EDGE)
BOTH = pytest.mark.parametrize("near", [METAL, OXIDE], ids=["metal", "oxide"])
SI_111 = 1.33e-4
STEP_EV = 0.05


def table_f1(energy_ev):
    return np.array([xraydb.f1_chantler("Ni", float(energy)) for energy in energy_ev])


def kramers_kronig(near, energy_ev, bandwidth):
    """f1 less a constant, (2 / pi) P int E' f2 / (E^2 - E'^2) dE': a sum over points about each E."""
    close = np.arange(EDGE_EV - 400, EDGE_EV + 400 + STEP_EV / 2, STEP_EV)
    weight = np.ones_like(close)
    weight[[0, -1]] = 0.5
    parts = [(close, STEP_EV * weight * close * f2(near, close, bandwidth))]
    for far in (np.geomspace(10.0, close[0], 6000), np.geomspace(close[-1], 8e5, 6000)):
        parts.append((far, np.gradient(far) * far * xraydb.f2_chantler("Ni", far)))
        parts[-1][1][[0, -1]] *= 0.5
    return np.array([sum(2 / np.pi * (v / (e**2 - grid**2)).sum() for grid, v in parts) for e in energy_ev])


@BOTH
@pytest.mark.parametrize("bandwidth", [0.0, SI_111])
def test_f1_is_the_kramers_kronig_transform_of_f2(near, bandwidth):
    off = np.concatenate([np.arange(-200, -30, 15.0), np.arange(-30, 40, 1.0), np.arange(40, 200, 15.0)])
    energy = EDGE_EV + off + STEP_EV / 2  # between two points of the sum
    found = np.array([f1(near, e, bandwidth) for e in energy])
    wanted = kramers_kronig(near, energy, bandwidth)
    difference = found - wanted
    # the table's own f1 scatters by 0.03 about its f2
    assert np.abs(difference - difference.mean()).max() < 0.01 * np.ptp(found)
    assert np.ptp(found) > 6.0


@BOTH
def test_far_from_the_edge_it_is_the_table(near):
    far = np.array([5000.0, 7000.0, 8000.0, 8200.0, 8300.0, 8380.0, 8420.0, 8600.0, 9000.0, 24900.0])
    assert f2(near, far) == pytest.approx(xraydb.f2_chantler("Ni", far), rel=1e-6)
    jump = 3.40
    # from 15 widths of the step on; the table's edge itself has a soft foot of 0.02 of the jump there
    for sign in (-1, 1):
        energy = near.edge_ev + sign * np.arange(15 * near.step_sigma_ev, 80.0, 1.0)
        assert f2(near, energy) == pytest.approx(xraydb.f2_chantler("Ni", energy), abs=0.01 * jump)


def test_f1_far_from_the_edge_of_the_metal_is_the_table_and_the_oxide_nears_it():
    far = np.array([7000.0, 8000.0, 8200.0, 8300.0, 8370.0, 8500.0, 9000.0])
    assert [f1(METAL, e) for e in far] == pytest.approx(table_f1(far), abs=0.003)
    # far away, f1 shows where the area of the edge has gone: a step 11.5 eV later, two lines more
    farther = np.array([7000.0, 7600.0, 9200.0, 9700.0])
    away = np.array([f1(OXIDE, e) for e in farther]) - table_f1(farther)
    line = 0.7 * 2.4 + 0.0353 * 3.0
    wanted = 3.40 / np.pi * (line * np.sqrt(2 * np.pi) - 11.5) / (farther - EDGE_EV)
    assert away == pytest.approx(wanted, rel=0.1)  # the second moment, 11.5 eV over the distance


def test_a_white_line_raises_f1_above_it_and_lowers_it_below():
    plain = replace(OXIDE, line_height=0.0)
    middle = OXIDE.edge_ev + OXIDE.line_offset_ev
    assert f1(OXIDE, middle + 4) > f1(plain, middle + 4) + 0.5
    assert f1(OXIDE, middle - 4) < f1(plain, middle - 4) - 0.5
    assert f1(METAL, EDGE_EV) < min(f1(METAL, EDGE_EV - 10), f1(METAL, EDGE_EV + 10)) - 1


@BOTH
def test_the_band_blurs_f2_and_f1_as_a_gaussian(near):
    sigma = 5e-4 * near.edge_ev / 2.3548  # a wide band of 1.8 eV
    t = np.linspace(-5, 5, 41)
    weight = np.exp(-0.5 * t**2) / np.exp(-0.5 * t**2).sum()
    for energy in near.edge_ev + np.array([-6.0, -2.0, 0.0, 1.0, 5.0, 8.0]):
        blurred = (weight * f2(near, energy + sigma * t)).sum()
        assert float(f2(near, energy, 5e-4)) == pytest.approx(
            blurred, rel=2e-3
        )  # the jump varies with energy
        blurred = sum(w * f1(near, e) for w, e in zip(weight, energy + sigma * t, strict=True))
        assert f1(near, energy, 5e-4) == pytest.approx(blurred, abs=0.01)  # the smooth rest is not blurred


def test_lines_keep_their_area():
    wide = Line(0.7, 8350.0, 2.4).widened(1.8)
    assert wide.height * wide.sigma_ev == pytest.approx(0.7 * 2.4)
    assert wide.sigma_ev == pytest.approx(3.0)


def test_constants_are_the_tables_but_for_the_nickel():
    formula, density, energy = "LiNi0.6Co0.24Mn0.16O2", 4.7, 8346.0
    found = near_edge_constants(formula, density, OXIDE, energy)
    table = optical_constants(formula, density, energy)
    # another way to the numbers: the table's constants for nickel alone, scaled by what f1 and f2 are
    mass = {"Li": 1.0, "Ni": 0.6, "Co": 0.24, "Mn": 0.16, "O": 2.0}
    grams = {element: n * xraydb.atomic_mass(element) for element, n in mass.items()}
    nickel = optical_constants("Ni", density * grams["Ni"] / sum(grams.values()), energy)
    f2_share = float(f2(OXIDE, energy)) / float(xraydb.f2_chantler("Ni", energy))
    assert found.beta == pytest.approx(table.beta + (f2_share - 1) * nickel.beta, rel=1e-5)
    f1_share = (28 + f1(OXIDE, energy)) / (28 + float(xraydb.f1_chantler("Ni", energy)))
    # relativistic corrections to 28 electrons are 0.1
    assert found.delta - table.delta == pytest.approx((f1_share - 1) * nickel.delta, rel=0.01)


@pytest.mark.parametrize("energy", [8326.0, 8366.0])
@pytest.mark.parametrize("bandwidth", [0.0, SI_111])
def test_the_cathodes_beta_before_and_after_the_edge_is_the_tables(energy, bandwidth):
    for material in nmc_graded().materials[1:]:
        near = near_edge_constants(
            material.formula, material.density_g_cm3, material.near_edge, energy, bandwidth
        )
        table = optical_constants(material.formula, material.density_g_cm3, energy)
        assert near.beta == pytest.approx(table.beta, rel=0.005)


def test_the_cathodes_edge_follows_its_composition():
    edges = {m.formula[4:10]: m.near_edge.edge_ev for m in nmc_graded().materials[1:]}
    assert edges["0.5000"] == 8343.5
    assert edges["0.9000"] == 8345.5
    assert edges["0.7000"] == pytest.approx(8344.5)


def absorbance(energy_ev, bandwidth):
    """Of the standard, in the middle: 4 pi / lambda times the integral of beta."""
    x = np.array([-0.05, 0.05])
    _, beta = nickel_standard().projection(energy_ev, 0.0, x, x, bandwidth=bandwidth)
    return 4 * np.pi * energy_ev / 1.239841984e-6 * float(beta[0, 0])


@pytest.mark.parametrize("bandwidth", [0.0, SI_111])
def test_the_standard_is_steepest_at_8333_ev(bandwidth):
    energy = 8333.0 + np.linspace(-1.0, 1.0, 21)
    mu = np.array([absorbance(e, bandwidth) for e in energy])
    slope, middle = np.gradient(mu), slice(6, 15)
    fit = np.polyfit(energy[middle] - 8333.0, slope[middle], 2)  # a parabola about the top, against float32
    assert -fit[1] / (2 * fit[0]) == pytest.approx(0.0, abs=0.02)
    assert absorbance(8345.0, bandwidth) - absorbance(8321.0, bandwidth) == pytest.approx(1.1, abs=0.05)


def test_a_projection_sees_the_band():
    assert absorbance(8331.0, 5e-4) > 1.1 * absorbance(8331.0, 0.0)
    x = np.array([-0.05, 0.05])
    _, beta = nickel_standard().projection(8331.0, 0.0, x, x)
    inside = nickel_standard().index(8331.0, np.zeros(1), np.zeros(1), np.zeros(1))[1]
    assert beta[0, 0] / 50e-6 == pytest.approx(inside[0], rel=1e-5)  # float32


def test_the_microscope_sees_the_band_of_its_crystals():
    beamline = load_beamline("pls2-7c-xni")
    state = replace(nominal_state(beamline, 8331.0), shutter_open=True, cutoff_x_um=-100.0)
    camera = CameraSettings(2.0, 1604 - 32, 1600 - 32, 64, 64, 2)

    def light(bandwidth):
        scope = Microscope(beamline, nickel_standard(), Truth(bandwidth=bandwidth))
        return scope.photons(state, camera).mean(dtype=float)

    wanted = absorbance(8331.0, 5e-4) - absorbance(8331.0, 0.0)
    assert np.log(light(0.0) / light(5e-4)) == pytest.approx(wanted, rel=0.02)


def test_constants_are_worked_out_once_for_each_energy(monkeypatch):
    x = np.linspace(-1.0, 1.0, 5)
    particle = nmc_graded()
    first = particle.projection(8351.25, 0.0, x, x, bandwidth=SI_111)[0]

    def again(*_):
        raise AssertionError("worked out again")

    monkeypatch.setattr("xsn_acq.sim.sample.near_edge_constants", again)
    assert np.array_equal(particle.projection(8351.25, 0.0, x, x, bandwidth=SI_111)[0], first)


def test_the_standard_is_powder_in_glue():
    atoms = xraydb.chemparse(NICKEL_POWDER.formula)
    mass = {element: n * xraydb.atomic_mass(element) for element, n in atoms.items()}
    nickel = NICKEL_POWDER.density_g_cm3 * mass["Ni"] / sum(mass.values())
    glue = NICKEL_POWDER.density_g_cm3 - nickel
    # the volumes of metal at 8.9 and of glue at 1.19 g/cm3 fill it
    assert nickel / 8.9 + glue / 1.19 == pytest.approx(1.0, abs=0.01)
