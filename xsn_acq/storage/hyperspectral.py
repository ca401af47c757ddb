"""Index of a hyperspectral scan: one NeXus file that opens the tomograms of all its energies.

::

    /scan                   NXentry, the plot to be shown
        /energy             (n,) eV
        /runs/<energy>      uids of the runs of each energy
        /delta, /beta       NXdata (energy, y, z, x), where there are volumes
        /volumes/<energy>   link to the reconstruction of each
    /<energy>               link to the NXtomo entry of each, as /8333.00_eV

Links and the stacks of volumes hold paths from the folder of the index: a folder moves as a whole. Nothing is
copied. A volume that is gone later shows NaN in its stack.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from xsn_acq.errors import StorageError
from xsn_acq.storage.nexus import centred_m, nxfields, nxgroup, nxroot, nxvalue, whole_file
from xsn_acq.storage.nxtomo_reading import read_nxtomo

SCAN: Final = "scan"
QUANTITIES: Final = ("delta", "beta")
_TOLERANCE_EV: Final = 0.1
"""Readings of the monochromator wander by less, steps of a scan are more."""
_SAME_VOXEL: Final = 1e-6


@dataclass(frozen=True)
class EnergyTomogram:
    """What there is of one energy.

    Attributes
    ----------
    energy_ev : float
    runs : tuple of str
        Uids, one or more.
    nxtomo : Path
        Its frames, see `xsn_acq.storage.nxtomo`.
    volume : Path, optional
        Its reconstruction, ``reconstruction.h5``.
    """

    energy_ev: float
    runs: tuple[str, ...]
    nxtomo: Path
    volume: Path | None = None

    @property
    def name(self) -> str:
        """Of its entry in the index.

        >>> EnergyTomogram(8333.0, (), Path("a.nx")).name
        '8333.00_eV'
        """
        return f"{self.energy_ev:.2f}_eV"


@dataclass(frozen=True)
class _Volume:
    """Where a reconstruction lies, and its grid."""

    path: Path
    shape: tuple[int, int, int]
    voxel_m: float


def write_index(path: Path, tomograms: Sequence[EnergyTomogram], *, scan: str, title: str = "") -> Path:
    """Write the index; an earlier one of the same name is replaced.

    Parameters
    ----------
    path : Path
        File to write, ``.h5`` by custom.
    tomograms : EnergyTomograms
        In any order; the index has them by energy.
    scan : str
        Identifier of the scan.
    title : str

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StorageError
        With everything that is missing or does not fit: files, frames, volumes, energies. Or when the file
        cannot be written.
    """
    path = Path(path).absolute()
    tomograms = sorted(tomograms, key=lambda each: each.energy_ev)
    volumes = _checked(tomograms, path)
    with whole_file(path, "index") as file:
        nxroot(file, SCAN)
        entry = nxgroup(file, SCAN, "NXentry")
        nxfields(
            entry,
            {"title": title or f"scan {scan[:8]}", "entry_identifier": scan, "program_name": "xsn_acq"},
        )
        nxvalue(entry, "energy", [each.energy_ev for each in tomograms], "eV")
        runs = nxgroup(entry, "runs", "NXcollection")
        for each in tomograms:
            runs[each.name] = list(each.runs)
            file[each.name] = h5py.ExternalLink(os.path.relpath(each.nxtomo.absolute(), path.parent), "entry")
        if volumes:
            entry.attrs["default"] = QUANTITIES[0]
            _write_volumes(entry, volumes, path.parent)
    return path


def _checked(tomograms: Sequence[EnergyTomogram], path: Path) -> dict[EnergyTomogram, _Volume]:
    """Return the volumes by tomogram; refuse what the index could not show."""
    faults = [] if tomograms else ["wanted one energy or more, found none"]
    names = [each.name for each in tomograms]
    faults += [f"{name}: wanted once, found more" for name in sorted(set(names)) if names.count(name) > 1]
    volumes: dict[EnergyTomogram, _Volume] = {}
    for each in tomograms:
        faults += _tomogram_faults(each, path)
        if each.volume is not None:
            try:
                volumes[each] = _volume(each.volume)
            except (OSError, KeyError, ValueError) as error:
                faults.append(f"{each.name}: volume {each.volume}: {error}")
    shapes = {volume.shape for volume in volumes.values()}
    if len(shapes) > 1:
        faults.append(f"volumes: wanted one shape, found {', '.join(map(str, sorted(shapes)))}")
    if faults:
        raise StorageError(f"index {path}: {'; '.join(faults)}")
    return volumes


def _tomogram_faults(tomogram: EnergyTomogram, path: Path) -> list[str]:
    faults = [] if tomogram.runs else [f"{tomogram.name}: wanted uids of its runs, found none"]
    if path in {each.absolute() for each in (tomogram.nxtomo, tomogram.volume) if each is not None}:
        faults.append(f"{tomogram.name}: the index would replace a file of its own; choose another name")
    try:
        with h5py.File(tomogram.nxtomo, "r") as file:
            there = "entry" in file
        found = read_nxtomo(tomogram.nxtomo).energy_ev if there else None
    except (OSError, StorageError) as error:
        return [*faults, f"{tomogram.name}: {error}"]
    if not there:
        faults.append(f"{tomogram.name}: {tomogram.nxtomo}: wanted /entry, found none")
    elif found is None or abs(found - tomogram.energy_ev) > _TOLERANCE_EV:
        faults.append(f"{tomogram.name}: {tomogram.nxtomo}: found energy {found} eV")
    return faults


def _volume(path: Path) -> _Volume:
    with h5py.File(path, "r") as file:
        shapes = {file[_place(quantity)].shape for quantity in QUANTITIES}
        x = file["entry/delta/x"]
        voxel_m = float(x[1] - x[0]) if len(x) > 1 else float("nan")
    if len(shapes) > 1:
        raise ValueError(f"wanted delta and beta of one shape, found {sorted(shapes)}")
    return _Volume(path.absolute(), shapes.pop(), voxel_m)


def _place(quantity: str) -> str:
    """Dataset of a volume in ``reconstruction.h5``, see `xsn_acq.live.volume`."""
    return f"entry/{quantity}/{quantity}"


def _write_volumes(entry: h5py.Group, volumes: dict[EnergyTomogram, _Volume], folder: Path) -> None:
    links = nxgroup(entry, "volumes", "NXcollection")
    for each, volume in volumes.items():
        links[each.name] = h5py.ExternalLink(os.path.relpath(volume.path, folder), "entry")
    found = list(volumes.values())
    voxels_m = np.array([volume.voxel_m for volume in found])
    same = np.allclose(voxels_m, voxels_m[0], rtol=_SAME_VOXEL, atol=0.0)
    for quantity in QUANTITIES:
        axes = ["y", "z", "x"] if same else [".", ".", "."]
        group = nxgroup(entry, quantity, "NXdata", signal=quantity, axes=["energy", *axes])
        nxvalue(group, "energy", [each.energy_ev for each in volumes], "eV")
        nxvalue(group, "voxel_size", voxels_m, "m")
        group.attrs["voxel_size_indices"] = 0
        if same:
            for axis, length in zip("yzx", found[0].shape, strict=True):
                nxvalue(group, axis, centred_m(length, voxels_m[0]), "m")
        layout = h5py.VirtualLayout((len(found), *found[0].shape), np.float32)
        for index, volume in enumerate(found):
            name = os.path.relpath(volume.path, folder)
            layout[index] = h5py.VirtualSource(name, _place(quantity), volume.shape, np.float32)
        group.create_virtual_dataset(quantity, layout, fillvalue=np.nan)
