"""Areas of lines against what the simulated detector was given to draw from."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
from xrf_run import LIMITS, START, VORTEX, measured

from xsn_acq.analysis.xrf.areas import Limits, Trouble, line_areas
from xsn_acq.analysis.xrf.dead_time import live_times
from xsn_acq.analysis.xrf.model import EnergyScale
from xsn_acq.analysis.xrf.nonnegative import nonnegative
from xsn_acq.analysis.xrf.refining import refined
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.silicon_drift import line_shape
from xsn_acq.optics.xspress3 import column

STRONG = ("Mn", "Co", "Ni")


def areas_of(run, exposure_s, limits=LIMITS):
    model = refined(START, run.spectra.sum(axis=0))
    return line_areas(run.spectra, run.scalers, model, limits, exposure_s=exposure_s)


@pytest.mark.parametrize(("rate", "dead"), [(2e4, 0.01), (7e5, 0.27)])
def test_areas_are_those_that_were_sent(rate, dead):
    exposure_s = 3e5 / rate / (1 - dead)  # about 1e5 counts in each line
    run = measured(rate, exposure_s, 40)
    found = areas_of(run, exposure_s)
    assert not found.flags.any()
    assert found.live.dead_share.mean() == pytest.approx(dead, abs=0.02)
    for element in STRONG:
        area = found.areas[found.elements.index(element)]
        assert found.counts[found.elements.index(element)].mean() > 5e4
        # wanted: 2 %. The shelf, 0.4 % of a line, is known to half of it; 40 spectra know the mean to 0.06 %
        assert (area / run.truth[element]).mean() == pytest.approx(1, abs=0.005), element
        # one spectrum's counts scatter by 0.5 %
        np.testing.assert_allclose(area, run.truth[element], rtol=0.03)


def test_areas_are_those_that_were_sent_although_the_dead_time_is_another():
    """The detector's is 2 % longer than is known."""
    run = measured(
        8e5, 0.5, 60, dead_s=1.02 * VORTEX.dead_time_s, event_width_ticks=80e6 * VORTEX.dead_time_s - 1
    )
    found = areas_of(run, 0.5)
    assert found.live.dead_share.mean() == pytest.approx(0.3, abs=0.02)
    for element in STRONG:
        ratio = (found.areas[found.elements.index(element)] / run.truth[element]).mean()
        assert ratio == pytest.approx(1, abs=0.02), element  # wanted
        # of that the dead time makes what is told; shelf and chance the rest
        assert ratio == pytest.approx(1 - found.live.error.mean(), abs=0.003), element


@pytest.mark.parametrize("seed", [3, 10])
def test_areas_of_strong_lines_are_true_within_their_errors(seed):
    """At 1e5 counts a line and 27 % of dead time an error is 0.3 %: less than the shelf of a line holds."""
    exposure_s = 3e5 / 7e5 / 0.73
    run = measured(7e5, exposure_s, 200, seed=seed)
    found = areas_of(run, exposure_s)
    for element in STRONG:
        row = found.elements.index(element)
        pull = (found.areas[row] - run.truth[element]) / found.sigma[row]
        # 200 pulls know their mean to 0.07, their standard deviation to 0.05; the shelf is known to 0.1 %
        assert abs(np.mean(pull)) < 0.3, element
        assert np.std(pull) == pytest.approx(1, abs=0.2), element


def test_errors_are_as_large_as_they_say():
    run = measured(7e5, 0.01, 300)
    found = areas_of(run, 0.01)
    for element in STRONG:
        row = found.elements.index(element)
        pull = (found.areas[row] - run.truth[element]) / found.sigma[row]
        # 300 pulls: their standard deviation is known to 4 %; four times that
        assert np.std(pull) == pytest.approx(1, abs=0.16), element
        assert abs(np.mean(pull)) < 0.3, element  # half of the shelf, of lines known to 2 %, and chance: 0.06


def test_an_element_that_is_not_there_gets_no_more_than_its_error():
    run = measured(7e5, 0.1, 60)
    found = areas_of(run, 0.1)
    row = found.elements.index("Fe")  # between K-beta of manganese and K-alpha of cobalt; a trace is there
    excess = (found.areas[row] - run.truth["Fe"]).mean()
    # 2 in 1000 of cobalt: tails of it that the model has not quite
    assert abs(excess) < 2e-3 * run.truth["Co"].mean()


def test_the_energy_scale_is_found_again():
    run = measured(2e5, 0.1, 100)
    found = refined(START, run.spectra.sum(axis=0))
    # reading = 3 eV + 1.0004 E. Elam's line energies are up to 2 eV off the measured ones that were sent
    for energy_ev in (5898.75, 7478.15):
        read_ev = (3 + 1.0004 * energy_ev) / VORTEX.ev_per_bin
        assert found.scale.zero_ev + found.scale.ev_per_bin * read_ev == pytest.approx(energy_ev, abs=2)
    # widths of lines of 130 eV are known to 1 eV; the tables' widths add 2 eV to the noise of 63
    assert found.response.noise_fwhm_ev == pytest.approx(64, abs=2)
    # K-beta sent 5 % weaker than the tables; the sample absorbs it less, up to 2 %
    assert found.kb_weight == pytest.approx(0.96, abs=0.03)


def test_a_spectrum_of_one_line_has_its_area():
    """Without noise, and with a shape the fit knows: all counts are the line's."""
    shape = line_shape(START.scale.edges_ev(0, 4096), 5900.3, START.response)
    spectrum = np.rint(1e7 * shape)[None]
    scalers = np.zeros((1, 11))
    scalers[0, [0, 3, 4]] = 80e6, 0, spectrum.sum()
    model = replace(START, elements=("Mn",))
    found = line_areas(spectrum, scalers, replace(model, kb_weight=0.0), LIMITS)
    # K-alpha 2 lies 11 eV lower than the one line sent; the fit is not of that shape
    assert found.counts[0, 0] == pytest.approx(1e7, rel=0.01)


def test_saturation_is_flagged():
    run = measured(5e7, 0.01, 5)
    found = line_areas(run.spectra, run.scalers, START, LIMITS, exposure_s=0.01)
    assert np.all(found.flags & Trouble.SATURATED)


def test_a_detector_that_is_dead_too_long_is_flagged():
    run = measured(1.5e6, 0.01, 20)
    found = areas_of(run, 0.01)
    assert np.array_equal(found.flags & Trouble.SATURATED > 0, found.live.dead_share > VORTEX.most_dead)
    assert np.any(found.flags)


@pytest.mark.parametrize(
    "broken",
    [
        dict.fromkeys(("clock_ticks", "all_events", "all_good", "dead_time_percent"), 0.0),
        {"all_events": 0.0},
        {"all_good": 0.0},
        {"clock_ticks": 4e5},
        {"dead_time_percent": 0.0},
        {"reset_ticks": 1e9},
        {"all_events": np.nan},
    ],
)
def test_scalers_that_contradict_themselves_are_not_trusted(broken):
    run = measured(6e5, 0.01, 3)
    scalers = run.scalers.copy()
    for name, value in broken.items():
        scalers[1, column(name)] = value
    found = line_areas(run.spectra, scalers, START, LIMITS, exposure_s=0.01)
    assert (found.flags & Trouble.DEAD_TIME > 0).tolist() == [False, True, False]


def test_a_wrong_event_width_is_noticed():
    run = measured(6e5, 0.01, 3, event_width_ticks=5.0)
    found = line_areas(run.spectra, run.scalers, START, LIMITS)
    assert np.all(found.flags & Trouble.DEAD_TIME)


def test_lost_scalers_leave_no_area_but_the_counts():
    run = measured(6e5, 0.01, 3)
    found = line_areas(run.spectra, np.zeros((3, 11)), START, LIMITS)
    assert np.isnan(found.areas).all()
    assert np.isnan(found.sigma).all()
    assert np.all(found.counts[found.elements.index("Ni")] > 100)


@pytest.mark.parametrize("what", ["another element", "a moved scale"])
def test_a_spectrum_of_another_shape_is_flagged(what):
    run = measured(5e5, 0.1, 4)
    spectra, scalers = run.spectra.astype(float), run.scalers.copy()
    if what == "another element":
        titanium = line_shape(START.scale.edges_ev(0, 4096), 5431.0, START.response)  # V K-beta
        spectra[2] += np.rint(1e4 * titanium)
        scalers[2, [column("all_events"), column("all_good")]] += 1e4
    else:
        spectra[2] = np.roll(spectra[2], 4)
    model = refined(START, run.spectra.sum(axis=0))
    found = line_areas(spectra, scalers, model, LIMITS)
    assert (found.flags & Trouble.POOR_FIT > 0).tolist() == [False, False, True, False]


def test_the_error_of_the_dead_time_grows_with_it():
    run = measured(7e5, 0.02, 3)
    scalers = run.scalers
    once, twice = (
        live_times(scalers, run.spectra.sum(axis=1), dead_s).live_s for dead_s in (5e-7, 5e-7 * 1.02)
    )
    error = live_times(scalers, run.spectra.sum(axis=1), 5e-7, dead_error=0.02).error
    np.testing.assert_allclose(1 - twice / once, error, rtol=1e-6)


@pytest.mark.parametrize("exchanges", [20, 1])
def test_many_small_problems_are_solved_as_scipy_does_one(monkeypatch, exchanges):
    """Also those that are not solved after so many exchanges."""
    monkeypatch.setattr("xsn_acq.analysis.xrf.nonnegative._MOST_EXCHANGES", exchanges)
    rng = np.random.default_rng(3)
    designs, values = rng.standard_normal((200, 12, 6)), rng.standard_normal((200, 12))
    found = nonnegative(np.einsum("nbi,nbj->nij", designs, designs), np.einsum("nbi,nb->ni", designs, values))
    expected = [scipy.optimize.nnls(design, value)[0] for design, value in zip(designs, values, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert np.count_nonzero(found == 0) > 200


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"elements": ()}, "wanted one or more"),
        ({"elements": ("Ni", "Ni")}, "each once"),
        ({"scale": EnergyScale(0.0, 0.01)}, "check the calibration"),
        ({"energy_ev": 4000.0}, "found 4000 eV; fit another range"),
    ],
)
def test_a_model_that_cannot_be_fitted_is_refused(change, says):
    with pytest.raises(ReconstructionError, match=says):
        line_areas(np.ones((1, 4096)), np.zeros((1, 11)), replace(START, **change), LIMITS)


@pytest.mark.parametrize(
    ("spectra", "scalers", "says"),
    [
        (np.ones(4096), np.zeros((1, 11)), r"wanted shape \(n, bins\)"),
        (np.ones((2, 4096)), np.zeros((1, 11)), r"wanted shape \(2, 11\)"),
        (np.full((1, 4096), -1), np.zeros((1, 11)), "counts of 0 or more"),
        (np.full((1, 4096), np.nan), np.zeros((1, 11)), "counts of 0 or more"),
    ],
)
def test_what_is_no_spectrum_is_refused(spectra, scalers, says):
    with pytest.raises(ReconstructionError, match=says):
        line_areas(spectra, scalers, START, Limits(5e-7))


def test_too_few_counts_calibrate_nothing():
    with pytest.raises(ReconstructionError, match="count longer"):
        refined(START, np.zeros(4096))
