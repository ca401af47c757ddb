"""Frame files whose writer was killed: mended in place, so that any program opens them.

HDF5 marks a file that is being written. A writer that is killed leaves the mark, and where the file ends is
noted only when it is closed: every program but a reader in SWMR mode then refuses the file, and a virtual
dataset over it cannot be read. What ``h5clear --status --increment=0`` does is done here: the mark is taken
off and the end noted, in the superblock of version 3 (HDF5 File Format Specification 3.0, section II.A). No
frame is touched.
"""

import os
from pathlib import Path

import h5py

from xsn_acq.errors import StorageError

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAD = 48
"""Bytes of a superblock of version 3 with offsets of 8 bytes; the last four are its checksum."""
_VERSION, _MARK, _END, _CHECKSUM = 8, 11, slice(28, 36), slice(44, 48)
_WORD = 0xFFFFFFFF


def mend(path: Path) -> bool:
    """Mend a frame file that was left as if it were being written; whether it was.

    Nobody may be writing it any more.

    Raises
    ------
    StorageError
        When it cannot be read or written, or cannot be opened for another reason.
    """
    try:
        if _opens(path):
            return False
        with path.open("r+b") as file:
            head = bytearray(file.read(_HEAD))
            if not _is_marked(head):
                raise StorageError(f"frame file {path}: cannot be opened, and no writer was killed")
            head[_MARK] = 0
            head[_END] = path.stat().st_size.to_bytes(8, "little")
            head[_CHECKSUM] = checksum(bytes(head[: _CHECKSUM.start])).to_bytes(4, "little")
            file.seek(0)
            file.write(head)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        hint = "run h5clear --status --increment=0 on it as its owner"
        raise StorageError(
            f"frame file {path}: left by a killed writer, cannot be mended: {error.strerror}; {hint}"
        ) from error
    if not _opens(path):
        raise StorageError(f"frame file {path}: left by a killed writer, cannot be mended; try h5clear")
    return True


def _opens(path: Path) -> bool:
    """Whether a plain reader opens the file."""
    if not path.is_file():
        raise StorageError(f"frame file {path}: not there")
    try:
        with h5py.File(path, "r"):
            return True
    except OSError:
        return False


def _is_marked(head: bytes | bytearray) -> bool:
    """Whether this is a whole superblock that says that the file is being written."""
    known = head[:_VERSION] == _SIGNATURE and len(head) == _HEAD and tuple(head[8:11]) == (3, 8, 8)
    return (
        known
        and head[_MARK] != 0
        and checksum(bytes(head[: _CHECKSUM.start])) == int.from_bytes(head[_CHECKSUM], "little")
    )


def checksum(data: bytes) -> int:
    """Checksum of HDF5's metadata: Bob Jenkins' ``lookup3``, ``hashlittle`` (public domain, 2006).

    >>> hex(checksum(b"Four score and seven years ago"))
    '0x17770551'
    """
    a = b = c = (0xDEADBEEF + len(data)) & _WORD
    while len(data) > 12:
        a, b, c = _mixed(*_added(a, b, c, data[:12]))
        data = data[12:]
    return _last_mixed(*_added(a, b, c, data.ljust(12, b"\0"))) if data else c


def _added(a: int, b: int, c: int, data: bytes) -> tuple[int, int, int]:
    words = [int.from_bytes(data[start : start + 4], "little") for start in (0, 4, 8)]
    return (a + words[0]) & _WORD, (b + words[1]) & _WORD, (c + words[2]) & _WORD


def _turned(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (32 - bits))) & _WORD


def _mixed(a: int, b: int, c: int) -> tuple[int, int, int]:
    for bits in (4, 6, 8, 16, 19, 4):
        a = ((a - c) & _WORD) ^ _turned(c, bits)
        c = (c + b) & _WORD
        a, b, c = b, c, a
    return a, b, c


def _last_mixed(a: int, b: int, c: int) -> int:
    for bits in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _turned(b, bits)) & _WORD
        a, b, c = b, c, a
    return b
