"""What the simulated sample sends and what the simulated detector counts, against direct computations."""

import numpy as np
import pytest

from xsn_acq.config import load_microscope
from xsn_acq.optics.fluorescence import k_production_cm2_g, mass_attenuation_cm2_g
from xsn_acq.optics.xspress3 import CLOCK_HZ, SCALERS
from xsn_acq.sim.absorption import Absorption
from xsn_acq.sim.fluorescence import FluorescenceTruth, Sample, fluorescence
from xsn_acq.sim.fluorescence_shapes import mean_energy_ev
from xsn_acq.sim.spectrometer import Electronics, counted

VORTEX = load_microscope("ssrl-6-2c").vortex
TRUTH = FluorescenceTruth()
ENERGY_EV = 9000.0


@pytest.fixture(scope="module")
def sent():
    """A thin sample: nickel left, manganese right."""
    mass = np.full((4, 6), 1e-6)
    left = np.arange(6) < 3
    sample = Sample({"Ni": mass * left, "Mn": mass * ~left, "O": mass}, 4.7, 0.25e-9)
    return fluorescence(sample, ENERGY_EV, VORTEX, TRUTH)


def test_a_thin_sample_sends_what_the_cross_section_says(sent):
    light = np.zeros((4, 6))
    light[1, 1] = 1e12
    counts = dict(zip(sent.names, sent.arriving(light), strict=True))
    seen = TRUTH.seen_share(mean_energy_ev("Ni", "Ka"))
    # K-beta passes air and window 0.2 % more easily than K-alpha; the sample absorbs 3e-4
    assert counts["Ni"] == pytest.approx(1e12 * 1e-6 * k_production_cm2_g("Ni", ENERGY_EV) * seen, rel=3e-3)
    assert counts["Mn"] == 0
    assert counts["Cu"] == pytest.approx(1e12 * TRUTH.stray["Cu"])


def test_light_adds(sent):
    rng = np.random.default_rng(1)
    first, second = rng.random((2, 4, 6)) * 1e9
    both = sent.spectrum(first) + sent.spectrum(second)
    # yields are float32
    np.testing.assert_allclose(sent.spectrum(first + second), both, rtol=1e-5)


def test_lines_lie_in_their_bins(sent):
    spectrum = sent.spectrum(np.full((4, 6), 1e9))
    assert spectrum.shape == (4096,)
    for element, bin_of_peak in (("Mn", 589), ("Ni", 747)):
        near = slice(bin_of_peak - 20, bin_of_peak + 20)
        # calibration errors of the truth move a line by 6 eV
        assert abs(int(np.argmax(spectrum[near])) - 20) <= 1, element


def test_a_detector_further_away_sees_less():
    # inverse square; 10 mm more of air take another 1.5 % at 7 keV
    assert TRUTH.retracted_share(10.0) == pytest.approx((20 / 30) ** 2, rel=0.02)
    assert TRUTH.retracted_share(0.0) == 1


def test_a_slab_absorbs_as_beers_law_says():
    """A slab 40 um thick and 1 mm wide of nickel, seen from its side, against sums over depth and way out."""
    density, pixel_m, columns = 8.9, 25e-6, 40
    mass = np.full((1, columns), 40e-4 * density)
    absorption = Absorption({"Ni": mass}, density, pixel_m, ENERGY_EV)
    mu_in, mu_out = (float(mass_attenuation_cm2_g("Ni", sent)) * density for sent in (ENERGY_EV, 7470.0))
    depths_cm = (np.arange(4000) + 0.5) / 4000 * 40e-4
    entering = np.exp(-mu_in * depths_cm).mean()
    out_cm = (columns - 1 - np.arange(columns) + 0.5) * pixel_m * 100
    # the mean over 4000 depths is right to 1e-6
    np.testing.assert_allclose(absorption.entering[0], entering, rtol=1e-5)
    np.testing.assert_allclose(absorption.leaving([7470.0])[0, 0], np.exp(-mu_out * out_cm), rtol=1e-9)


def test_a_ball_absorbs_on_the_way_out_as_rays_through_it_do():
    """A ball of 5 um: mean way out from each column, over the ball's depth, by rays."""
    radius, pixel, density = 5e-4, 0.1e-4, 4.7
    x = (np.arange(120) - 59.5) * pixel
    half = np.sqrt(np.maximum(radius**2 - x**2, 0.0))
    absorption = Absorption({"Ni": (2 * half * density)[None]}, density, pixel / 100, ENERGY_EV)
    mu = float(mass_attenuation_cm2_g("Ni", 7470.0)) * density
    left = absorption.leaving([7470.0])[0, 0]
    for column in (20, 60, 100):
        depths = np.linspace(-half[column], half[column], 2001)
        way_out = np.sqrt(radius**2 - np.minimum(depths**2, radius**2)) - x[column]
        # columns of 0.1 um of a ball of 10 um; thin: mean of exp is exp of mean to (0.2)^2 / 20
        assert left[column] == pytest.approx(np.exp(-mu * np.clip(way_out, 0, None)).mean(), rel=0.01)


def spectrum_of(rate):
    """A flat spectrum at 5 to 8 keV with so many counts a second."""
    found = np.zeros(4096)
    found[500:800] = rate / 300
    return found


def scalers_of(rate, exposure_s=0.5, seed=1, **electronics):
    settings = {"dead_s": 5e-7} | electronics
    rng = np.random.default_rng(seed)
    found = counted(spectrum_of(rate), exposure_s, Electronics(**settings), 10.0, rng)
    return dict(zip(SCALERS, found.scalers, strict=True)), found.spectrum


def test_the_processors_dead_time_gives_the_rate_that_arrived():
    for rate in (1e3, 1e5, 8e5):
        scalers, spectrum = scalers_of(rate)
        live_s = 0.5 / scalers["dead_time_factor"]
        # Poisson: four standard deviations
        assert scalers["all_events"] / live_s == pytest.approx(rate, rel=4 / np.sqrt(rate * live_s))
        assert spectrum.sum() == pytest.approx(scalers["all_events"], abs=1)
        assert scalers["clock_ticks"] == 0.5 * CLOCK_HZ


def test_counts_scatter_as_those_of_events_thrown_in_time():
    """Dead time makes counts more even than Poisson's law: variance n T / (1 + n tau)^3 (Knoll)."""
    rate, exposure_s = 1.5e6, 2e-3
    counts = [scalers_of(rate, exposure_s, seed, reset_s=1e-12)[0]["all_events"] for seed in range(1000)]
    rng = np.random.default_rng(9)
    thrown = []
    for _ in range(400):
        waits = rng.exponential(1 / rate, 4000) + 5e-7
        thrown.append(np.count_nonzero(np.cumsum(waits) - 5e-7 < exposure_s))
    # standard errors: mean 1714 +- 24: 0.8 and 1.2; variance of 1000 draws: 4.5 %, of 400: 7 %
    assert np.mean(counts) == pytest.approx(np.mean(thrown), abs=4)
    assert np.var(counts) == pytest.approx(rate * exposure_s / (1 + rate * 5e-7) ** 3, rel=0.15)
    assert np.var(thrown) == pytest.approx(rate * exposure_s / (1 + rate * 5e-7) ** 3, rel=0.25)


def test_at_a_high_rate_counts_saturate_and_pile_up():
    scalers, spectrum = scalers_of(5e7)
    assert scalers["dead_time_percent"] > 95
    assert scalers["all_events"] < 0.5 / 5e-7
    sums = spectrum[900:].sum() / spectrum.sum()
    # two within 12.5 ns: 1 - exp(-0.625); four standard deviations of 7e5 counts are 0.3 %
    assert sums == pytest.approx(1 - np.exp(-0.625), rel=0.01)


def test_a_wrong_event_width_makes_the_processors_word_wrong():
    scalers, _ = scalers_of(8e5, event_width_ticks=5.0)
    assert scalers["event_width"] == 5
    assert scalers["dead_time_percent"] < 8  # it is 29


def test_no_light_counts_nothing():
    scalers, spectrum = scalers_of(0.0)
    assert spectrum.dtype == np.uint32
    assert not spectrum.any()
    assert scalers["dead_time_factor"] == 1


def test_the_same_seed_counts_the_same():
    first, second = (scalers_of(3e5, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first[1], second[1])
    assert first[0] == second[0]
    assert np.any(scalers_of(3e5, seed=5)[1] != first[1])
