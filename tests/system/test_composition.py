"""Composition of a graded cathode particle, from whole tomograms before and after the Ni edge.

The shells of the particle are 72 nm thick, hardly more than what is resolved, so measured means are compared
with those of the truth blurred as the microscope blurs. How much that is, the phase tells: the oxide's delta
is nearly uniform, and the width of its step to air is fitted.
"""

import h5py
import numpy as np
import pytest
from scipy import ndimage, optimize

from tests.system.virtual_beamline import VirtualBeamline, grids_um
from xsn_acq.live.chemistry import ChemistrySettings, write_chemistry
from xsn_acq.live.volume import VolumeFile
from xsn_acq.optics.materials import molar_mass_g, optical_constants
from xsn_acq.units import UM

ENERGIES_EV = (8326.0, 8366.0)
CENTRE_UM = (0.2, 0.05, -0.15)
RADIUS_UM = 2.4
SHELLS_UM = np.array([0.0, 0.8, 1.4, 1.75, *(RADIUS_UM * (0.82 + 0.03 * np.arange(7)))])
"""Three in the core, then the six in which the composition changes; the last ends at the surface."""
PROJECTIONS = 300
"""A third of the paper's: more noise, three times the motion blur."""
PARTS = 3
"""The truth is drawn on a grid so many times finer."""
AROUND_UM = 0.4
"""Of the air around the particle: ten voxels, of which blur reaches four."""


@pytest.fixture(scope="module")
def shells(tmp_path_factory):
    """Means over each shell, measured and true: Ni in g/cm3, and (Co + Mn) / Ni by atoms."""
    folder = tmp_path_factory.mktemp("nmc")
    beamlines = [VirtualBeamline("nmc_graded", energy) for energy in ENERGIES_EV]
    volumes = [
        beamline.tomogram(folder / f"{beamline.energy_ev:.0f}", projections=PROJECTIONS).volume
        for beamline in beamlines
    ]
    write_chemistry(*volumes, folder / "chemistry.h5", ChemistrySettings(others={"Co": 3, "Mn": 2}))
    with VolumeFile(volumes[0]) as file:
        delta, pixel_size_m = file.delta[()], file.pixel_size_m
        print(dict(file.alignment()))

    with h5py.File(folder / "chemistry.h5") as file:
        nickel, others = (file[f"entry/{name}/{name}"][()] for name in ("nickel", "others"))
    truth = _Truth(beamlines[0].phantom, delta.shape, pixel_size_m)
    sigma = truth.blur_of(delta)
    print(f"blur {2.3548 * sigma * pixel_size_m * 1e9:.0f} nm FWHM")
    mass = {metal: molar_mass_g({metal: 1}) for metal in ("Ni", "Co", "Mn")}
    lumped = 0.6 * mass["Co"] + 0.4 * mass["Mn"]
    wanted = {metal: truth.means(metal, sigma) for metal in mass}
    found_ni, found_others = truth.shell_means(nickel), truth.shell_means(others)
    atoms = {metal: wanted[metal] / mass[metal] for metal in mass}
    return {
        "nickel": (found_ni, wanted["Ni"]),
        "ratio": (
            (found_others / lumped) / (found_ni / mass["Ni"]),
            (atoms["Co"] + atoms["Mn"]) / atoms["Ni"],
        ),
    }


class _Truth:
    """The particle, and a little air around it, on the grid of a volume."""

    def __init__(self, phantom, shape, pixel_size_m):
        self._phantom = phantom
        x0, y0, z0 = CENTRE_UM
        x, y, z = grids_um(shape, pixel_size_m)
        self._box = tuple(_near(axis, centre) for axis, centre in ((y, y0), (z, z0), (x, x0)))
        y, z, x = y[self._box[0]], z[:, self._box[1]], x[:, :, self._box[2]]
        self._shape = y.size, z.size, x.size
        fine_x, fine_y, fine_z = (_finer(axis, pixel_size_m / UM) for axis in (x, y, z))
        distance = np.sqrt((x - x0) ** 2 + (y - y0) ** 2 + (z - z0) ** 2)
        self._shell = np.digitize(distance, SHELLS_UM)
        self._rim = np.abs(distance - RADIUS_UM) < 0.15
        self._labels = np.concatenate(
            [phantom.labels(fine_x, fine_y[y : y + PARTS], fine_z) for y in range(0, fine_y.size, PARTS)]
        )

    def _pooled(self, values):
        """Value of each material, averaged over the voxels."""
        ny, nz, nx = self._shape
        return np.stack(
            [
                np.asarray(values, np.float32)[self._labels[PARTS * y : PARTS * (y + 1)]]
                .reshape(PARTS, nz, PARTS, nx, PARTS)
                .mean((0, 2, 4))
                for y in range(ny)
            ]
        )

    def blur_of(self, delta):
        """Standard deviation, voxels, of the Gaussian that makes the true delta look as measured."""
        seen = delta[self._box]
        true = self._pooled([_delta(material) for material in self._phantom.materials])

        def misfit(sigma):
            return float(((ndimage.gaussian_filter(true, sigma) - seen)[self._rim] ** 2).sum())

        return optimize.minimize_scalar(
            misfit, bounds=(0.3, 2.5), method="bounded", options={"xatol": 0.02}
        ).x

    def means(self, metal, sigma):
        """Mean density of a metal in each shell, g/cm3, blurred."""
        density = [_density(material, metal) for material in self._phantom.materials]
        return self._means(ndimage.gaussian_filter(self._pooled(density), sigma))

    def shell_means(self, values):
        """Mean of a volume in each shell."""
        return self._means(values[self._box])

    def _means(self, values):
        return np.array([values[self._shell == number].mean() for number in range(1, SHELLS_UM.size)])


def _near(axis_um, centre_um):
    """Where an axis is near the particle."""
    (near,) = np.nonzero(np.abs(np.ravel(axis_um) - centre_um) < RADIUS_UM + AROUND_UM)
    return slice(near[0], near[-1] + 1)


def _finer(axis_um, pixel_um):
    """Centres of the parts of each voxel, along the same dimension."""
    parts = (np.arange(PARTS) - 0.5 * (PARTS - 1)) * pixel_um / PARTS
    fine = (np.ravel(axis_um)[:, None] + parts).ravel()
    return fine.reshape([-1 if n > 1 else 1 for n in axis_um.shape])


def _delta(material):
    if not material.formula:
        return 0.0
    return optical_constants(material.formula, material.density_g_cm3, ENERGIES_EV[0]).delta


def _density(material, metal):
    """Density of one metal in LiNi...Co...Mn...O2, g/cm3."""
    if not material.formula:
        return 0.0
    atoms = {"Li": 1.0, "O": 2.0} | {
        name: float(material.formula.split(name)[1][:6]) for name in ("Ni", "Co", "Mn")
    }
    return material.density_g_cm3 * atoms[metal] * molar_mass_g({metal: 1}) / molar_mass_g(atoms)


def test_nickel_in_each_shell(shells):
    found, wanted = shells["nickel"]
    print("nickel, error in each shell", np.round(found / wanted - 1, 4))
    np.testing.assert_allclose(found, wanted, rtol=0.03)  # the bar


def test_the_ratio_of_the_other_metals_to_nickel(shells):
    found, wanted = shells["ratio"]
    print("(Co + Mn) / Ni, error in each shell", np.round(found - wanted, 4))
    np.testing.assert_allclose(found, wanted, atol=0.03)  # the bar
    assert wanted[0] == pytest.approx(1.0)  # Ni50 Co30 Mn20
    assert wanted[-1] < 0.25
