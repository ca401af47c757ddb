"""Delta of a near-edge spectrum from its beta, against the analytic pair of a soft step and a white line."""

import numpy as np
import pytest
from edge_spectra import EDGE_EV, SHORT_EV, Edge

from xsn_acq.analysis.kramers_kronig import Table, kk_delta, kk_spectrum
from xsn_acq.analysis.near_edge import edge_curve

TABLE_EV = np.arange(8240.0, 8430.0, 0.5)


def table():
    """Sharp edge without a white line, where tables have it: the same far away."""
    sharp = Edge(rise_ev=1.0, height=0.0)
    return Table(TABLE_EV, sharp.partner(TABLE_EV - EDGE_EV), sharp(TABLE_EV - EDGE_EV))


def scatter(found, energy, middle_ev):
    """Of what was found about the truth, in units of the dip of delta."""
    delta = Edge().partner(energy - middle_ev)
    return np.std(found - delta) / np.ptp(delta)


def test_the_analytic_pair_is_one():
    grid = np.arange(8100.0, 8600.0, 0.1)
    edge, sharp = Edge(), Edge(rise_ev=1.0, height=0.0)
    change = edge(grid - 8344) - sharp(grid - EDGE_EV)
    energy = np.arange(8320.0, 8365.0, 5.0)
    wanted = edge.partner(energy - 8344) - sharp.partner(energy - EDGE_EV)
    # the formulas leave out 1 / (E' + E), an integral of 11 eV over 16 keV
    np.testing.assert_allclose(kk_delta(energy, grid, change), wanted, atol=5e-4)


@pytest.mark.parametrize(("step_ev", "most"), [(4.0, 0.055), (1.0, 0.03)])
def test_delta_of_straight_lines_between_the_samples(step_ev, most):
    energy = np.arange(8313.0, 8353.5, step_ev)
    found = kk_spectrum(energy, Edge()(energy - 8344), table())
    # found 0.048 and 0.024: 4 eV do not resolve the white line, and its fall beyond 8353 eV is not measured
    assert scatter(found, energy, 8344) < most


@pytest.mark.parametrize("middle_ev", [8343.0, 8344.0, 8345.0])
def test_delta_of_the_edges_curve_is_right_to_about_1_per_cent(middle_ev):
    energy, beta = edge_curve(SHORT_EV, Edge()(SHORT_EV - middle_ev), edge_ev=EDGE_EV, beyond_ev=6.0)
    found = np.interp(SHORT_EV, energy, kk_spectrum(energy, beta, table()))
    # found 0.0114, 0.0095 and 0.0073; 0.05 where the curve ends with the scan
    assert scatter(found, SHORT_EV, middle_ev) < 0.013
