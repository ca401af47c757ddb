"""A stack of images over energy, as XANES imaging programs open it.

The layout is what PyXAS asks for by default (https://github.com/gmysage/pyxas, BSD: ``pyxas/pyxas_gui.py``,
``load_image``; ``pyxas/misc.py``, ``load_xanes_image_file``), and NeXus beside it in the same file::

    /img_xanes              float32 (n, ny, nx)
    /X_eng                  float64 (n,), keV
    /entry                  NXentry
        /data               NXdata, the plot to be shown: the images over energy (eV), y and x (m)
        /<map>              NXdata, one for each further map (ny, nx), such as that of the edge
        /sample             NXsample with the size of a pixel

The images are there once: ``/entry/data`` has a hard link to them, from which PyMca reads them
(``PyMca5/PyMcaIO/HDF5Stack1D.py``). The entry comes first in the file, because PyMca takes it for that.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.errors import StorageError
from xsn_acq.storage.nexus import centred_m, nxfields, nxgroup, nxroot, nxvalue, whole_file

StackQuantity = Literal["absorbance", "transmission"]
Maps = Mapping[str, tuple[ArrayLike, str]]
"""Values (ny, nx) and their unit by name."""

_IMAGES = "img_xanes"
_ENERGIES = "X_eng"
_ERRORS = "_errors"


def write_energy_stack(
    path: Path,
    energies_ev: ArrayLike,
    images: Iterable[ArrayLike],
    *,
    pixel_size_m: float,
    quantity: StackQuantity,
    title: str,
    maps: Maps | None = None,
) -> Path:
    """Write a stack; an earlier file of the same name is replaced.

    Parameters
    ----------
    path : Path
        File to write; PyXAS shows files that end in ``.h5``.
    energies_ev : (n,)
        Rising or falling.
    images : n images (ny, nx)
        An array, a dataset, or whatever gives one after the other: one is in memory at a time.
    pixel_size_m : float
        At the sample, the same for all images.
    quantity : "absorbance" or "transmission"
        What an image shows: -ln(I / I0), or I / I0, of which PyXAS makes the other by its button
        "Norm. TMX (-log)".
    title : str
    maps : name -> (values (ny, nx), unit), optional
        Further images. ``<name>_errors`` are the standard errors of ``<name>``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StorageError
        When energies, images and maps do not fit together, or the file cannot be written.
    """
    path = Path(path).absolute()
    where = f"energy stack {path}"
    energies = _energies(energies_ev, where)
    if not pixel_size_m > 0:
        raise StorageError(f"{where}: pixel size: wanted a number above 0, found {pixel_size_m} m")
    with whole_file(path, "energy stack") as file:
        nxroot(file, "entry")
        entry = nxgroup(file, "entry", "NXentry", default="data")
        stack = _write_images(file, len(energies), images, where)
        nxvalue(file, _ENERGIES, energies / 1000, "keV")
        nxfields(entry, {"title": title, "program_name": "xsn_acq"})
        data = nxgroup(entry, "data", "NXdata", signal=quantity, axes=["energy", "y", "x"])
        data["title"] = title
        data[quantity] = stack
        nxvalue(data, "energy", energies, "eV")
        for axis, length in zip("yx", stack.shape[1:], strict=True):
            nxvalue(data, axis, centred_m(length, pixel_size_m), "m")
        sample = nxgroup(entry, "sample", "NXsample")
        for axis in "xy":
            nxvalue(sample, f"{axis}_pixel_size", pixel_size_m, "m")
        _write_maps(entry, maps or {}, where)
    return path


def _energies(energies_ev: ArrayLike, where: str) -> np.ndarray:
    energies = np.asarray(energies_ev, dtype=float)
    steps = np.diff(energies) if energies.ndim == 1 else np.zeros(1)
    if energies.size == 0 or not (np.all(steps > 0) or np.all(steps < 0)):
        raise StorageError(f"{where}: energies: wanted one or more, rising or falling, found {energies}")
    if not (np.isfinite(energies).all() and energies.min() > 0):
        raise StorageError(f"{where}: energies: wanted numbers above 0 eV, found {energies}")
    return energies


def _write_images(file: h5py.File, n: int, images: Iterable[ArrayLike], where: str) -> h5py.Dataset:
    """Write the images one by one; the first says how large they are."""
    stack, written = None, 0
    for image in images:
        pixels = np.asarray(image, dtype=np.float32)
        if stack is None:
            if pixels.ndim != 2 or 0 in pixels.shape:
                raise StorageError(f"{where}: wanted images (ny, nx), found shape {pixels.shape}")
            stack = file.create_dataset(_IMAGES, (n, *pixels.shape), np.float32)
        if written < n and pixels.shape != stack.shape[1:]:
            raise StorageError(
                f"{where}: image {written}: wanted shape {stack.shape[1:]} as the first, found {pixels.shape}"
            )
        if written == n:
            raise StorageError(f"{where}: wanted {n} images, one for each energy, found more")
        stack[written] = pixels
        written += 1
    if stack is None or written < n:
        raise StorageError(f"{where}: wanted {n} images, one for each energy, found {written}")
    return stack


def _write_maps(entry: h5py.Group, maps: Maps, where: str) -> None:
    data = entry["data"]
    shape = data["y"].shape + data["x"].shape
    for name, (values, _) in maps.items():
        if np.shape(values) != shape:
            raise StorageError(f"{where}: map {name}: wanted shape {shape}, found {np.shape(values)}")
        if not name or "/" in name or name in entry:
            raise StorageError(f"{where}: map: wanted a name of its own, without a slash, found {name!r}")
    for name in maps:
        if _plot_of(name, maps) == name:
            group = nxgroup(entry, name, "NXdata", signal=name, axes=["y", "x"])
            for axis in "yx":
                group[axis] = data[axis]
    for name, (values, units) in maps.items():
        nxvalue(entry[_plot_of(name, maps)], name, np.asarray(values, float), units)


def _plot_of(name: str, maps: Maps) -> str:
    """Name of the plot that a map belongs to: errors stand with their values."""
    stem = name.removesuffix(_ERRORS)
    return stem if stem in maps else name
