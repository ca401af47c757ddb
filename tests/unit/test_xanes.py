"""Edges of spectra against the formulas they were made with."""

import numpy as np
import pytest
from edge_spectra import EDGE_EV, JUMP, LONG_EV, SHORT_EV, Edge, absorbance
from scipy.special import ndtr

from xsn_acq.analysis.near_edge import EdgeFinder, EdgeShapes, edge_curve
from xsn_acq.analysis.normalisation import normalisation
from xsn_acq.analysis.xanes import edge_energy, inflection, normalise_spectrum
from xsn_acq.errors import ReconstructionError

MIDDLE_EV = 8344.5


def edges_of(energy_ev, spectra, noise=1.0):
    """Of many spectra (n, m) at once."""
    finder = EdgeFinder(energy_ev, normalisation(energy_ev, edge_ev=EDGE_EV), EDGE_EV, EdgeShapes())
    return finder.crossings(spectra, np.full(energy_ev.size, noise)), finder.method


def errors(energy_ev, edge):
    """Found less true energy, for all phases of the steps."""
    middles = 8343.5 + np.arange(0, 1, 0.125) * (energy_ev[1] - energy_ev[0])
    spectra = np.stack([absorbance(energy_ev, middle, edge) for middle in middles], axis=1)
    found, method = edges_of(energy_ev, spectra)
    return found.energy_ev - middles - edge.crossing(method)


def test_lines_and_jump_of_a_spectrum():
    edge = Edge()
    found = normalise_spectrum(LONG_EV, absorbance(LONG_EV, MIDDLE_EV, edge), sigma=1e-3, edge_ev=EDGE_EV)
    # the white line's and the step's tails in the windows are below 1e-6
    assert found.jump == pytest.approx(JUMP, abs=1e-5)
    np.testing.assert_allclose(found.pre, absorbance(LONG_EV, 1e5, edge), atol=1e-5)
    np.testing.assert_allclose(found.normalised, edge(LONG_EV - MIDDLE_EV), atol=1e-4)
    np.testing.assert_allclose(found.subtracted, found.jump * found.normalised, rtol=1e-12)
    np.testing.assert_allclose(found.post - found.pre, JUMP, atol=1e-5)


def jumps_of(noise, *, given):
    rng, spectrum = np.random.default_rng(3), absorbance(LONG_EV, MIDDLE_EV)
    spectra = spectrum + noise * rng.standard_normal((200, LONG_EV.size))
    found = [
        normalise_spectrum(LONG_EV, mu, sigma=noise if given else None, edge_ev=EDGE_EV) for mu in spectra
    ]
    return np.std([each.jump for each in found]), np.sqrt(np.mean([each.jump_sigma**2 for each in found]))


@pytest.mark.parametrize(
    ("noise", "given"), [(np.linspace(2e-3, 6e-3, LONG_EV.size), True), (np.full(LONG_EV.size, 3e-3), False)]
)
def test_the_jumps_error_is_that_of_many_noisy_spectra(noise, given):
    scatter, error = jumps_of(noise, given=given)
    assert scatter == pytest.approx(error, rel=0.15)  # 200 spectra know their scatter to 5 %


@pytest.mark.parametrize("stop_ev", [8341, 8349, 8353, 8361])
def test_a_scan_that_has_no_post_edge_says_so(stop_ev):
    energy = np.arange(8313.0, stop_ev + 1, 4.0)
    found = normalise_spectrum(energy, absorbance(energy, MIDDLE_EV), edge_ev=EDGE_EV)
    assert np.isnan(found.jump)
    assert np.isnan(found.jump_sigma)
    assert (found.post, found.normalised) == (None, None)
    np.testing.assert_allclose(found.subtracted, JUMP * Edge()(energy - MIDDLE_EV), atol=1e-5)


def test_few_points_before_the_edge_make_a_constant_many_after_it_a_line():
    few = normalise_spectrum([8321.0, 8325.0, 8337.0], [1.0, 2.0, 4.0], edge_ev=EDGE_EV)
    np.testing.assert_allclose(few.pre, 1.5)
    energy = np.arange(8233.0, 8534.0, 4.0)
    mu = 2 - 1e-3 * (energy - EDGE_EV) + np.where(energy > EDGE_EV, 1 + 5e-4 * (energy - EDGE_EV), 0)
    far = normalise_spectrum(energy, mu, edge_ev=EDGE_EV)
    assert far.jump == pytest.approx(1.0)
    np.testing.assert_allclose(far.post, 3 - 5e-4 * (energy - EDGE_EV))


def test_the_lines_are_weighted_by_the_noise():
    rng = np.random.default_rng(9)
    energy = np.arange(8283.0, 8400.0, 3.0)
    sigma = rng.uniform(1e-3, 2e-2, energy.size)
    mu = absorbance(energy, MIDDLE_EV) + sigma * rng.standard_normal(energy.size)
    found = normalise_spectrum(energy, mu, sigma=sigma, edge_ev=EDGE_EV)
    before = energy <= EDGE_EV - 4
    line = np.polyfit(energy[before] - EDGE_EV, mu[before], 1, w=1 / sigma[before])
    np.testing.assert_allclose(found.pre, np.polyval(line, energy - EDGE_EV), rtol=1e-9)


@pytest.mark.parametrize(("energy", "method"), [(SHORT_EV, "half_height"), (LONG_EV, "half_jump")])
def test_an_edge_in_steps_of_4_ev(energy, method):
    assert np.abs(errors(energy, Edge())).max() < 0.1  # splines are off by 0.45 and 0.19
    found = edge_energy(energy, absorbance(energy, MIDDLE_EV), edge_ev=EDGE_EV)
    assert found.method == method
    assert found.energy_ev == pytest.approx(MIDDLE_EV + Edge().crossing(method), abs=0.1)


@pytest.mark.parametrize(
    "edge",
    [
        Edge(rise_ev=2.1),
        Edge(rise_ev=3.1),
        Edge(height=0.35),
        Edge(height=1.0),
        Edge(offset_ev=4.2),
        Edge(line_ev=2.9),
    ],
    ids=str,
)
def test_edges_of_other_shapes(edge):
    for energy in (SHORT_EV, LONG_EV):
        # what shapes within 20 % of the expected leave open between samples 4 eV apart
        assert np.abs(errors(energy, edge)).max() < 0.22
    for energy in (np.arange(8313.0, 8354.0), np.arange(8313.0, 8374.0)):
        assert np.abs(errors(energy, edge)).max() < 0.02  # samples 1 eV apart leave nothing open


def test_two_valences_in_one_pixel():
    energy, halves = SHORT_EV, (8343.5, 8345.5)
    fine = np.arange(8330.0, 8360.0, 0.01)
    curve = sum(0.5 * Edge()(fine - at) for at in halves)
    top = curve.argmax()
    truth = np.interp(0.5 * curve[top], curve[:top], fine[:top])
    mu = sum(0.5 * absorbance(energy, at) for at in halves)
    assert edge_energy(energy, mu, edge_ev=EDGE_EV).energy_ev == pytest.approx(truth, abs=0.2)


@pytest.mark.parametrize("energy", [SHORT_EV, LONG_EV], ids=["short", "long"])
@pytest.mark.parametrize("noise", [1e-3, 1e-2])
def test_the_edges_error_is_that_of_many_noisy_spectra(energy, noise):
    rng, spectrum = np.random.default_rng(5), absorbance(energy, MIDDLE_EV)
    many, _ = edges_of(energy, spectrum[:, None] + noise * rng.standard_normal((energy.size, 300)), noise)
    # 300 spectra know their scatter to 4 %; measured ratios lie between 0.93 and 1.08
    assert np.std(many.energy_ev) == pytest.approx(np.sqrt(np.mean(many.sigma_ev**2)), rel=0.15)
    one = edge_energy(energy, spectrum, sigma=noise, edge_ev=EDGE_EV)
    assert one.sigma_ev == pytest.approx(np.mean(many.sigma_ev), rel=0.1)


def test_without_sigma_the_scatter_tells_the_error():
    rng, noise = np.random.default_rng(7), 3e-3
    energy = np.arange(8283.0, 8375.0, 2.0)
    mu = absorbance(energy, MIDDLE_EV) + noise * rng.standard_normal(energy.size)
    given, told = (edge_energy(energy, mu, sigma=each, edge_ev=EDGE_EV) for each in (noise, None))
    assert told.energy_ev == given.energy_ev
    assert told.sigma_ev == pytest.approx(given.sigma_ev, rel=0.4)  # 26 spare points: 14 %
    bare = SHORT_EV[2:]  # two points before the edge leave one to spare
    assert np.isfinite(edge_energy(bare, absorbance(bare, MIDDLE_EV), edge_ev=EDGE_EV).sigma_ev)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"energy_ev": SHORT_EV[:9]}, "go on to higher energies"),
        ({"energy_ev": SHORT_EV[:7]}, "2 of them above, found 7 and 1"),
        ({"energy_ev": SHORT_EV[3:5]}, "on both sides"),
        (
            {"energy_ev": [8329.0, 8331.0, 8334.0, 8336.0, 8337.0], "pre_ev": (-30.0, -10.0)},
            "before the edge",
        ),
        ({"energy_ev": [8320.0, 8330.0, 8340.0]}, "4 or more energies"),
        ({"edge_ev": 8979.0}, "on both sides"),
        ({"energy_ev": SHORT_EV[::-1]}, "rising"),
        ({"mu": np.full(SHORT_EV.size, np.nan)}, "11 not finite"),
        ({"mu": np.zeros(4)}, "one for each energy"),
        ({"sigma": 0.0}, "sigma above 0"),
        ({"sigma": 0.2}, "is the element in the sample"),
        ({"mu": -absorbance(SHORT_EV, MIDDLE_EV)}, "is the element in the sample|go on to higher"),
    ],
)
def test_what_cannot_be_told_is_refused(change, message):
    energy = np.asarray(change.get("energy_ev", SHORT_EV))
    arguments = {"energy_ev": energy, "mu": absorbance(energy, MIDDLE_EV), "edge_ev": EDGE_EV, **change}
    with pytest.raises(ReconstructionError, match=message):
        edge_energy(arguments.pop("energy_ev"), arguments.pop("mu"), **arguments)


def test_a_curve_between_the_samples():
    energy, curve = edge_curve(
        SHORT_EV, absorbance(SHORT_EV, MIDDLE_EV), edge_ev=EDGE_EV, beyond_ev=6.0, step_ev=0.25
    )
    assert (energy[0], energy[-1]) == (8313.0, 8359.0)
    off = curve - absorbance(energy, MIDDLE_EV)
    assert np.abs(off[energy <= 8353]).max() < 0.04 * JUMP  # straight lines: 0.25
    assert np.abs(off).max() < 0.12 * JUMP  # beyond the last sample, where the white line falls


def foil(energy_ev, middle_ev, *, sigma=1.2, slope=-2e-3, line=0.0):
    x = energy_ev - middle_ev
    bump = line * np.exp(-0.5 * ((x - 9) / 3) ** 2)
    return 0.3 - 5e-4 * x + (1 + slope * x) * ndtr(x / sigma) + bump


@pytest.mark.parametrize("step_ev", [0.5, 1.0])
@pytest.mark.parametrize("options", [{}, {"slope": -0.02}, {"sigma": 0.8}, {"line": 0.3}], ids=str)
def test_the_steepest_point_of_a_foil(step_ev, options):
    fine = np.arange(-3, 3, 5e-4)
    truth = fine[np.gradient(foil(fine, 0.0, **options)).argmax()]
    energy = np.arange(8310.0, 8360.0, step_ev)
    for middle in 8333 + np.arange(0, 1, 0.25) * step_ev:
        found = inflection(energy, foil(energy, middle, **options))
        assert found.method == "inflection"
        assert abs(found.energy_ev - middle - truth) < 0.05  # the task's; without the bump it is 0.001


@pytest.mark.parametrize("given", [True, False])
def test_the_inflections_error_is_that_of_many_noisy_spectra(given):
    rng, noise, energy = np.random.default_rng(8), 0.01, np.arange(8313.0, 8353.0)
    found = [
        inflection(
            energy,
            foil(energy, 8333.2) + noise * rng.standard_normal(energy.size),
            sigma=noise if given else None,
        )
        for _ in range(60)
    ]
    # 60 spectra know their scatter to 9 %
    error = np.sqrt(np.mean([each.sigma_ev**2 for each in found]))
    assert np.std([each.energy_ev for each in found]) == pytest.approx(error, rel=0.3)


@pytest.mark.parametrize(
    ("energy", "mu", "message"),
    [
        (np.arange(8320.0, 8350.0, 4.0), foil(np.arange(8320.0, 8350.0, 4.0), 8333.0), "finer steps"),
        (
            np.arange(8313.0, 8333.0),
            foil(np.arange(8313.0, 8333.0), 8333.5),
            "rising edge within|no fit of one",
        ),
        (
            np.arange(8313.0, 8353.0),
            np.random.default_rng(2).normal(0.3, 0.01, 40),
            "rising edge within|no fit of one|finer steps",
        ),
        (np.arange(8313.0, 8353.0), np.full(40, np.inf), "40 not finite"),
    ],
)
def test_what_is_no_foils_edge_is_refused(energy, mu, message):
    with pytest.raises(ReconstructionError, match=message):
        inflection(energy, mu)
