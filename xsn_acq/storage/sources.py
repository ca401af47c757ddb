"""Where the frames of a virtual dataset come from: a missing source reads zeros, without an error."""

from pathlib import Path
from typing import Any

import h5py

from xsn_acq.errors import StorageError


def check_sources(data: h5py.Dataset, where: str) -> int:
    """Check that every frame that a dataset shows is there; the number of frames.

    Sources that are virtual datasets themselves are followed.

    Parameters
    ----------
    data : h5py.Dataset
        (n, ny, nx); one that is not virtual has all its frames.
    where : str
        What it is, for errors.

    Raises
    ------
    StorageError
        When a source is missing, too short or still being written, so that it would read zeros.
    """
    total = int(data.shape[0])
    if not data.is_virtual:
        return total
    shown = sum(_checked(data, source, where) for source in data.virtual_sources())
    if shown < total:
        raise StorageError(f"{where}: wanted {total} frames from its sources, found {shown}")
    return total


def _checked(data: h5py.Dataset, source: Any, where: str) -> int:
    """Frames that one source contributes, all of them there."""
    start, stop = _frames(source.vspace, int(data.shape[0]))
    count = stop - start
    _, last = _frames(source.src_space, count)
    if source.file_name == ".":
        _require(data.file[source.dset_name], last, where, Path(data.file.filename))
        return count
    place = Path(data.file.filename).parent / source.file_name
    try:
        with h5py.File(place, "r") as file:
            _require(file[source.dset_name], last, where, place)
    except (OSError, KeyError) as error:
        raise StorageError(
            f"{where}: source {place} cannot be read: {error}; is it missing or still being written?"
        ) from error
    return count


def _frames(space: Any, otherwise: int) -> tuple[int, int]:
    """First and last frame (and one more) that a selection takes; one that takes all has so many."""
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return 0, otherwise
    first, last = space.get_select_bounds()
    return int(first[0]), int(last[0]) + 1


def _require(data: h5py.Dataset, wanted: int, where: str, place: Path) -> None:
    found = check_sources(data, f"{where}: {place}")
    if found < wanted:
        raise StorageError(f"{where}: {place}: wanted {wanted} frames, found {found}")
