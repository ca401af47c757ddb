"""Reading an NXtomo file: ours or that of any other program. Frames stay where they are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from xsn_acq.errors import StorageError
from xsn_acq.storage.sources import check_sources

Units = Mapping[str, float] | None
"""Factors to our unit by the name of a unit in lower case; None for plain numbers."""

_EV = {"ev": 1.0, "kev": 1e3, "electronvolt": 1.0, "kiloelectronvolt": 1e3}
_M = {
    **dict.fromkeys(("m", "meter", "metre", "meters"), 1.0),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), 1e-3),
    **dict.fromkeys(("um", "µm", "μm", "micrometer", "micrometre", "micron"), 1e-6),
    **dict.fromkeys(("nm", "nanometer", "nanometre"), 1e-9),
}
_DEG = {
    **dict.fromkeys(("deg", "degree", "degrees", "°"), 1.0),
    **dict.fromkeys(("rad", "radian", "radians"), float(np.rad2deg(1.0))),
}
_S = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "millisecond"), 1e-3),
    **dict.fromkeys(("us", "µs", "μs", "microsecond"), 1e-6),
}
_PX = dict.fromkeys(("pixel", "pixels", "px", ""), 1.0)
_DETECTOR = "instrument/detector"


@dataclass(frozen=True, eq=False)
class NxTomo:
    """What an NXtomo file says; None where it says nothing.

    Attributes
    ----------
    path, dataset : str
        Where the stack of frames is.
    uid, title : str
        Identifier of the scan (the file's name if it has none), and its title.
    shape : (ny, nx)
    image_key : (n,) int
        0 projection, 1 flat, 2 dark, 3 invalid.
    rotation_angle_deg : (n,)
    energy_ev, pixel_size_m, exposure_s, distance_m : float
        Pixel at the sample, exposure of one frame, sample to detector.
    axis_offset_px : float
        Column of the rotation axis minus (nx - 1) / 2.
    time_s : (n,)
        When each frame was taken, where it is one of our files.
    cutoff_x_um, sample_x_um : float
        Positions of motors.
    start : dict
        Our start document.
    """

    path: str
    dataset: str
    uid: str
    title: str
    shape: tuple[int, int]
    image_key: np.ndarray
    rotation_angle_deg: np.ndarray
    energy_ev: float | None
    pixel_size_m: float | None
    exposure_s: float | None
    distance_m: float | None
    axis_offset_px: float | None
    time_s: np.ndarray | None
    cutoff_x_um: float | None
    sample_x_um: float | None
    start: dict[str, Any] | None


def read_nxtomo(path: Path) -> NxTomo:
    """Read all but the frames.

    Raises
    ------
    StorageError
        When it is no NXtomo file, when what it holds does not fit together or has an unknown unit, or when
        frames that it shows are not there.
    """
    path = Path(path).absolute()
    try:
        with h5py.File(path, "r") as file:
            return _Reading(path, _entry(file, path)).value()
    except OSError as error:
        fault = (
            "there is no such file" if not path.exists() else f"not an HDF5 file that can be read: {error}"
        )
        raise StorageError(f"NXtomo {path}: {fault}") from error


def _entry(file: h5py.File, path: Path) -> h5py.Group:
    """Return the one entry that has frames with an image key; the default one where there are more."""
    names = [name for name in file if f"{name}/{_DETECTOR}/image_key" in file]
    default = file.attrs.get("default", "")
    if len(names) > 1 and default in names:
        names = [default]
    if len(names) != 1:
        raise StorageError(
            f"NXtomo {path}: wanted one entry with {_DETECTOR}/image_key, found {', '.join(names) or 'none'}"
        )
    return file[names[0]]


class _Reading:
    """One entry while it is read."""

    def __init__(self, path: Path, entry: h5py.Group) -> None:
        self._where = f"NXtomo {path}"
        self._path = path
        self._entry = entry

    def value(self) -> NxTomo:
        data = self._frames()
        n = check_sources(data, self._where)
        return NxTomo(
            path=str(self._path),
            dataset=f"{self._entry.name.strip('/')}/{_DETECTOR}/data",
            uid=self._text("entry_identifier") or self._path.stem,
            title=self._text("title"),
            shape=(int(data.shape[1]), int(data.shape[2])),
            image_key=self._required(f"{_DETECTOR}/image_key", n, None).astype(int),
            rotation_angle_deg=self._required("sample/rotation_angle", n, _DEG, default="degree"),
            energy_ev=self._first(("instrument/beam/incident_energy", "beam/incident_energy"), _EV),
            pixel_size_m=self._pixel_size(),
            exposure_s=self._first((f"{_DETECTOR}/count_time",), _S),
            distance_m=self._first((f"{_DETECTOR}/distance",), _M),
            axis_offset_px=self._first((f"{_DETECTOR}/x_rotation_axis_pixel_position",), _PX),
            time_s=self._values("xsn_acq/frame_time", _S),
            cutoff_x_um=_times(self._first(("xsn_acq/cutoff_x",), _M), 1e6),
            sample_x_um=_times(self._first(("sample/x_translation",), _M), 1e6),
            start=self._start(),
        )

    def _frames(self) -> h5py.Dataset:
        name = f"{_DETECTOR}/data"
        try:
            data = self._entry[name]
        except KeyError as error:
            raise StorageError(
                f"{self._where}: {name}: cannot be read: {error}; is a linked file missing?"
            ) from error
        if not isinstance(data, h5py.Dataset) or data.ndim != 3:
            raise StorageError(f"{self._where}: {name}: wanted frames (n, ny, nx), found {data}")
        return data

    def _values(self, name: str, units: Units, default: str = "") -> np.ndarray | None:
        """Values in our unit, None where there are none; ``default`` is the unit of values without one."""
        if not isinstance(self._entry.get(name), h5py.Dataset):
            return None
        data = self._entry[name]
        values = np.atleast_1d(np.asarray(data[()], dtype=float))
        if units is None:
            return values
        unit = data.attrs.get("units", default)
        unit = unit.decode() if isinstance(unit, bytes) else str(unit)
        if unit.lower() not in units:
            wanted = ", ".join(key for key in units if key)
            raise StorageError(f"{self._where}: {name}: wanted a unit of {wanted}, found {unit!r}")
        factor = units[unit.lower()]
        return values if factor == 1.0 else values * factor

    def _required(self, name: str, n: int, units: Units, default: str = "") -> np.ndarray:
        values = self._values(name, units, default)
        if values is None or values.shape != (n,) or not np.isfinite(values).all():
            found = "none" if values is None else f"{np.isfinite(values).sum()} of shape {values.shape}"
            raise StorageError(
                f"{self._where}: {name}: wanted {n} numbers, one for each frame, found {found}"
            )
        return values

    def _first(self, names: tuple[str, ...], units: Units) -> float | None:
        """First finite value of the first of some names that is there."""
        for name in names:
            values = self._values(name, units)
            if values is not None and values.size and np.isfinite(values.flat[0]):
                return float(values.flat[0])
        return None

    def _pixel_size(self) -> float | None:
        """Pixel at the sample: said of the sample, or else of the detector."""
        for place in ("sample", _DETECTOR):
            x, y = (self._first((f"{place}/{axis}_pixel_size",), _M) for axis in "xy")
            if x is not None and y is not None and not np.isclose(x, y, rtol=1e-6, atol=0.0):
                raise StorageError(f"{self._where}: {place}: wanted square pixels, found {x:g} m by {y:g} m")
            if x is not None or y is not None:
                return x if x is not None else y
        return None

    def _text(self, name: str) -> str:
        found = self._entry.get(name)
        if not isinstance(found, h5py.Dataset):
            return ""
        value = found[()]
        return value.decode() if isinstance(value, bytes) else str(value)

    def _start(self) -> dict[str, Any] | None:
        text = self._text("start_document/data")
        if not text:
            return None
        try:
            start = json.loads(text)
        except ValueError as error:
            raise StorageError(f"{self._where}: start_document: not JSON: {error}") from error
        return start if isinstance(start, dict) else None


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
