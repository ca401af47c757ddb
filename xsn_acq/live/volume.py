"""``reconstruction.h5``: volume, central slices, residual and ring correlation of one run, as NeXus NXdata.

::

    /entry                      NXentry, the source run's uid, its title
        /delta, /beta           NXdata (y, z, x) float32, axes in metres
        /slices/delta_xz ...    NXdata, the three central planes of each
        /pairs                  NXcollection: theta (degree), residual (pairs, iterations)
        /alignment                  NXcollection: shift of each pair, measured and taken out (pixel)
        /resolution             NXdata: ring correlation of even against odd angles, noise
        /process                NXprocess: program, version, every parameter, and a checksum of each slab

`xsn_acq.live.volume_writing` writes it.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.ndimage import gaussian_filter

from xsn_acq.analysis.frc import FrcCurve
from xsn_acq.analysis.orthoslices import Plane
from xsn_acq.analysis.xsn_stream import Quantity
from xsn_acq.closing import Closing
from xsn_acq.errors import StorageError
from xsn_acq.live.resolution import HalfSets, read_halves
from xsn_acq.optics.arrays import FloatArray

FILE_NAME = "reconstruction.h5"
QUANTITIES: tuple[Quantity, ...] = ("delta", "beta")
PLANES: tuple[Plane, ...] = ("xz", "xy", "zy")
Voxel = tuple[int, int, int]
AXES: Mapping[Plane, tuple[str, str]] = {"xz": ("z", "x"), "xy": ("y", "x"), "zy": ("y", "z")}
_ACROSS: Mapping[Plane, int] = {"xz": 0, "xy": 1, "zy": 2}
"""Axis of the volume (y, z, x) that a plane stands across."""
_TRUNCATE = 3.0


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
    halves : HalfSets
        Ring correlation of even against odd angles, and noise; empty where it is not known.
    """

    run: str
    pixel_size_m: float
    slices: dict[Quantity, dict[Plane, FloatArray]]
    theta_deg: FloatArray
    residual: FloatArray
    halves: HalfSets

    @property
    def correlation(self) -> FrcCurve | None:
        """Ring correlation of delta."""
        return self.halves.curves.get("delta")


class VolumeFile(Closing):
    """``reconstruction.h5`` for reading; ``delta`` and ``beta`` are read only where they are sliced.

    ``run`` is the uid of the run, ``parameters`` the settings of the reconstruction.

    Raises
    ------
    StorageError
        When the file is missing or no reconstruction.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = h5py.File(path, "r")
            self._entry = self._file["entry"]
            self.delta: h5py.Dataset = self._entry["delta/delta"]
            self.beta: h5py.Dataset = self._entry["beta/beta"]
            self.run: str = self._entry["source_run"].asstr()[()]
            self.title = str(self._entry["title"].asstr()[()]) if "title" in self._entry else ""
            self.parameters: dict[str, Any] = json.loads(self._entry["process/parameters"].asstr()[()])
        except (OSError, KeyError, ValueError) as error:
            raise StorageError(
                f"volume {path}: wanted a reconstruction: {error}; run xsn-acq reconstruct"
            ) from error

    @property
    def pixel_size_m(self) -> float:
        """Side of a voxel."""
        return float(self.parameters["pixel_size_m"])

    @property
    def wavelength_m(self) -> float:
        """Of the light it was measured with."""
        return float(self.parameters["wavelength_m"])

    @property
    def background_kept(self) -> int:
        """Number of slices that keep their background, for want of air; 0 in older files."""
        slabs = self._entry.get("process/slabs")
        if slabs is None or "background_kept" not in (slabs.dtype.names or ()):
            return 0
        return int(slabs["background_kept"].sum())

    @property
    def warnings(self) -> list[str]:
        """What a person must know of it by its own account, one line each."""
        found = list(self.parameters.get("warnings", []))
        kept, rows = self.background_kept, self.delta.shape[0]
        if kept:
            found.append(
                f"{kept} of {rows} slices keep their slow background: there is too little air in them; "
                "--keep-background leaves it in all"
            )
        return found

    @property
    def noise(self) -> dict[Quantity, float]:
        """Noise of a voxel by the half sets; empty where they were not compared."""
        return read_halves(self._entry).noise

    def summary(self) -> Summary:
        """Slices, residual and ring correlation."""
        entry = self._entry
        slices: dict[Quantity, dict[Plane, FloatArray]] = {
            quantity: {plane: entry[f"slices/{quantity}_{plane}/{quantity}_{plane}"][()] for plane in PLANES}
            for quantity in QUANTITIES
        }
        return Summary(
            run=self.run,
            pixel_size_m=self.pixel_size_m,
            slices=slices,
            theta_deg=entry["pairs/theta"][()],
            residual=entry["pairs/residual"][()],
            halves=read_halves(entry),
        )

    def per_pair(self) -> dict[str, tuple[FloatArray, str]]:
        """What else is known of each pair, as shifts: values and unit by name."""
        length = len(self._entry["pairs/theta"])
        return {
            name: (np.asarray(item[()], dtype=float), str(item.attrs.get("units", "")))
            for name, item in [*self._datasets("pairs"), *self._datasets("alignment")]
            if name not in ("theta", "residual") and item.shape == (length,) and item.dtype.kind in "fiu"
        }

    def alignment(self) -> list[tuple[str, str]]:
        """Single numbers of the alignment: name, and value with unit."""
        return [
            (name, f"{float(item[()]):.4g} {item.attrs.get('units', '')}".strip())
            for name, item in self._datasets("alignment")
            if item.shape == () and item.dtype.kind in "fiu"
        ]

    def _datasets(self, group: str) -> list[tuple[str, h5py.Dataset]]:
        items = self._entry[group].items() if group in self._entry else ()
        return [(name, item) for name, item in items if isinstance(item, h5py.Dataset)]

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
