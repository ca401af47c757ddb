"""K fluorescence and a silicon drift detector, against tables and formulas from elsewhere."""

import numpy as np
import pytest

from xsn_acq.errors import ConfigError
from xsn_acq.optics.fluorescence import (
    AIR,
    AIR_G_CM3,
    compton_energy_ev,
    k_lines,
    k_production_cm2_g,
    mass_attenuation_cm2_g,
    scattering_cm2_g,
    transmission,
)
from xsn_acq.optics.silicon_drift import (
    Response,
    escape_share,
    fwhm_ev,
    line_shape,
    piled_up,
    stopped_share,
)

EDGES_EV = np.arange(4097) * 10.0


# X-ray Data Booklet, table 1-2
@pytest.mark.parametrize(
    ("element", "ka1", "kb1"),
    [("Mn", 5898.75, 6490.45), ("Co", 6930.32, 7649.43), ("Ni", 7478.15, 8264.66), ("Cu", 8047.78, 8905.29)],
)
def test_lines_lie_where_they_were_measured(element, ka1, kb1):
    lines = {line.name: line for line in k_lines(element)}
    # Elam's energies are differences of levels: some eV off the measured lines
    assert lines["Ka1"].energy_ev == pytest.approx(ka1, abs=3)
    assert lines["Kb1"].energy_ev == pytest.approx(kb1, abs=3)
    assert sum(line.share for line in lines.values()) == pytest.approx(1)


# Scofield's rates (Hartree-Slater) as PyMca 5.9.7 has them, KM2 + KM3 over KL2 + KL3
@pytest.mark.parametrize(("element", "ratio"), [("Mn", 0.1339), ("Co", 0.1351), ("Ni", 0.1356)])
def test_kb_to_ka_is_about_that_of_another_table(element, ratio):
    shares = {line.name: line.share for line in k_lines(element)}
    found = (shares["Kb1"] + shares["Kb3"]) / (shares["Ka1"] + shares["Ka2"])
    # tables and measurements differ by so much: Scofield's Hartree-Fock rates are 4 % above these
    assert found == pytest.approx(ratio, rel=0.09)


# photo absorption at 9 keV (EPDL97) by PyMca 5.9.7, cm2/g; fluorescence yield of Krause, J. Phys. Chem. Ref.
# Data 8, 307 (1979)
@pytest.mark.parametrize(
    ("element", "photo", "krause"),
    [("Mn", 198.8, 0.308), ("Co", 239.2, 0.373), ("Ni", 270.1, 0.406), ("Cu", 275.1, 0.440)],
)
def test_production_is_that_of_other_tables(element, photo, krause):
    # 0.87 of what is absorbed is absorbed in the K shell, to 1 %; Krause gives his yields to 3 %, absorption
    # is known to 2 %
    assert k_production_cm2_g(element, 9000.0) == pytest.approx(photo * 0.87 * krause, rel=0.05)


def test_below_the_edge_nothing_is_made():
    assert k_production_cm2_g("Cu", 8978.0) == 0 < k_production_cm2_g("Cu", 8980.0)


# Hubbell and Seltzer, NISTIR 5632, table 3: mass attenuation at 10 keV
@pytest.mark.parametrize(
    ("element", "wanted"), [("Mn", 151.4), ("Co", 184.1), ("Ni", 209.0), ("Cu", 215.9), ("Si", 33.89)]
)
def test_attenuation_is_that_of_nist(element, wanted):
    # both tables claim 2 % here
    assert float(mass_attenuation_cm2_g(element, 10_000.0)) == pytest.approx(wanted, rel=0.03)


def test_scattering_is_that_of_another_table():
    # nickel at 9 keV, EPDL97 of PyMca 5.9.7; the tables differ by a few per cent
    assert scattering_cm2_g("Ni", 9000.0) == pytest.approx((1.586, 0.0778), rel=0.05)


def test_layers_multiply():
    energies = [3000.0, 9000.0]
    once = transmission(AIR, 1.5 * AIR_G_CM3, energies)
    np.testing.assert_allclose(once**2, transmission(AIR, 3.0 * AIR_G_CM3, energies), rtol=1e-12)


def test_compton_shift_is_the_wavelengths():
    # backwards the wavelength grows by 2 h / m c = 0.0485262 angstrom; 12398.42 eV angstrom
    assert compton_energy_ev(9000.0, 180.0) == pytest.approx(
        12398.42 / (12398.42 / 9000 + 0.0485262), rel=1e-6
    )


@pytest.mark.parametrize("element", ["Xx", "H", ""])
def test_what_has_no_k_line_is_refused(element):
    with pytest.raises(ConfigError, match="wanted"):
        k_lines(element)


def test_width_is_that_of_noise_and_of_statistics():
    assert float(fwhm_ev(0.0, 60.0)) == 60.0
    # Knoll: 2.355 sqrt(0.115 x 3.66 x 5895) = 117.3 eV at Mn K alpha without noise
    assert float(fwhm_ev(5895.0, 0.0)) == pytest.approx(117.3, abs=0.1)


def test_a_line_is_the_integral_of_its_parts():
    """Against the definition on a fine grid: Gaussian convolved with delta, exponential and box."""
    response = Response(60.0, tail_share=0.2, tail_ev=150.0, shelf_share=0.1, escape=0.0)
    step, energy = 0.5, 5000.0
    grid = np.arange(0.0, 40_960.0, step) + step / 2
    charge = 0.2 * np.exp((grid - energy) / 150.0) / 150.0 * (grid < energy) + 0.1 / energy * (grid < energy)
    charge[int(energy / step) - 1 : int(energy / step) + 1] += 0.7 / (2 * step)
    sigma = float(fwhm_ev(energy, 60.0)) / 2.3548
    kernel = np.exp(-0.5 * (np.arange(-1500, 1501) * step / sigma) ** 2)
    fine = np.convolve(charge, kernel / kernel.sum(), "same") * step
    expected = fine.reshape(4096, -1).sum(axis=1)
    # the grid's step: 0.5 eV against a width of 120 eV
    np.testing.assert_allclose(line_shape(EDGES_EV, energy, response)[30:], expected[30:], atol=2e-5)


def test_a_line_keeps_its_counts():
    response = Response(60.0, tail_share=0.02, shelf_share=0.01)
    assert line_shape(EDGES_EV, 7480.0, response).sum() == pytest.approx(1, abs=1e-4)


def test_the_escape_peak_lies_lower_by_the_silicon_line():
    with_escape = line_shape(EDGES_EV, 5900.0, Response(60.0))
    around = EDGES_EV[:-1] + 5
    peak = np.abs(around - (5900.0 - 1739.9)) < 300
    assert with_escape[peak].sum() == pytest.approx(escape_share(5900.0), rel=0.01)
    assert np.average(around[peak], weights=with_escape[peak]) == pytest.approx(4160.1, abs=1)
    # PyMca 5.9.7 has 0.0038 with a yield of 0.050 (Krause); ours is Elam's 0.043
    assert escape_share(5900.0) == pytest.approx(0.0038 * 0.043 / 0.050, rel=0.05)


def test_a_thick_crystal_stops_all():
    # 0.45 mm, 10 keV: 1 - exp(-33.89 x 2.33 x 0.045) with NIST's attenuation
    assert float(stopped_share(10_000.0, 450.0)) == pytest.approx(0.971, abs=0.002)


@pytest.mark.parametrize("zero_ev", [0.0, 7.0, -13.0])
def test_two_at_once_have_the_sum_of_their_energies(zero_ev):
    spectrum = np.zeros(2000)
    spectrum[[589, 748]] = [3.0, 1.0]
    both = piled_up(spectrum, 0.5 + zero_ev / 10)
    energy_ev = zero_ev + 10 * (np.arange(2000) + 0.5)
    mean = np.average(energy_ev, weights=spectrum)
    assert both.sum() == pytest.approx(1)
    assert np.average(energy_ev, weights=both) == pytest.approx(2 * mean)
    heights = [
        both[np.abs(energy_ev - sent) < 15].sum() for sent in (11_790 + 2 * zero_ev, 14_970 + 2 * zero_ev)
    ]
    assert heights == pytest.approx([9 / 16, 1 / 16])
