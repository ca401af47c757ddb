"""Delta of a near-edge spectrum from its beta, against the analytic pair of a soft step and a white line."""

import numpy as np
import pytest
from edge_spectra import EDGE_EV, SHORT_EV, Edge

from xsn_acq.analysis.kramers_kronig import Table, kk_delta, kk_spectrum
from xsn_acq.analysis.near_edge import edge_curve

MIDDLE_EV = 8344.0
TABLE_EV = np.arange(8240.0, 8430.0, 0.5)


def table():
    """Sharp edge without a white line, where tables have it: the same far away."""
    sharp = Edge(rise_ev=1.0, height=0.0)
    return Table(TABLE_EV, sharp.partner(TABLE_EV - EDGE_EV), sharp(TABLE_EV - EDGE_EV))


def scatter(found, energy):
    """Of what was found about the truth, in units of the dip; how deep that is."""
    delta = Edge().partner(energy - MIDDLE_EV)
    return np.std(found - delta) / np.ptp(delta)


def test_the_analytic_pair_is_one():
    grid = np.arange(8100.0, 8600.0, 0.1)
    edge, sharp = Edge(), Edge(rise_ev=1.0, height=0.0)
    change = edge(grid - MIDDLE_EV) - sharp(grid - EDGE_EV)
    energy = np.arange(8320.0, 8365.0, 5.0)
    wanted = edge.partner(energy - MIDDLE_EV) - sharp.partner(energy - EDGE_EV)
    # the formulas leave out 1 / (E' + E), an integral of 11 eV over 16 keV
    np.testing.assert_allclose(kk_delta(energy, grid, change), wanted, atol=5e-4)


@pytest.mark.parametrize(("step_ev", "most"), [(4.0, 0.055), (1.0, 0.03)])
def test_delta_of_straight_lines_between_the_samples(step_ev, most):
    energy = np.arange(8313.0, 8353.5, step_ev)
    found = kk_spectrum(energy, Edge()(energy - MIDDLE_EV), table())
    # found 0.048 and 0.024: 4 eV do not resolve the white line, and its fall beyond 8353 eV is not measured
    assert scatter(found, energy) < most


def test_delta_of_the_edges_curve_is_right_to_1_per_cent():
    energy, beta = edge_curve(SHORT_EV, Edge()(SHORT_EV - MIDDLE_EV), edge_ev=EDGE_EV, beyond_ev=6.0)
    found = np.interp(SHORT_EV, energy, kk_spectrum(energy, beta, table()))
    assert scatter(found, SHORT_EV) < 0.01
