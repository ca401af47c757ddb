"""Materials, monochromator, undulator."""

import numpy as np
import pytest

from xsn_acq.errors import ConfigError
from xsn_acq.optics import monochromator, undulator
from xsn_acq.optics.materials import optical_constants

SITE = {"period_mm": 20.0, "peak_field_t": 1.9, "decay": 3.2}


# delta and beta at 8.3 keV from the tables of Henke (periodictable); two tables agree within a few per cent
@pytest.mark.parametrize(
    ("formula", "density", "delta", "beta"),
    [
        ("Al", 2.70, 7.96e-6, 1.38e-7),
        ("SiO2", 2.20, 6.70e-6, 8.2e-8),
        ("Cu", 8.96, 2.27e-5, 4.8e-7),
        ("LiNi0.6Mn0.2Co0.2O2", 4.7, 1.25e-5, 4.6e-7),
    ],
)
def test_optical_constants_against_another_table(formula, density, delta, beta):
    found = optical_constants(formula, density, 8300.0)
    assert found.delta == pytest.approx(delta, rel=0.02)
    assert found.beta == pytest.approx(beta, rel=0.05)


def test_nickel_edge():
    before, after = (optical_constants("Ni", 8.908, energy).beta for energy in (8320.0, 8345.0))
    assert after > 5 * before


@pytest.mark.parametrize(
    ("formula", "density", "energy"), [("Xy2", 1.0, 8e3), ("Cu", 0.0, 8e3), ("Cu", 1.0, -1)]
)
def test_what_is_no_material(formula, density, energy):
    with pytest.raises(ConfigError, match="material"):
        optical_constants(formula, density, energy)


def test_bragg_angle_and_back():
    for energy in (7500.0, 8333.0, 9500.0):
        angle = monochromator.bragg_angle_deg(energy, 3.1356)
        assert monochromator.energy_ev(angle, 3.1356) == pytest.approx(energy, rel=1e-12)
    # copper K alpha 1, 8047.8 eV, on Si(111): 2 theta is 28.443 degrees (silicon powder standard)
    assert monochromator.bragg_angle_deg(8047.8, 3.1356) == pytest.approx(28.443 / 2, abs=2e-3)
    assert monochromator.second_crystal_gap_mm(60.0, 12.0) == pytest.approx(12.0)


@pytest.mark.parametrize("energy", [1900.0, 0.0, -5.0])
def test_energies_the_crystals_cannot_reflect(energy):
    with pytest.raises(ValueError, match="reflects only above"):
        monochromator.bragg_angle_deg(energy, 3.1356)
    with pytest.raises(ValueError, match="must be above 0"):
        monochromator.energy_ev(0.0, 3.1356)


def test_undulator_gap_and_back():
    for energy in np.linspace(7500.0, 9500.0, 9):
        gap = undulator.gap_mm(energy, 3, ring_energy_gev=3.0, **SITE)
        assert 5.0 < gap < 30.0
        k = undulator.deflection_k(gap, **SITE)
        assert undulator.harmonic_energy_ev(k, 3, 20.0, 3.0) == pytest.approx(energy, rel=1e-12)


def test_undulator_textbook_number():
    # 0.934 * 1 T * 2 cm = 1.868; 0.9498 * 9 / (2 * (1 + 1.868^2 / 2)) keV
    assert undulator.deflection_k(0.0, 20.0, 1.0, 3.2) == pytest.approx(1.868)
    assert undulator.harmonic_energy_ev(1.868, 1, 20.0, 3.0) == pytest.approx(1556.8, abs=0.5)


@pytest.mark.parametrize("energy", [1000.0, 13000.0])
def test_energies_the_harmonic_cannot_reach(energy):
    with pytest.raises(ValueError, match="use another harmonic"):
        undulator.gap_mm(energy, 3, ring_energy_gev=3.0, **SITE)
