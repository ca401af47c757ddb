"""``chemistry.h5``: densities of Ni and of the other metals from volumes before and after the Ni K edge.

::

    /entry
        /nickel, /others        NXdata (y, z, x): density, g/cm3, and its standard deviation (_errors)
        /ratio                  NXdata: others / Ni by atoms, NaN where there is too little, and its error
        /profile                NXdata: means over shells, by depth below the surface or distance from a point
        /process                NXprocess: reference values, noise, placement, every setting
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from xsn_acq.analysis.chemistry import OXIDE, Composition, DensityModel, nickel_model, ratio
from xsn_acq.analysis.profile import Profile, ShellProfile
from xsn_acq.errors import StorageError
from xsn_acq.live.energy_pair import EnergyPair, Images, Particle
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.detector import FWHM_PER_SIGMA
from xsn_acq.storage.nexus import nxdata, nxgroup
from xsn_acq.units import NM

FILE_NAME = "chemistry.h5"
MAPS = ("nickel", "others")
RATIO = "ratio"
UNIT = "g/cm3"
_SLAB_BYTES = 48 * 2**20
_FEWEST_ROWS, _MOST_ROWS = 8, 64


@dataclass(frozen=True)
class ChemistrySettings:
    """What is assumed, and how finely the maps are made.

    Parameters
    ----------
    others : mapping of element to atoms, optional
        The metals beside Ni, as ``{"Co": 3, "Mn": 2}``; left out: Co and Mn as in Eq. 18 of the paper.
    host : mapping of element to atoms
        What comes with each atom of metal.
    with_delta : bool
        Use delta too, see `nickel_model`.
    nickel_beta : (before, after), optional
        Beta of metallic Ni at the lower and the higher energy, see `nickel_model`.
    smooth_m : float
        Full width at half maximum of a Gaussian over the volumes before the maps are made; the profile is
        made without.
    at_least_g_cm3 : float
        Density of Ni below which there is no ratio.
    shell_m : float
        Thickness of a shell of the profile; 0: two voxels, or as fine as the surface is known.
    centre_m : (y, z, x), optional
        Profile about this point, metres from the volume's centre; left out: by depth below the surface.
    """

    others: Mapping[str, float] | None = None
    host: Mapping[str, float] = field(default_factory=lambda: dict(OXIDE))
    with_delta: bool = False
    nickel_beta: tuple[float, float] | None = None
    smooth_m: float = 0.0
    at_least_g_cm3: float = 0.3
    shell_m: float = 0.0
    centre_m: tuple[float, float, float] | None = None


def write_chemistry(
    first: Path,
    second: Path,
    path: Path,
    settings: ChemistrySettings | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Match two volumes, solve for the densities slab by slab, write the file.

    Parameters
    ----------
    first, second : Path
        ``reconstruction.h5`` before and after the edge, in any order.
    path : Path
        File to write; it appears whole or not at all.
    settings : ChemistrySettings, optional
    progress : callable, optional
        Called with (rows done, rows in all).

    Raises
    ------
    ReconstructionError
        The volumes do not match, or their energies cannot tell the metals apart.
    StorageError
        A file cannot be read or written.
    """
    part = path.with_suffix(".part")
    with EnergyPair(first, second) as pair:
        work = _Work(pair, settings or ChemistrySettings())
        try:
            with h5py.File(part, "w") as file:
                entry = work.prepare(file)
                for done in work.write_slabs(entry):
                    if progress is not None:
                        progress(done, pair.shape[0])
                work.write_profile(entry)
            os.replace(part, path)
        except OSError as error:
            raise StorageError(f"chemistry {path}: cannot be written: {error}") from error


class _Work:
    """The making of one file."""

    def __init__(self, pair: EnergyPair, settings: ChemistrySettings) -> None:
        self._pair, self._settings = pair, settings
        self.model = nickel_model(
            *pair.energies_ev,
            others=settings.others,
            host=settings.host,
            with_delta=settings.with_delta,
            nickel_beta=settings.nickel_beta,
        )
        self._particle = Particle(pair, settings.centre_m)
        self._sigma = settings.smooth_m / FWHM_PER_SIGMA / pair.voxel_m
        self.rough_noise, self.noise = (
            _in_order(self.model, each) for each in pair.noise(self._particle.solid_delta, sigma=self._sigma)
        )
        shell_m = settings.shell_m or max(2 * pair.voxel_m, self._particle.finest_m)
        edges = np.arange(0.0, self._particle.reach_m + shell_m, shell_m)
        self._shells = ShellProfile(edges, quantities=2)

    def prepare(self, file: h5py.File) -> h5py.Group:
        """Write all but values; constant errors take no room on disk."""
        file.attrs["default"] = "entry"
        entry = nxgroup(file, "entry", "NXentry")
        entry.attrs["default"] = RATIO
        for name, volume in zip(("source_run", "source_run_after"), self._pair.files, strict=True):
            entry[name] = volume.run
        process = nxgroup(entry, "process", "NXprocess")
        process["program"] = "xsn_acq"
        process["version"] = version("xsn_acq")
        process["parameters"] = json.dumps(self._parameters())
        lengths = dict(zip("yzx", self._pair.shape, strict=True))
        names = [part.name for part in self.model.components]
        for signal, name in zip((*MAPS, RATIO), (*names, f"({names[1]}) / {names[0]}"), strict=True):
            group = nxdata(entry, signal, signal, ("y", "z", "x"), lengths, self._pair.voxel_m)
            group["title"] = name
        sigma = self._composition(self.noise).sigma_g_cm3()
        for signal, error in zip(MAPS, sigma, strict=True):
            group = entry[signal]
            group.create_dataset(signal, self._pair.shape, np.float32).attrs["units"] = UNIT
            errors = {"fillvalue": np.float32(error), "chunks": True}
            group.create_dataset(f"{signal}_errors", self._pair.shape, np.float32, **errors)
        for name in (RATIO, f"{RATIO}_errors"):
            entry[RATIO].create_dataset(name, self._pair.shape, np.float32)
        return entry

    def _composition(self, noise: list[float], images: Images | None = None) -> Composition:
        return self.model.densities(
            [np.zeros(1)] * len(noise) if images is None else _in_order(self.model, images), noise
        )

    def _parameters(self) -> dict[str, Any]:
        return {
            **asdict(self._settings),
            "components": [asdict(part) for part in self.model.components],
            "measurements": [asdict(each) for each in self.model.measurements],
            "index_per_g_cm3": self.model.matrix.tolist(),
            "voxel_noise": self.noise,
            "voxel_noise_unsmoothed": self.rough_noise,
            "placement": asdict(self._pair.placement),
            "solid_delta": self._particle.solid_delta,
        }

    def write_slabs(self, entry: h5py.Group) -> Iterator[int]:
        """Write the maps, gather the profile; yields rows done."""
        ny, nz, nx = self._pair.shape
        step = int(np.clip(_SLAB_BYTES // (4 * nz * nx), _FEWEST_ROWS, _MOST_ROWS))
        for start in range(0, ny, step):
            rows = slice(start, min(ny, start + step))
            images, smooth = self._pair.rows(rows, sigma=self._sigma, deltas=self._settings.with_delta)
            plain = self._composition(self.rough_noise, images)
            solid = images["delta", 0] > self._particle.solid_delta
            self._shells.push(plain.density_g_cm3, self._particle.distance_m(rows), solid)
            maps = self._composition(self.noise, smooth)
            for signal, density in zip(MAPS, maps.density_g_cm3, strict=True):
                entry[signal][signal][rows] = density
            quotient = ratio(self.model, maps, at_least_g_cm3=self._settings.at_least_g_cm3)
            entry[RATIO][RATIO][rows] = quotient.value
            entry[RATIO][f"{RATIO}_errors"][rows] = quotient.sigma
            yield rows.stop

    def write_profile(self, entry: h5py.Group) -> None:
        """Write means over shells and their ratio."""
        profile = self._shells.value()
        group = nxgroup(entry, "profile", "NXdata")
        group.attrs.update({"signal": RATIO, "axes": ["distance"], "auxiliary_signals": list(MAPS)})
        group["distance"] = profile.middle_m
        group["distance"].attrs["units"] = "m"
        where = "the particle's surface, inwards" if self._settings.centre_m is None else "a point"
        group["distance"].attrs["long_name"] = f"distance from {where}"
        group["voxels"] = profile.voxels
        for name, values in _columns(self.model, profile).items():
            group[name] = values
            group[name].attrs["units"] = "" if name.startswith(RATIO) else UNIT


def _in_order(model: DensityModel, values: Mapping[Any, Any]) -> list[Any]:
    """Values of the model's measurements, in its order."""
    energies = sorted({each.energy_ev for each in model.measurements})
    return [values[each.quantity, energies.index(each.energy_ev)] for each in model.measurements]


def _columns(model: DensityModel, profile: Profile) -> dict[str, FloatArray]:
    """Profile by name: densities, their ratio (of the means), and standard errors of all."""
    means = Composition(profile.mean, profile.covariance)
    quotient = ratio(model, means)
    columns = {RATIO: quotient.value, f"{RATIO}_errors": quotient.sigma}
    for signal, mean, error in zip(MAPS, profile.mean, profile.error, strict=True):
        columns |= {signal: mean, f"{signal}_errors": error}
    return columns


def shells_in_words(path: Path) -> list[str]:
    """Lines of a table of the profile, for people."""
    with h5py.File(path, "r") as file:
        group = file["entry/profile"]
        names = [file[f"entry/{signal}/title"].asstr()[()] for signal in (*MAPS, RATIO)]
        columns = [group[signal][()] for signal in (*MAPS, RATIO)]
        errors = [group[f"{signal}_errors"][()] for signal in (*MAPS, RATIO)]
        distance, voxels = group["distance"][()], group["voxels"][()]
        what = group["distance"].attrs["long_name"]
    head = f"nm = {what}; densities in {UNIT}, ratio by atoms"
    lines = [head, f"{'nm':>7}" + "".join(f"{name:>20}" for name in names) + f"{'voxels':>10}"]
    for index, place in enumerate(distance):
        values = (f"{c[index]:.3f} +- {e[index]:.3f}" for c, e in zip(columns, errors, strict=True))
        lines.append(f"{place / NM:7.0f}" + "".join(f"{v:>20}" for v in values) + f"{voxels[index]:10d}")
    return lines
