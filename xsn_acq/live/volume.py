"""``reconstruction.h5``: volume, central slices, residual and ring correlation of one run, as NeXus NXdata.

::

    /entry                      NXentry, the source run's uid, its title
        /delta, /beta           NXdata (y, z, x) float32, axes in metres
        /slices/delta_xz ...    NXdata, the three central planes of each
        /pairs                  NXcollection: theta (degree), residual (pairs, iterations)
        /resolution             NXdata: ring correlation of even against odd angles, delta
        /process                NXprocess: program, version, ring removal and every parameter
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.ndimage import gaussian_filter

from xsn_acq.analysis.frc import FrcCurve, fourier_ring_correlation
from xsn_acq.analysis.orthoslices import Plane
from xsn_acq.analysis.rings import NONE, remove_rings
from xsn_acq.analysis.tomography import FilteredBackProjection, slabs
from xsn_acq.analysis.xsn_stream import Quantity, XsnSettings
from xsn_acq.closing import Closing
from xsn_acq.errors import ReconstructionError, StorageError
from xsn_acq.live.fields import FieldStore
from xsn_acq.live.settings import parameters
from xsn_acq.optics.arrays import ComplexArray, FloatArray

FILE_NAME = "reconstruction.h5"
QUANTITIES: tuple[Quantity, ...] = ("delta", "beta")
PLANES: tuple[Plane, ...] = ("xz", "xy", "zy")
Voxel = tuple[int, int, int]
_AXES: Mapping[Plane, tuple[str, str]] = {"xz": ("z", "x"), "xy": ("y", "x"), "zy": ("y", "z")}
_ACROSS: Mapping[Plane, int] = {"xz": 0, "xy": 1, "zy": 2}
"""Axis of the volume (y, z, x) that a plane stands across."""
_TRUNCATE = 3.0
_FRC_ROWS = 8
_FRC_PAIRS = 8


def write_volume(
    path: Path, store: FieldStore, settings: XsnSettings, start: Mapping[str, Any], *, rings: str = NONE
) -> None:
    """Reconstruct the volume slab by slab and write the file; it appears whole or not at all.

    Parameters
    ----------
    path : Path
    store : FieldStore
        Fields of the run.
    settings : XsnSettings
    start : mapping
        The run's start document.
    rings : str
        Ring removal, a method of `xsn_acq.analysis.rings.remove_rings`.

    Raises
    ------
    ReconstructionError
        When the store is empty.
    StorageError
        When the file cannot be written.
    """
    if len(store) == 0:
        raise ReconstructionError(
            f"run {str(start['uid'])[:8]}: no two frames were half a turn apart: broken off early, too few "
            "projections, or a turn of 180 degrees or less"
        )
    part = path.with_suffix(".part")
    try:
        with h5py.File(part, "w") as file:
            entry = _entry(file, settings, start)
            entry["process/ring_removal"] = rings
            _write_slices(entry, _write_slabs(entry, store, settings, rings))
            _write_pairs(entry, store)
            _write_resolution(entry, store, settings, rings)
        os.replace(part, path)
    except OSError as error:
        raise StorageError(f"volume {path}: cannot be written: {error}") from error


def _entry(file: h5py.File, settings: XsnSettings, start: Mapping[str, Any]) -> h5py.Group:
    file.attrs["default"] = "entry"
    entry = _group(file, "entry", "NXentry")
    entry.attrs["default"] = "delta"
    entry["title"] = str(start.get("note") or start.get("plan_name", ""))
    entry["source_run"] = str(start["uid"])
    process = _group(entry, "process", "NXprocess")
    process["program"] = "xsn_acq"
    process["version"] = version("xsn_acq")
    process["parameters"] = json.dumps(parameters(settings))
    return entry


def _write_slabs(
    entry: h5py.Group, store: FieldStore, settings: XsnSettings, rings: str
) -> dict[Plane, ComplexArray]:
    """Write the volume; return its central planes, beta + i delta."""
    ny, nx = store.shape
    lengths = {"y": ny, "z": nx, "x": nx}
    data = {}
    for quantity in QUANTITIES:
        group = _nxdata(entry, quantity, quantity, ("y", "z", "x"), lengths, settings.pixel_size_m)
        data[quantity] = group.create_dataset(quantity, (ny, nx, nx), np.float32)
    planes: dict[Plane, ComplexArray] = {
        plane: np.zeros([lengths[axis] for axis in _AXES[plane]], np.complex64) for plane in PLANES
    }
    theta = np.deg2rad(store.theta_deg)
    sizes: Mapping[str, Any] = {"pixel_size_m": settings.pixel_size_m, "wavelength_m": settings.wavelength_m}
    for where, block in slabs(store.stack(), theta, rings=rings, **sizes):
        data["delta"][where] = block.imag
        data["beta"][where] = block.real
        planes["xy"][where], planes["zy"][where] = block[:, nx // 2], block[:, :, nx // 2]
        if where.start <= ny // 2 < where.stop:
            planes["xz"][:] = block[ny // 2 - where.start]
    return planes


def _write_slices(entry: h5py.Group, planes: Mapping[Plane, ComplexArray]) -> None:
    slices = _group(entry, "slices", "NXcollection")
    for quantity in QUANTITIES:
        for plane, image in planes.items():
            name = f"{quantity}_{plane}"
            group = _group(slices, name, "NXdata")
            group.attrs.update({"signal": name, "axes": list(_AXES[plane])})
            group[name] = image.imag if quantity == "delta" else image.real
            for axis in _AXES[plane]:
                group[axis] = entry[quantity][axis]


def _write_pairs(entry: h5py.Group, store: FieldStore) -> None:
    pairs = _group(entry, "pairs", "NXcollection")
    pairs["theta"] = store.theta_deg
    pairs["theta"].attrs["units"] = "degree"
    pairs["residual"] = store.residuals


def _write_resolution(entry: h5py.Group, store: FieldStore, settings: XsnSettings, rings: str) -> None:
    if (curve := half_set_correlation(store, settings.pixel_size_m, rings)) is None:
        return
    group = _group(entry, "resolution", "NXdata")
    group.attrs.update({"signal": "correlation", "axes": ["frequency"]})
    group["correlation"] = curve.correlation
    group["frequency"] = curve.frequency_per_m
    group["frequency"].attrs["units"] = "1/m"


def half_set_correlation(store: FieldStore, pixel_size_m: float, rings: str = NONE) -> FrcCurve | None:
    """Ring correlation of central slices of delta from even and from odd angles.

    Returns
    -------
    FrcCurve or None
        None when there are too few pairs or pixels to compare.
    """
    ny, nx = store.shape
    if len(store) < _FRC_PAIRS or nx < _FRC_ROWS:
        return None
    middle = max(0, ny // 2 - _FRC_ROWS // 2)
    rows = slice(middle, min(ny, middle + _FRC_ROWS))
    halves = []
    for half in (slice(0, None, 2), slice(1, None, 2)):
        theta = np.deg2rad(store.theta_deg[half])
        phi = remove_rings(store.stack(half)[:, rows, :].imag, rings, pixel_size_m=pixel_size_m)
        halves.append(FilteredBackProjection(nx, theta).slices(phi).real)
    return fourier_ring_correlation(halves[0], halves[1], pixel_size_m)


def _group(parent: h5py.Group, name: str, kind: str) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = kind
    return group


def _nxdata(
    parent: h5py.Group,
    name: str,
    signal: str,
    axes: tuple[str, ...],
    lengths: Mapping[str, int],
    pixel_size_m: float,
) -> h5py.Group:
    """NXdata whose axes are metres from the centre."""
    group = _group(parent, name, "NXdata")
    group.attrs.update({"signal": signal, "axes": list(axes)})
    for axis in axes:
        group[axis] = (np.arange(lengths[axis]) - (lengths[axis] - 1) / 2) * pixel_size_m
        group[axis].attrs["units"] = "m"
    return group


@dataclass(frozen=True, eq=False)
class Summary:
    """What a person looks at of a reconstruction.

    Attributes
    ----------
    run : str
        Uid of the run.
    pixel_size_m : float
        Of a voxel.
    slices : quantity -> plane -> float32 image
        The central planes.
    theta_deg, residual : (pairs,), (pairs, iterations)
    correlation : FrcCurve or None
        Of even against odd angles.
    """

    run: str
    pixel_size_m: float
    slices: dict[Quantity, dict[Plane, FloatArray]]
    theta_deg: FloatArray
    residual: FloatArray
    correlation: FrcCurve | None


class VolumeFile(Closing):
    """``reconstruction.h5`` for reading; ``delta`` and ``beta`` are read only where they are sliced.

    Raises
    ------
    StorageError
        When the file is missing or no reconstruction.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = h5py.File(path, "r")
            self._entry = self._file["entry"]
            self.delta: h5py.Dataset = self._entry["delta/delta"]
            self.beta: h5py.Dataset = self._entry["beta/beta"]
        except (OSError, KeyError) as error:
            raise StorageError(
                f"volume {path}: wanted a reconstruction: {error}; run xsn-acq reconstruct"
            ) from error

    def summary(self) -> Summary:
        """Slices, residual and ring correlation."""
        entry = self._entry
        known = json.loads(entry["process/parameters"].asstr()[()])
        slices: dict[Quantity, dict[Plane, FloatArray]] = {
            quantity: {plane: entry[f"slices/{quantity}_{plane}/{quantity}_{plane}"][()] for plane in PLANES}
            for quantity in QUANTITIES
        }
        curve = None
        if "resolution" in entry:
            curve = FrcCurve(entry["resolution/frequency"][()], entry["resolution/correlation"][()])
        return Summary(
            run=entry["source_run"].asstr()[()],
            pixel_size_m=float(known["pixel_size_m"]),
            slices=slices,
            theta_deg=entry["pairs/theta"][()],
            residual=entry["pairs/residual"][()],
            correlation=curve,
        )

    def place_m(self, axis: str, index: int) -> float:
        """Coordinate of a voxel along "x", "y" or "z", metres from the centre."""
        return float(self._entry[f"delta/{axis}"][index])

    def cut(self, quantity: Quantity, plane: Plane, at: Voxel, *, sigma: float = 0.0) -> FloatArray:
        """Read one plane.

        Parameters
        ----------
        quantity : "delta" or "beta"
        plane : "xz", "xy" or "zy"
        at : (y, z, x)
            Voxel that it goes through.
        sigma : float, voxels
            Standard deviation of a Gaussian that smooths the volume in all three directions before; only the
            slab that it needs is read.

        Returns
        -------
        float32, axes as the plane's in `Summary.slices`
        """
        source = self.delta if quantity == "delta" else self.beta
        axis = _ACROSS[plane]
        reach = math.ceil(_TRUNCATE * sigma)
        first = max(0, at[axis] - reach)
        part = [slice(None)] * 3
        part[axis] = slice(first, at[axis] + reach + 1)
        slab = source[tuple(part)]
        if sigma > 0:
            slab = gaussian_filter(slab, sigma, mode="nearest", truncate=_TRUNCATE)
        return np.asarray(np.take(slab, at[axis] - first, axis=axis))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
