"""Densities of elements from beta before and after the Ni edge, against compounds, paper and phantom."""

import numpy as np
import pytest
import xraydb
from scipy import ndimage

from xsn_acq.analysis.chemistry import (
    Component,
    Composition,
    DensityModel,
    Measurement,
    equal_absorbers,
    nickel_model,
    ratio,
)
from xsn_acq.analysis.profile import ShellProfile, distance_from, unblurred_means
from xsn_acq.errors import ReconstructionError
from xsn_acq.sim.phantoms import nmc_graded

BEFORE_EV, AFTER_EV = 8326.0, 8366.0
MIX = {"Co": 3.0, "Mn": 2.0}


def oxide(nickel):
    """Atoms of a layered oxide with Co and Mn as 3 to 2."""
    return {"Li": 1.0, "Ni": nickel, "Co": 0.6 * (1 - nickel), "Mn": 0.4 * (1 - nickel), "O": 2.0}


def true_densities(atoms, density=4.7):
    """(Ni, Co + Mn) in g/cm3."""
    mass = {element: n * xraydb.atomic_mass(element) for element, n in atoms.items()}
    share = density / sum(mass.values())
    return mass["Ni"] * share, (mass["Co"] + mass["Mn"]) * share


def index(atoms, energy_ev, density=4.7):
    formula = "".join(f"{element}{n:.6f}" for element, n in atoms.items())
    return xraydb.xray_delta_beta(formula, density, energy_ev)[:2]


def betas(atoms):
    return [index(atoms, energy)[1] for energy in (BEFORE_EV, AFTER_EV)]


@pytest.mark.parametrize("nickel", [0.5, 0.6, 0.9])
def test_an_oxide_comes_back(nickel):
    model = nickel_model(BEFORE_EV, AFTER_EV, others=MIX)
    found = model.densities(betas(oxide(nickel)), [1e-8, 1e-8])
    # the same tables on both sides: rounding of the formula only
    np.testing.assert_allclose(found.density_g_cm3, true_densities(oxide(nickel)), rtol=1e-5)
    by_atoms, by_mass = (ratio(model, found, by=by).value for by in ("atoms", "mass"))
    assert by_atoms == pytest.approx((1 - nickel) / nickel, rel=1e-5)
    ni, others = true_densities(oxide(nickel))
    assert by_mass == pytest.approx(others / ni, rel=1e-5)


def test_the_equations_of_the_paper_are_the_special_case_of_their_numbers():
    per_density = 2 / (3.4e6 + 2.9e6)
    matrix = [[4.5e-7 / 8.9, per_density], [3.4e-6 / 8.9, per_density]]
    beta = (4.6e-7, 1.1e-6)
    nickel = 8.9 * (beta[0] - beta[1]) / (4.5e-7 - 3.4e-6)  # Eq. 17
    others = (beta[0] - nickel * 4.5e-7 / 8.9) * 0.5 * (3.4e6 + 2.9e6)  # Eq. 18
    parts = nickel_model(BEFORE_EV, AFTER_EV)
    model = DensityModel(parts.components, parts.measurements, matrix)
    found = model.densities(beta, [1e-8, 1e-8]).density_g_cm3
    np.testing.assert_allclose(found, (nickel, others), rtol=1e-9)  # arithmetic


def test_the_tables_agree_with_the_paper_after_the_edge_and_not_quite_before():
    nickel = Component("Ni", {"Ni": 1})
    before, after = (
        8.9 * nickel.index_per_density(Measurement("beta", energy)) for energy in (BEFORE_EV, AFTER_EV)
    )
    assert after == pytest.approx(3.4e-6, rel=0.03)
    # Chantler's table has the foot of the edge at 8326 eV, Henke's has none; their difference moves Ni by 1 %
    assert 1.1 < before / 4.5e-7 < 1.3
    assert after - before == pytest.approx(3.4e-6 - 4.5e-7, rel=0.01)
    mixed = Component("Co+Mn", equal_absorbers(("Co", "Mn"), BEFORE_EV))
    value = 1 / mixed.index_per_density(Measurement("beta", BEFORE_EV))
    assert value == pytest.approx(0.5 * (3.4e6 + 2.9e6), rel=0.02)


def test_what_it_costs_to_leave_out_oxygen_or_the_true_mixture():
    def error(nickel, **options):
        model = nickel_model(BEFORE_EV, AFTER_EV, **options)
        value = ratio(model, model.densities(betas(oxide(nickel)), [1e-8, 1e-8])).value
        return float(value) - (1 - nickel) / nickel

    assert error(0.5, others=MIX, host={}) == pytest.approx(0.039, abs=0.002)
    assert error(0.9, others=MIX, host={}) == pytest.approx(0.021, abs=0.002)  # a fifth of the ratio
    assert error(0.5) == pytest.approx(0.041, abs=0.002)  # Co and Mn averaged as in Eq. 18


def test_the_foot_of_the_edge_moves_the_ratio():
    """What it costs that tables differ by a fifth in beta of Ni just below the edge."""
    model = nickel_model(BEFORE_EV, AFTER_EV, others=MIX, nickel_beta=(4.5e-7, 3.4e-6))
    plain = nickel_model(BEFORE_EV, AFTER_EV, others=MIX)
    np.testing.assert_allclose(model.matrix[:, 1], plain.matrix[:, 1])
    np.testing.assert_allclose(model.matrix[:, 0] * 8.9, (4.5e-7, 3.4e-6), rtol=0.15)  # with Li and O beside
    nickel, others = model.densities(betas(oxide(0.6)), [1e-8, 1e-8]).density_g_cm3
    true_nickel, true_others = true_densities(oxide(0.6))
    assert nickel / true_nickel == pytest.approx(1, abs=0.01)
    assert (others - true_others) / nickel * 58.69 / 57.34 == pytest.approx(0.03, abs=0.01)


def test_errors_are_those_of_many_noisy_voxels():
    model = nickel_model(BEFORE_EV, AFTER_EV, others=MIX)
    rng, sigma = np.random.default_rng(1), (2e-8, 3e-8)
    volumes = [b + s * rng.standard_normal(20_000) for b, s in zip(betas(oxide(0.6)), sigma, strict=True)]
    found = model.densities(volumes, sigma)
    # 20000 draws: standard deviations to 0.5 %, covariance alike
    np.testing.assert_allclose(np.cov(found.density_g_cm3), found.covariance, rtol=0.05)
    value = ratio(model, found)
    # first order: the ratio's own curvature adds some per cent
    assert float(np.median(value.sigma)) == pytest.approx(float(np.std(value.value)), rel=0.05)


def test_noise_may_differ_from_voxel_to_voxel():
    model = nickel_model(BEFORE_EV, AFTER_EV, others=MIX)
    noise = np.array([1e-8, 2e-8, 4e-8])
    found = model.densities([np.full(3, b) for b in betas(oxide(0.6))], [noise, noise])
    np.testing.assert_allclose(found.sigma_g_cm3() / found.sigma_g_cm3()[:, :1], [[1, 2, 4]] * 2, rtol=1e-9)


def test_delta_makes_the_sum_of_metals_surer():
    atoms = oxide(0.6)
    plain, more = (nickel_model(BEFORE_EV, AFTER_EV, others=MIX, with_delta=on) for on in (False, True))
    volumes = betas(atoms) + [index(atoms, energy)[0] for energy in (BEFORE_EV, AFTER_EV)]
    found = more.densities(volumes, [4e-7] * 4)
    np.testing.assert_allclose(found.density_g_cm3, true_densities(atoms), rtol=1e-5)  # same tables
    alone = plain.densities(volumes[:2], [4e-7] * 2)
    assert np.all(found.sigma_g_cm3() < alone.sigma_g_cm3())


def test_no_ratio_where_there_is_too_little_nickel():
    model = nickel_model(BEFORE_EV, AFTER_EV, others=MIX)
    found = Composition(np.array([[2.0, 0.2, 2.0], [1.0, 1.0, 0.0]]), np.diag([0.1, 0.1]) ** 2)
    np.testing.assert_array_equal(np.isnan(ratio(model, found).value), [False, True, False])
    np.testing.assert_array_equal(np.isnan(ratio(model, found, at_least_g_cm3=2.5).value), True)


def test_one_side_of_an_edge_tells_nothing_apart():
    with pytest.raises(ReconstructionError, match=r"Ni, Co\+Mn: 2 volumes cannot tell them apart"):
        nickel_model(8366.0, 8366.0, others=MIX)


VOXEL_UM, ROWS, SIDE = 0.08, 20, 68
SIGMA = 0.1 / 2.355 / VOXEL_UM
"""Blur of 100 nm full width at half maximum, voxels."""
EDGES_M = 2.4e-6 * np.concatenate([[0.7], 0.82 + 0.18 * np.arange(7) / 6])


def pool(fine):
    return fine.reshape(ROWS, 2, SIDE, 2, SIDE, 2).mean((1, 3, 5))


@pytest.fixture(scope="module")
def graded():
    """The graded particle on a finer grid: part of each voxel that each material fills."""
    phantom = nmc_graded()
    y, x = ((np.arange(2 * n) - n + 0.5) * VOXEL_UM / 2 for n in (ROWS, SIDE))
    labels = phantom.labels(x[None, None], y[:, None, None], x[None, :, None])
    parts = np.stack([pool((labels == k).astype(np.float32)) for k in range(len(phantom.materials))])
    return [xraydb.chemparse(material.formula) for material in phantom.materials[1:]], parts


def measured(materials, parts, values):
    """Blurred map of a value of each material; air has none."""
    return ndimage.gaussian_filter(np.tensordot([0.0, *map(values, materials)], parts, 1), SIGMA)


def test_shells_of_a_graded_particle_against_the_truth_blurred_alike(graded):
    materials, parts = graded
    rng, noise = np.random.default_rng(2), 2e-7
    volumes = [
        measured(materials, parts, lambda atoms, energy=energy: index(atoms, energy)[1])
        for energy in (BEFORE_EV, AFTER_EV)
    ]
    noisy = [volume + noise * rng.standard_normal(volume.shape) for volume in volumes]
    model = nickel_model(BEFORE_EV, AFTER_EV, others=MIX)
    found = model.densities(noisy, [noise] * 2).density_g_cm3
    truth = [measured(materials, parts, lambda atoms, k=k: true_densities(atoms)[k]) for k in (0, 1)]
    centre = np.array([0.05, -0.15, 0.2]) / VOXEL_UM + (np.array(parts.shape[1:]) - 1) / 2
    distance = distance_from(parts.shape[1:], tuple(centre), VOXEL_UM * 1e-6)
    shells, true_shells = (ShellProfile(EDGES_M, quantities=2) for _ in range(2))
    shells.push(found, distance)
    true_shells.push(truth, distance)
    profile, wanted = shells.value(), true_shells.value()
    # the bar; thousands of voxels a shell leave 0.6 to 1 % of noise
    np.testing.assert_allclose(profile.mean[0], wanted.mean[0], rtol=0.03)
    pull = (profile.mean - wanted.mean) / profile.error
    assert np.abs(pull).max() < 3.5  # 14 shells, Gaussian
    kwargs = {"by": "mass", "at_least_sigmas": 0.0}
    both = (ratio(model, Composition(each.mean, each.covariance), **kwargs) for each in (profile, wanted))
    # the bar; Co:Mn runs from 3:2 to 1:1 in the particle, which costs 0.003
    np.testing.assert_allclose(*(each.value for each in both), atol=0.03)


def test_the_blur_of_known_shells_is_undone(graded):
    materials, parts = graded
    blurred = measured(materials, parts, lambda atoms: true_densities(atoms)[0])
    wanted = [0.0, *(true_densities(atoms)[0] for atoms in materials)]
    plain = np.tensordot(parts, blurred, 3) / parts.sum(axis=(1, 2, 3))
    assert abs(plain[1] / wanted[1] - 1) > 0.1  # the rim loses to the air
    # same blur on both sides, voxels that two shells share: rounding in float32
    np.testing.assert_allclose(unblurred_means(blurred, parts, SIGMA), wanted, atol=2e-3)
