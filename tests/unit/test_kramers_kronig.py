"""Kramers-Kronig against pairs that are known: an oscillator, and the tables."""

from itertools import pairwise

import numpy as np
import pytest
import xraydb
from scipy.integrate import quad

from xsn_acq.analysis.kramers_kronig import Table, kk_delta, kk_deviation, kk_spectrum, table_of
from xsn_acq.errors import ReconstructionError

E0, WIDTH, STRENGTH = 8333.0, 60.0, 1e3


def oscillator(energy):
    """(delta, beta) of a Lorentz oscillator: an exact pair."""
    index = STRENGTH / (E0**2 - energy**2 - 1j * WIDTH * energy)
    return -index.real, index.imag


def wide_grid():
    """Fine around the resonance, coarse far away, from 1 eV to 1 MeV."""
    near = np.linspace(E0 - 1000, E0 + 1000, 2001)
    return np.union1d(near, np.geomspace(1.0, 1e6, 2000))


def test_an_oscillator():
    grid = wide_grid()
    energy = np.linspace(8000, 8700, 141)
    delta, _ = oscillator(energy)
    found = kk_delta(energy, grid, oscillator(grid)[1])
    # straight lines of 1 eV under a resonance of half width 30 eV: (1/30)^2 / 4 of the peak
    np.testing.assert_allclose(found, delta, atol=3e-4 * np.abs(delta).max())


def test_straight_lines_are_integrated_exactly():
    grid, beta = np.array([5.0, 7.0, 8.0, 12.0]), np.array([0.0, 2.0, 1.0, 0.0])

    def direct(energy):
        """The singularity taken out by hand, each piece by adaptive quadrature."""

        def smooth(x):
            return (x * np.interp(x, grid, beta) / (x + energy) - at / 2) / (x - energy)

        at = np.interp(energy, grid, beta)
        points = sorted({*grid, energy})
        pieces = (quad(smooth, a, b, epsabs=1e-12)[0] for a, b in pairwise(points))
        return -2 / np.pi * (sum(pieces) + at / 2 * np.log((grid[-1] - energy) / (energy - grid[0])))

    energies = [6.1, 7.0, 7.4, 8.0, 11.0]  # on corners too
    np.testing.assert_allclose(kk_delta(energies, grid, beta), [direct(e) for e in energies], rtol=1e-7)
    outside = quad(lambda x: x * np.interp(x, grid, beta) / (x**2 - 400), 5, 12, points=[7, 8])[0]
    assert kk_delta(20.0, grid, beta)[0] == pytest.approx(-2 / np.pi * outside, rel=1e-9)


def nickel(density=8.9):
    """Table of nickel around its K edge."""
    energy = np.arange(7900, 8901, 2.0)
    atoms_per_m3 = density * 1e6 * 6.02214076e23 / xraydb.atomic_mass("Ni")
    scale = 2.8179403e-15 * (1.239841984e-6 / energy) ** 2 * atoms_per_m3 / (2 * np.pi)
    f1 = 28 + xraydb.f1_chantler("Ni", energy)
    return Table(energy, scale * f1, scale * xraydb.f2_chantler("Ni", energy))


def test_a_table_of_a_compound():
    known, made = nickel(), table_of("Ni", 8.9, [8300.0, 8400.0])
    for quantity in ("delta", "beta"):
        wanted = np.interp([8300.0, 8400.0], known.energy_ev, getattr(known, quantity))
        np.testing.assert_allclose(getattr(made, quantity), wanted, rtol=1e-3)  # the library's splines


def test_f1_of_nickel_follows_from_its_f2():
    grid = np.geomspace(20, 4e5, 6000)
    grid = np.union1d(grid, np.arange(7800, 9000, 1.0))
    f2 = xraydb.f2_chantler("Ni", grid)
    energy = np.array([7900.0, 8100.0, 8250.0, 8300.0, 8400.0, 8500.0, 8800.0])
    # f1 - Z = (2/pi) P int E' f2 / (E^2 - E'^2) dE': delta where beta is f2. Between -2 and -5 electrons;
    # the tables add a relativistic correction of (28/82.5)^2.37 = 0.08 and smooth the edge itself
    np.testing.assert_allclose(kk_delta(energy, grid, f2), xraydb.f1_chantler("Ni", energy), atol=0.16)


def test_the_tables_own_beta_gives_their_delta_and_white_lines_change_it():
    table = nickel()
    energy = np.arange(8250, 8450, 2.0)
    beta = np.interp(energy, table.energy_ev, table.beta)
    delta = np.interp(energy, table.energy_ev, table.delta)
    np.testing.assert_allclose(
        kk_spectrum(energy, beta, table), delta, rtol=1e-12
    )  # no difference to transform
    line_delta, line_beta = (2e-4 * each for each in oscillator(energy))
    agreed = kk_deviation(energy, delta + line_delta, beta + line_beta, table, fade_ev=300)
    # the oscillator's wings beyond the window are cut off: its delta drifts slowly there
    assert agreed.rms < 0.06 * np.abs(line_delta).max()
    missed = kk_deviation(energy, delta, beta + line_beta, table, fade_ev=300)
    assert missed.rms > 5 * agreed.rms
    shifted = kk_deviation(energy, delta + 1e-6, beta, table)
    assert (shifted.offset, shifted.rms) == (pytest.approx(1e-6), pytest.approx(0, abs=1e-15))


def test_a_window_beyond_the_table_is_refused():
    with pytest.raises(ReconstructionError, match="wanted a table beyond"):
        kk_spectrum([7910.0, 8000.0], [1e-6, 1e-6], nickel())
    with pytest.raises(ReconstructionError, match="rising energies"):
        kk_delta(8000.0, [8100.0, 8000.0], [1.0, 1.0])
