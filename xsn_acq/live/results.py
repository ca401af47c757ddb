"""Live results for whoever watches: messages over ZeroMQ, and ``live.json`` with the state of the work.

A message has two parts: a JSON header, and the raw bytes of an array (empty when there is none). The header
names ``kind`` (``preview``, ``slice``, ``spectrum``, ``map``, ``curve``, ``status``) and ``run``, and for an
array ``dtype``, ``shape`` and ``unit``, of images ``pixel_size_m`` too. Nothing is pickled; whoever misses a
message gets the next.
"""

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from zmq.constants import Flag
from zmq.sugar.socket import Socket

from xsn_acq.closing import Closing
from xsn_acq.errors import StorageError
from xsn_acq.storage.json_file import write_json
from xsn_acq.storage.publishing import publishing

STATUS_NAME = "live.json"
MAX_ARRAY_BYTES = 256 * 2**20
_HEADER_BYTES = 4096
_QUEUE = 32
_TYPES = {"float32": np.dtype("<f4")}

State = Literal["waiting", "retrieving", "volume", "done", "partial", "failed"]


@dataclass(frozen=True)
class Status:
    """How far the reconstruction of a run is.

    Attributes
    ----------
    run : str
        Uid of the run.
    state : str
        ``waiting`` for projections, ``retrieving`` fields, writing the ``volume``; then ``done``, ``partial``
        (the run itself was cut short) or ``failed``.
    frames : int
        Good projections announced so far.
    behind : int
        Of these, not yet worked on.
    pairs, expected_pairs : int
        Fields retrieved, and fields when the run is complete.
    message : str
        What a person must know: what went wrong, warnings, what the light is like; empty when nothing.
    """

    run: str
    state: State = "waiting"
    frames: int = 0
    behind: int = 0
    pairs: int = 0
    expected_pairs: int = 0
    message: str = ""

    @property
    def ended(self) -> bool:
        """Whether no more work will be done."""
        return self.state in ("done", "partial", "failed")


def write_status(folder: Path, status: Status) -> None:
    """Put ``live.json`` into a results folder; a reader never sees half of it."""
    write_json(folder / STATUS_NAME, {**asdict(status), "time": time.time()}, "status")


def read_status(folder: Path) -> Status | None:
    """State of the work in a results folder; None where no worker has been, or the file is damaged."""
    try:
        content = json.loads((folder / STATUS_NAME).read_text(encoding="utf-8"))
        return Status(**{name: content[name] for name in Status.__dataclass_fields__})
    except (OSError, ValueError, KeyError, TypeError):
        return None


class ResultPublisher(Closing):
    """Sends live results to whoever listens; never waits for them.

    Parameters
    ----------
    address : str or None
        As ``tcp://127.0.0.1:5578``; ``tcp://127.0.0.1:*`` takes any free port, see `address`. None: nothing
        is sent.

    Raises
    ------
    StorageError
        When the address cannot be bound.
    """

    def __init__(self, address: str | None) -> None:
        self._socket: Socket[bytes] | None = None
        self.address = ""
        if address is None:
            return
        self._socket, self.address = publishing(address, what="live results", queue=_QUEUE)

    def send(self, header: dict[str, Any], array: Any = None) -> None:
        """Send one result; listeners that are too slow miss it."""
        if self._socket is None:
            return
        content = b""
        if array is not None:
            values = np.ascontiguousarray(array, "<f4")
            header = {**header, "dtype": "float32", "shape": list(values.shape)}
            content = values.tobytes()
        self._socket.send_multipart([json.dumps(header).encode(), content], flags=Flag.NOBLOCK)

    def close(self) -> None:
        """Stop sending."""
        if self._socket is not None:
            self._socket.close()


def decode(parts: list[bytes]) -> tuple[dict[str, Any], np.ndarray | None]:
    """Read a message back: header and array, or None where it carries none.

    Raises
    ------
    StorageError
        When it is no message of a `ResultPublisher`, or too large.

    >>> header, image = decode([b'{"kind": "slice", "dtype": "float32", "shape": [1, 2]}', bytes(8)])
    >>> header["kind"], image.shape
    ('slice', (1, 2))
    """
    try:
        if len(parts) != 2 or len(parts[0]) > _HEADER_BYTES or len(parts[1]) > MAX_ARRAY_BYTES:
            raise ValueError("wanted a short header and one array")
        header = json.loads(parts[0])
        if not isinstance(header, dict) or not isinstance(header.get("kind"), str):
            raise ValueError("wanted a header with a kind")
        if "shape" not in header:
            return header, None
        kind, shape = _TYPES[header["dtype"]], tuple(int(length) for length in header["shape"])
        if min(shape, default=0) < 0 or math.prod(shape) * kind.itemsize != len(parts[1]):
            raise ValueError(f"wanted {shape} values, found {len(parts[1])} bytes")
        return header, np.frombuffer(parts[1], kind).reshape(shape)
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"live result: not a message of the live worker: {error}") from error
