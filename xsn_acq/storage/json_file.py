"""JSON files that a reader never sees half of, and that any JSON reader reads: nothing in place of NaN."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.errors import StorageError


def write_json(path: Path, content: Any, what: str, *, indent: int | None = None) -> Path:
    """Write a file whole, in place of an earlier one.

    Parameters
    ----------
    path : Path
    content
        Without NaN and infinite numbers: see `as_json`.
    what : str
        What it is, for the message.
    indent : int, optional

    Raises
    ------
    StorageError
        It cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(json.dumps(content, indent=indent, allow_nan=False), encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise StorageError(f"{what} {path}: cannot be written: {error.strerror}") from error
    return path


def as_json(values: ArrayLike) -> Any:
    """Numbers as JSON has them, None for those that are not finite; lists as the array is nested.

    >>> as_json([[1.0, float("nan")], [2.5, 3.0]]), as_json(float("inf"))
    ([[1.0, None], [2.5, 3.0]], None)
    """
    array = np.asarray(values, float)
    found = array.astype(object)
    found[~np.isfinite(array)] = None
    return found.tolist()
