"""Densities of elements from the refractive index at several energies, voxel by voxel.

Each measured volume is a sum over components, index(E) = sum_c rho_c (index / rho)_c(E): a linear system,
the same for all voxels. Hugonnet et al., Eqs. 17 and 18, are the case of beta before and after the Ni K edge,
with Ni and (Co, Mn) as components and two approximations: (Co, Mn) absorb equally at both energies, and
nothing else absorbs. Neither is needed here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.materials import formula_of, molar_mass_g, optical_constants

OXIDE: Mapping[str, float] = {"Li": 1.0, "O": 2.0}
"""What comes with each atom of metal in a layered cathode oxide, LiMO2."""

NICKEL_G_CM3 = 8.9
"""Density of metallic nickel that the paper's reference values stand for."""


@dataclass(frozen=True)
class Measurement:
    """One volume: ``"beta"`` or ``"delta"`` at an energy."""

    quantity: Literal["beta", "delta"]
    energy_ev: float


@dataclass(frozen=True)
class Component:
    """Elements in fixed proportion whose density is one unknown.

    Parameters
    ----------
    name : str
    atoms : mapping of element to number of atoms
        What the density counts; only proportions matter.
    host : mapping of element to number of atoms
        What comes with each atom of ``atoms``: it absorbs, the density does not count it.

    Examples
    --------
    >>> round(Component("Co+Mn", {"Co": 3, "Mn": 2}).molar_mass_g, 2)
    57.34
    """

    name: str
    atoms: Mapping[str, float]
    host: Mapping[str, float] = field(default_factory=dict)

    @property
    def molar_mass_g(self) -> float:
        """Mass of one mole of counted atoms, grams."""
        return molar_mass_g(self.atoms) / sum(self.atoms.values())

    def index_per_density(self, measurement: Measurement) -> float:
        """Beta or delta of 1 g/cm3 of the counted atoms and what comes with them, cm3/g."""
        total = sum(self.atoms.values())
        whole = {element: n / total for element, n in self.atoms.items()}
        for element, n in self.host.items():
            whole[element] = whole.get(element, 0.0) + n
        density = molar_mass_g(whole) / self.molar_mass_g
        constants = optical_constants(formula_of(whole), density, measurement.energy_ev)
        return float(getattr(constants, measurement.quantity))


def equal_absorbers(elements: Sequence[str], energy_ev: float) -> dict[str, float]:
    """Atoms of a mixture in which each element has the same share of beta.

    Its density over beta is the average of the elements' own, as the paper takes it for Co and Mn (Eq. 18).

    Parameters
    ----------
    elements : symbols
    energy_ev : float

    Returns
    -------
    dict of element to atoms, together 1
    """
    beta = Measurement("beta", energy_ev)
    moles = {
        element: 1 / (part.index_per_density(beta) * part.molar_mass_g)
        for element, part in ((element, Component(element, {element: 1.0})) for element in elements)
    }
    return {element: n / sum(moles.values()) for element, n in moles.items()}


@dataclass(frozen=True, eq=False)
class Composition:
    """Densities, and what their noise is.

    Attributes
    ----------
    density_g_cm3 : (components, ...)
    covariance : (components, components, ...) or (components, components)
        Of the densities of one voxel, (g/cm3)^2; without voxels' axes where the noise is one number for each
        volume.
    """

    density_g_cm3: FloatArray
    covariance: FloatArray

    def sigma_g_cm3(self) -> FloatArray:
        """Standard deviation of each density, (components, ...) as `covariance` has it."""
        return np.sqrt(np.moveaxis(np.diagonal(self.covariance), -1, 0))


class DensityModel:
    """The linear system between densities and measured volumes.

    Parameters
    ----------
    components : sequence of Component
    measurements : sequence of Measurement
        As many as components, or more: then least squares.
    matrix : (measurements, components), cm3/g, optional
        Reference values, index per density; left out: the tables of `optical_constants`.

    Raises
    ------
    ReconstructionError
        The measurements cannot tell the components apart.
    """

    def __init__(
        self,
        components: Sequence[Component],
        measurements: Sequence[Measurement],
        matrix: ArrayLike | None = None,
    ) -> None:
        self.components = tuple(components)
        self.measurements = tuple(measurements)
        tables = [[part.index_per_density(each) for part in components] for each in measurements]
        self.matrix = np.asarray(tables if matrix is None else matrix, dtype=float)
        wanted = (len(self.measurements), len(self.components))
        if (
            self.matrix.shape != wanted
            or np.linalg.matrix_rank(self.matrix, tol=_rank(self.matrix)) < wanted[1]
        ):
            names = ", ".join(part.name for part in self.components)
            raise ReconstructionError(
                f"densities of {names}: {wanted[0]} volumes cannot tell them apart; "
                "measure on both sides of an edge"
            )

    def solver(self, sigma: ArrayLike | None = None) -> FloatArray:
        """Matrix that makes densities of volumes, (components, measurements), g/cm3.

        Parameters
        ----------
        sigma : (measurements,), optional
            Noise of a voxel: the less of it, the more a volume counts. It matters only where there are more
            volumes than components.
        """
        weights = 1 / np.asarray(np.ones(len(self.measurements)) if sigma is None else sigma, dtype=float)
        return np.asarray(np.linalg.pinv(self.matrix * weights[:, None], rcond=1e-9) * weights)

    def densities(self, volumes: Sequence[ArrayLike], sigma: Sequence[ArrayLike]) -> Composition:
        """Solve for all voxels.

        Parameters
        ----------
        volumes : one array (...) for each measurement
            On one grid, see `xsn_acq.analysis.registration.match_volumes`.
        sigma : one number or array (...) for each measurement
            Standard deviation of a voxel's noise, independent from volume to volume.

        Returns
        -------
        Composition
        """
        solver = self.solver([float(np.median(np.asarray(each))) for each in sigma])
        density = np.stack(
            [sum(float(s) * np.asarray(v) for s, v in zip(row, volumes, strict=True)) for row in solver]
        )
        variance = np.stack(np.broadcast_arrays(*(np.asarray(each, dtype=float) ** 2 for each in sigma)))
        return Composition(density, np.einsum("im,jm,m...->ij...", solver, solver, variance))


@dataclass(frozen=True, eq=False)
class Ratio:
    """Ratio of two components and its standard deviation, both (...); NaN where there is too little."""

    value: FloatArray
    sigma: FloatArray


def ratio(
    model: DensityModel,
    composition: Composition,
    *,
    of: int = 1,
    to: int = 0,
    by: Literal["atoms", "mass"] = "atoms",
    at_least_g_cm3: float = 0.0,
    at_least_sigmas: float = 3.0,
) -> Ratio:
    """Ratio of one component to another, with first-order error.

    A ratio of noisy numbers is biased where the denominator's noise is not small: average densities first,
    and take the ratio of the averages.

    Parameters
    ----------
    model, composition
    of, to : int
        Places of the components.
    by : "atoms" or "mass"
    at_least_g_cm3, at_least_sigmas : float
        The denominator must exceed both, the second in units of its standard deviation.

    Returns
    -------
    Ratio
    """
    above, below = (np.asarray(composition.density_g_cm3[place], dtype=float) for place in (of, to))
    covariance = composition.covariance
    enough = below > np.maximum(at_least_g_cm3, at_least_sigmas * np.sqrt(covariance[to, to]))
    safe = np.where(enough, below, np.nan)
    mass = above / safe
    variance = covariance[of, of] - 2 * mass * covariance[of, to] + mass**2 * covariance[to, to]
    masses = [model.components[place].molar_mass_g for place in (of, to)]
    factor = masses[1] / masses[0] if by == "atoms" else 1.0
    return Ratio(factor * mass, factor * np.sqrt(variance) / safe)


def nickel_model(
    before_ev: float,
    after_ev: float,
    *,
    others: Mapping[str, float] | None = None,
    host: Mapping[str, float] = OXIDE,
    with_delta: bool = False,
    nickel_beta: tuple[float, float] | None = None,
) -> DensityModel:
    """Ni and the sum of the other metals from volumes before and after the Ni K edge.

    Parameters
    ----------
    before_ev, after_ev : float
        8326 and 8366 eV in the paper.
    others : mapping of element to atoms, optional
        As ``{"Co": 3, "Mn": 2}``; left out: Co and Mn mixed as Eq. 18 does, see `equal_absorbers`.
    host : mapping of element to atoms
        What comes with each atom of metal; empty: nothing, as in the paper.
    with_delta : bool
        Also use delta at both energies: less noise in the sum of metals, but the host must be right.
    nickel_beta : (before, after), optional
        Beta of metallic Ni, 8.9 g/cm3, as measured on a foil, in place of the table's: 4.5e-7 and 3.4e-6 in
        the paper.

    Returns
    -------
    DensityModel
        Measurements: beta before, beta after (, delta before, delta after). Components: Ni, others.
    """
    atoms = others or equal_absorbers(("Co", "Mn"), before_ev)
    parts = [Component("Ni", {"Ni": 1.0}, host), Component("+".join(atoms), atoms, host)]
    both = [Measurement("beta", before_ev), Measurement("beta", after_ev)]
    if with_delta:
        both += [Measurement("delta", before_ev), Measurement("delta", after_ev)]
    model = DensityModel(parts, both)
    if nickel_beta is None:
        return model
    matrix, nickel = model.matrix.copy(), Component("Ni", {"Ni": 1.0})
    for row, beta in enumerate(nickel_beta):
        matrix[row, 0] += beta / NICKEL_G_CM3 - nickel.index_per_density(both[row])
    return DensityModel(parts, both, matrix)


def _rank(matrix: FloatArray) -> float:
    """Singular value below which columns count as the same: a hundredth of the largest."""
    return float(0.01 * np.linalg.norm(matrix, 2)) if matrix.ndim == 2 else 0.0
