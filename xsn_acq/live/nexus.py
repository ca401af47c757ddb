"""NeXus groups, the same in every file of results."""

from collections.abc import Mapping

import h5py
import numpy as np


def nxgroup(parent: h5py.Group, name: str, kind: str) -> h5py.Group:
    """Group of a NeXus class."""
    group = parent.create_group(name)
    group.attrs["NX_class"] = kind
    return group


def nxdata(
    parent: h5py.Group,
    name: str,
    signal: str,
    axes: tuple[str, ...],
    lengths: Mapping[str, int],
    pixel_size_m: float,
) -> h5py.Group:
    """NXdata whose axes are metres from the centre."""
    group = nxgroup(parent, name, "NXdata")
    group.attrs.update({"signal": signal, "axes": list(axes)})
    for axis in axes:
        length = lengths[axis]
        group[axis] = (np.arange(length) - (length - 1) / 2) * pixel_size_m
        group[axis].attrs["units"] = "m"
    return group
