"""A hyperspectral scan of a graded cathode particle: whole tomograms across the Ni edge, shell by shell.

The instrument is calibrated once, as the program does: at other energies curve and axis follow from geometry.
"""

import h5py
import numpy as np
import pytest

from tests.system.graded_shells import RADIUS_UM, TrueShells, shell_means
from tests.system.virtual_beamline import VirtualBeamline
from xsn_acq.analysis.chemistry import nickel_model
from xsn_acq.analysis.kramers_kronig import kk_deviation, table_of
from xsn_acq.analysis.xanes import edge_energy
from xsn_acq.live import reconstruction
from xsn_acq.live.chemistry import ChemistrySettings, write_chemistry
from xsn_acq.live.volume import VolumeFile
from xsn_acq.optics.materials import formula_of, molar_mass_g
from xsn_acq.params import HyperspectralTomography

EDGE_EV = 8333.0
BEFORE_EV, AFTER_EV = 8325.0, 8366.0
"""For the composition; the second is not among the energies that a user gets if he says nothing."""
SCANNED_EV = HyperspectralTomography().sequence_ev
ENERGIES_EV = (*SCANNED_EV, AFTER_EV)
PROJECTIONS = {BEFORE_EV: 180, AFTER_EV: 180}
FEW_PROJECTIONS = 60
"""Means over shells need no more: what angles are missing makes streaks, which average out."""
FINE_UM = (0.0, 0.8, 1.4, 1.75, *(RADIUS_UM * (0.82 + 0.03 * np.arange(7))))
"""For the composition: three shells and the rest of the core, then the six in which it changes."""
WIDE_UM = (0.0, 1.0, 1.75, *(RADIUS_UM * (0.82 + 0.06 * np.arange(4))))
"""For spectra from few projections: two steps of the composition in each shell."""
OTHERS = {"Co": 3, "Mn": 2}

pytestmark = pytest.mark.timeout(600)  # twelve tomograms: 60 s on a core of its own, 240 s on a busy one


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """Paths of the volumes by energy, and the sample."""
    folder = tmp_path_factory.mktemp("nmc")
    beamline = VirtualBeamline("nmc_graded", EDGE_EV)
    calibration = beamline.calibrate()
    volumes = {}
    with pytest.MonkeyPatch.context() as patch:  # the demo has a report
        patch.setattr(reconstruction, "report_on", lambda path, record: None)
        for energy in ENERGIES_EV:
            beamline.go_to(energy)
            volumes[energy] = beamline.tomogram(
                folder / f"{energy:.0f}",
                projections=PROJECTIONS.get(energy, FEW_PROJECTIONS),
                calibration=calibration,
                turning=False,
            ).volume
    return volumes, beamline.phantom


@pytest.fixture(scope="module")
def truth(scan):
    """The true particle, blurred as measured."""
    volumes, phantom = scan
    with VolumeFile(volumes[BEFORE_EV]) as file:
        found = TrueShells(phantom, file.delta[()], file.pixel_size_m, BEFORE_EV)
        print(f"blur {found.fwhm_m * 1e9:.0f} nm FWHM", dict(file.alignment()))
        return found


@pytest.fixture(scope="module")
def composition(scan, truth, tmp_path_factory):
    """Means over fine shells, measured and true: Ni in g/cm3, and (Co + Mn) / Ni by atoms."""
    volumes, phantom = scan
    path = tmp_path_factory.mktemp("chemistry") / "chemistry.h5"
    write_chemistry(volumes[BEFORE_EV], volumes[AFTER_EV], path, ChemistrySettings(others=OTHERS))
    with VolumeFile(volumes[BEFORE_EV]) as volume, h5py.File(path) as file:
        nickel, others = (
            shell_means(file[f"entry/{name}/{name}"][()], volume.pixel_size_m, FINE_UM)
            for name in ("nickel", "others")
        )
    mass = {metal: molar_mass_g({metal: 1}) for metal in ("Ni", "Co", "Mn")}
    lumped = 0.6 * mass["Co"] + 0.4 * mass["Mn"]
    weights = truth.weights(FINE_UM)
    wanted = {
        metal: weights @ [_density(material, metal) for material in phantom.materials] for metal in mass
    }
    atoms = {metal: wanted[metal] / mass[metal] for metal in mass}
    return {
        "nickel": (nickel, wanted["Ni"]),
        "ratio": ((others / lumped) / (nickel / mass["Ni"]), (atoms["Co"] + atoms["Mn"]) / atoms["Ni"]),
    }


@pytest.fixture(scope="module")
def measured(scan):
    """Means of delta and beta over wide shells, (energies, shells) each."""
    found = {"delta": [], "beta": []}
    for path in scan[0].values():
        with VolumeFile(path) as file:
            for quantity, means in found.items():
                means.append(shell_means(getattr(file, quantity)[()], file.pixel_size_m, WIDE_UM))
    return {quantity: np.stack(means) for quantity, means in found.items()}


def _density(material, metal):
    """Density of one metal in LiNi...Co...Mn...O2, g/cm3."""
    if not material.formula:
        return 0.0
    atoms = {"Li": 1.0, "O": 2.0} | {
        name: float(material.formula.split(name)[1][:6]) for name in ("Ni", "Co", "Mn")
    }
    return material.density_g_cm3 * atoms[metal] * molar_mass_g({metal: 1}) / molar_mass_g(atoms)


def test_nickel_in_each_shell(composition):
    found, wanted = composition["nickel"]
    print("nickel, error in each shell", np.round(found / wanted - 1, 4))
    np.testing.assert_allclose(found, wanted, rtol=0.03)  # the bar


def test_the_ratio_of_the_other_metals_to_nickel(composition):
    found, wanted = composition["ratio"]
    print("(Co + Mn) / Ni, error in each shell", np.round(found - wanted, 4))
    np.testing.assert_allclose(found, wanted, atol=0.03)  # the bar
    assert wanted[0] == pytest.approx(1.0)  # Ni50 Co30 Mn20
    assert wanted[-1] < 0.25


def test_the_absorption_spectrum_of_each_shell(measured, truth):
    wanted = truth.spectra("beta", ENERGIES_EV, WIDE_UM)
    print(
        "beta, error in %, energies by shells", np.round(100 * (measured["beta"] / wanted - 1), 2), sep="\n"
    )
    np.testing.assert_allclose(measured["beta"], wanted, rtol=0.05)  # the bar; seen: 1 to 4 %


def test_the_edge_of_each_shell(measured, truth):
    """By the energies that a user gets if he says nothing: they end on the white line."""
    fine_ev = np.arange(SCANNED_EV[0], SCANNED_EV[-1] + 0.1, 0.5)
    spectra = measured["beta"][: len(SCANNED_EV)]
    found = np.array([edge_energy(SCANNED_EV, beta, edge_ev=EDGE_EV).energy_ev for beta in spectra.T])
    wanted = [_half_height_ev(fine_ev, beta) for beta in truth.spectra("beta", fine_ev, WIDE_UM).T]
    print("edge of each shell, measured and true", np.round([found, wanted], 2), sep="\n")
    np.testing.assert_allclose(found, wanted, rtol=0, atol=0.5)  # the bar; seen: 0.1 eV
    assert (np.diff(found[2:]) > 0).all()  # it rises with the nickel, by 2 eV in all


def _half_height_ev(energy_ev, beta):
    """Where a fine spectrum crosses half the way from its pre-edge line to the white line's maximum."""
    before = energy_ev <= EDGE_EV - 4
    above = beta - np.polyval(np.polyfit(energy_ev[before], beta[before], 1), energy_ev)
    rise = slice(int(np.searchsorted(energy_ev, EDGE_EV + 4)), int(above.argmax()) + 1)
    return float(np.interp(0.5 * above.max(), above[rise], energy_ev[rise]))


def test_the_phase_spectrum_is_kramers_kronig_of_the_absorption_spectrum(measured):
    """Of the whole particle; beside beta, only what kind of oxide it is: the rest is measured."""
    volume = np.diff(np.power(WIDE_UM, 3))
    delta, beta = (measured[quantity] @ volume / volume.sum() for quantity in ("delta", "beta"))
    formula, density = _oxide(beta[ENERGIES_EV.index(BEFORE_EV)], beta[-1])
    table_ev = np.r_[ENERGIES_EV[0] - 51, np.arange(ENERGIES_EV[0], AFTER_EV + 1), AFTER_EV + 51]
    compared = kk_deviation(ENERGIES_EV, delta, beta, table_of(formula, density, table_ev))
    print(
        f"{formula}, {density:.3f} g/cm3; delta, 1e-6, measured and from beta",
        np.round(1e6 * np.stack([delta, compared.expected]), 3),
        f"offset {compared.offset:.2e}, rms {compared.relative_rms:.4f}",
        sep="\n",
    )
    # Straight lines between samples 4 eV apart make up to 0.8 % with the true beta, behind the white line,
    # and a density that is off by 0.5 % makes 0.5 %.
    np.testing.assert_allclose(delta, compared.expected, rtol=0.015)
    assert compared.relative_rms < 0.006  # these lines alone make 0.0035; no dip at all would make 0.02
    dips = [each[:5].mean() - each.min() for each in (delta, compared.expected)]
    assert delta.argmin() == compared.expected.argmin()
    assert dips[0] == pytest.approx(dips[1], rel=0.15)  # of 6 % of delta; the lines make it 8 %


def _oxide(beta_before, beta_after):
    """Formula and density of the cathode oxide with that beta before and after the edge."""
    model = nickel_model(BEFORE_EV, AFTER_EV, others=OTHERS)
    densities = model.densities([beta_before, beta_after], [1e-9, 1e-9]).density_g_cm3
    nickel, others = (
        density / part.molar_mass_g for density, part in zip(densities, model.components, strict=True)
    )
    share = nickel / (nickel + others)
    atoms = {"Li": 1.0, "Ni": share, "Co": 0.6 * (1 - share), "Mn": 0.4 * (1 - share), "O": 2.0}
    return formula_of(atoms), float((nickel + others) * molar_mass_g(atoms))
