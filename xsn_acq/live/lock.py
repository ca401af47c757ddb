"""One process at a time in a results folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xsn_acq.errors import StorageError


def hold(path: Path) -> int:
    """Lock a file until the returned handle is closed or this process dies.

    Raises
    ------
    StorageError
        When the folder cannot be written, or another process holds the lock.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StorageError(f"results folder {path.parent}: cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise StorageError(
            f"results folder {path.parent}: another process is reconstructing this run; wait for it or end it"
        ) from error
    return handle


@contextmanager
def holding(path: Path) -> Iterator[int]:
    """`hold` for a ``with`` block; whoever duplicates the handle in it holds the lock on.

    Raises
    ------
    StorageError
        See `hold`.
    """
    handle = hold(path)
    try:
        yield handle
    finally:
        os.close(handle)
