"""What files for other programs have in common: NeXus groups, values with units, a whole file or none."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from xsn_acq.errors import StorageError


@contextmanager
def whole_file(path: Path, what: str, check: Callable[[Path], object] | None = None) -> Iterator[h5py.File]:
    """Open an HDF5 file to be filled; it gets its name once it is closed and checked.

    What stands at its root keeps the order in which it was written.

    Parameters
    ----------
    path : Path
        A file of the same name is replaced; its folder is made.
    what : str
        What it is, for errors.
    check : callable, optional
        Called with the closed file before it gets its name; raises when it is not good.

    Raises
    ------
    StorageError
        When it cannot be written. An earlier file of the name stays.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(partial, "w", track_order=True) as file:
            yield file
        if check is not None:
            check(partial)
        os.replace(partial, path)
    except OSError as error:
        raise StorageError(f"{what} {path}: cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def nxroot(file: h5py.File, default: str) -> None:
    """Mark the root of a NeXus file; ``default`` is the entry to be shown."""
    file.attrs.update({"NX_class": "NXroot", "default": default, "creator": "xsn_acq"})


def nxgroup(parent: h5py.Group, name: str, kind: str, **attributes: Any) -> h5py.Group:
    """Make a group of a NeXus class."""
    group = parent.create_group(name)
    group.attrs["NX_class"] = kind
    group.attrs.update(attributes)
    return group


def nxvalue(group: h5py.Group, name: str, value: Any, units: str = "", **attributes: Any) -> h5py.Dataset:
    """Write a value, with its unit where it has one."""
    group[name] = value
    if units:
        group[name].attrs["units"] = units
    group[name].attrs.update(attributes)
    return group[name]


def nxfields(group: h5py.Group, fields: Mapping[str, Any]) -> None:
    """Write values without unit by name."""
    for name, value in fields.items():
        group[name] = value


def centred_m(length: int, pixel_size_m: float) -> np.ndarray:
    """Coordinates of the centres of so many pixels, metres from the middle."""
    return (np.arange(length) - (length - 1) / 2) * pixel_size_m


def nxdata(
    parent: h5py.Group,
    name: str,
    signal: str,
    axes: tuple[str, ...],
    lengths: Mapping[str, int],
    pixel_size_m: float,
) -> h5py.Group:
    """NXdata whose axes are metres from the centre."""
    group = nxgroup(parent, name, "NXdata", signal=signal, axes=list(axes))
    for axis in axes:
        nxvalue(group, axis, centred_m(lengths[axis], pixel_size_m), "m")
    return group


def iso_time(time_s: float) -> str:
    """Unix seconds as NeXus writes them.

    >>> iso_time(0.0)
    '1970-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(time_s, UTC).isoformat()
