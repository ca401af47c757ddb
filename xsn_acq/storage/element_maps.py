"""Maps of elements, as NeXus viewers open them.

::

    /entry                  NXentry, shows the first element
        /<element>          NXdata: the map over y and x (m), and its standard errors
        /transmission       NXdata: the microscope's image, where it is given
        /sample             NXsample with the size of a pixel
        /process            NXprocess: how they were made
"""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.errors import StorageError
from xsn_acq.storage.nexus import nxdata, nxfields, nxgroup, nxroot, nxvalue, whole_file


def write_element_maps(
    path: Path,
    maps: Mapping[str, ArrayLike],
    *,
    pixel_size_m: float,
    title: str,
    units: str,
    errors: Mapping[str, ArrayLike] | None = None,
    transmission: ArrayLike | None = None,
    parameters: Mapping[str, str | float] | None = None,
) -> Path:
    """Write maps of elements; an earlier file of the same name is replaced.

    Parameters
    ----------
    path : Path
        File to write, ``.h5`` by custom.
    maps : element -> (ny, nx)
        The first is the one to be shown.
    pixel_size_m : float
        At the sample.
    title, units : str
        The unit is that of the maps.
    errors : element -> (ny, nx), optional
        Standard errors, of all elements or some.
    transmission : (ny, nx), optional
        The microscope's image.
    parameters : mapping of name to value, optional
        How the maps were made.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StorageError
        When there are none, when shapes differ, or when the file cannot be written.
    """
    path = Path(path).absolute()
    where = f"element maps {path}"
    shape = _shape(maps, where)
    given = {**maps, **{f"errors of {name}": image for name, image in (errors or {}).items()}}
    if transmission is not None:
        given["transmission"] = transmission
    for name, image in given.items():
        if np.shape(image) != shape:
            raise StorageError(f"{where}: {name}: wanted shape {shape} as the first, found {np.shape(image)}")
    lengths = dict(zip("yx", shape, strict=True))
    with whole_file(path, "element maps") as file:
        first = next(iter(maps))
        nxroot(file, "entry")
        entry = nxgroup(file, "entry", "NXentry", default=first)
        nxfields(entry, {"title": title, "program_name": "xsn_acq"})
        for element, values in maps.items():
            group = nxdata(entry, element, element, ("y", "x"), lengths, pixel_size_m)
            group["title"] = f"{title}: {element}"
            nxvalue(group, element, np.asarray(values, float), units)
            if errors and element in errors:
                nxvalue(group, f"{element}_errors", np.asarray(errors[element], float), units)
        if transmission is not None:
            group = nxdata(entry, "transmission", "transmission", ("y", "x"), lengths, pixel_size_m)
            nxvalue(group, "transmission", np.asarray(transmission, float))
        _write_facts(entry, pixel_size_m, parameters or {})
    return path


def _shape(maps: Mapping[str, ArrayLike], where: str) -> tuple[int, ...]:
    if not maps or any(not name.isalnum() for name in maps):
        raise StorageError(f"{where}: wanted maps by symbols of elements, found {', '.join(maps) or 'none'}")
    shape = np.shape(next(iter(maps.values())))
    if len(shape) != 2 or 0 in shape:
        raise StorageError(f"{where}: wanted maps (ny, nx), found shape {shape}")
    return shape


def _write_facts(entry: h5py.Group, pixel_size_m: float, parameters: Mapping[str, str | float]) -> None:
    sample = nxgroup(entry, "sample", "NXsample")
    for axis in "xy":
        nxvalue(sample, f"{axis}_pixel_size", pixel_size_m, "m")
    process = nxgroup(entry, "process", "NXprocess")
    nxfields(process, {"program": "xsn_acq", "version": version("xsn_acq")})
    nxfields(nxgroup(process, "parameters", "NXparameters"), parameters)
