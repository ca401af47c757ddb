"""Documents to other processes while a run goes on: ZeroMQ wakes the follower, the journal is the truth.

A message has two parts: a JSON header ``{"file", "offset", "end"}`` and the journal line itself.
A `Follower` uses the header to know where to look and reads the line from the file, so every
document comes exactly once and in order whatever is lost, repeated or forged on the way; a
subscriber without the data folder (a web page) can use the line. Nothing is ever unpickled.
"""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

from zmq.constants import Flag, SocketOption, SocketType
from zmq.error import ZMQError
from zmq.sugar.context import Context
from zmq.sugar.socket import Socket

from xsn_acq.closing import Closing
from xsn_acq.errors import StorageError
from xsn_acq.storage.journal import (
    FILE_NAME,
    JournalLine,
    is_being_written,
    journal_files,
    list_runs,
    read_journal,
)
from xsn_acq.storage.publishing import publishing

MAX_MESSAGE_BYTES = 8 * 2**20
"""A longer line is announced without its content; a longer message is refused."""

_QUEUE = 10_000
_HEADER_BYTES = 1024


class Publisher(Closing):
    """Sends journal lines to whoever listens; never waits for them.

    Parameters
    ----------
    address : str
        ``tcp://127.0.0.1:*`` (the default) takes any free port; see `address` for which.

    Raises
    ------
    StorageError
        When the address cannot be bound.
    """

    def __init__(self, address: str = "tcp://127.0.0.1:*") -> None:
        self._lock = threading.Lock()
        self._socket, self.address = publishing(address, what="feed", queue=_QUEUE)

    def send(self, line: JournalLine) -> None:
        """Send one line; drops it for listeners that are too slow (they read the journal)."""
        header = json.dumps({"file": line.path.name, "offset": line.offset, "end": line.end})
        content = line.line if len(line.line) <= MAX_MESSAGE_BYTES else b""
        with self._lock:
            if not self._socket.closed:
                self._socket.send_multipart([header.encode(), content], flags=Flag.NOBLOCK)

    def close(self) -> None:
        """Stop sending."""
        with self._lock:
            self._socket.close()


class Follower(Closing):
    """Journal lines as they are written: each exactly once, in order within its run.

    Works with a publisher that is late, dead or started again: the folder is looked at whenever
    nothing was heard for `poll_s`.

    Parameters
    ----------
    folder : Path
        The journal folder.
    address : str, optional
        Where the publisher is bound; without it the folder alone is watched.
    runs : str
        ``"new"``: runs that begin from now on, those being written and the newest one if it has no
        stop document (from their beginning); ``"all"``: every run; a uid: that run alone.
    poll_s : float
        Longest time in seconds between two looks at the folder.

    Attributes
    ----------
    malformed : int
        Messages that were ignored because they were no header of a journal line.
    """

    def __init__(
        self, folder: Path, address: str | None = None, *, runs: str = "new", poll_s: float = 0.25
    ) -> None:
        self._folder = Path(folder)
        self._runs = runs
        self._poll_s = poll_s
        self._position: dict[Path, int] = {}
        self._done: set[Path] = self._ended_before()
        self._stale = True
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._socket = _subscribe(address)
        self.malformed = 0

    def _ended_before(self) -> set[Path]:
        """Files that are not looked at at all."""
        if self._runs == "all":
            return set()
        known = list_runs(self._folder)
        if self._runs == "new":
            return {
                run.path
                for run in known
                if run.complete or not (run is known[-1] or is_being_written(run.path))
            }
        return {run.path for run in known if run.uid != self._runs}

    def __iter__(self) -> Iterator[JournalLine]:
        """Lines for ever, until `close`."""
        while not self._closed.is_set():
            yield from self.poll()

    def poll(self, timeout_s: float | None = None, *, limit: int = 1000) -> list[JournalLine]:
        """Next lines, at most ``limit``; empty when none came within ``timeout_s`` (default `poll_s`).

        Raises
        ------
        StorageError
            When a journal file is damaged in its middle.
        """
        lines = self._unread(limit) if self._stale else []
        if not lines:
            self._listen(self._poll_s if timeout_s is None else timeout_s)
            lines = self._unread(limit)
        self._stale = len(lines) >= limit
        return lines

    def _listen(self, timeout_s: float) -> None:
        """Return when the feed or the clock says that there may be something to read."""
        if self._socket is None:
            self._closed.wait(timeout_s)
            return
        with self._lock:
            if self._socket.closed or self._socket.poll(round(timeout_s * 1000)) == 0:
                return
            while self._socket.poll(0):
                if not _is_header(self._socket.recv_multipart(flags=Flag.NOBLOCK)):
                    self.malformed += 1

    def _unread(self, limit: int) -> list[JournalLine]:
        """Read what was not handed out yet, oldest run first."""
        lines: list[JournalLine] = []
        for path in journal_files(self._folder):
            if path in self._done or path.stat().st_size <= self._position.get(path, 0):
                continue
            for line in read_journal(path, self._position.get(path, 0)):
                if not self._wanted(line):
                    self._done.add(path)
                    break
                lines.append(line)
                self._position[path] = line.end
                if line.name == "stop":
                    self._done.add(path)
                if len(lines) >= limit:
                    return lines
        return lines

    def _wanted(self, line: JournalLine) -> bool:
        return line.name != "start" or self._runs in ("new", "all") or line.doc.get("uid") == self._runs

    def close(self) -> None:
        """End the iteration, within `poll_s`; may be called from another thread."""
        self._closed.set()
        if self._socket is not None:
            with self._lock:
                self._socket.close()


def _subscribe(address: str | None) -> Socket[bytes] | None:
    if address is None:
        return None
    socket: Socket[bytes] = Context.instance().socket(SocketType.SUB)
    socket.setsockopt(SocketOption.LINGER, 0)
    socket.setsockopt(SocketOption.RCVHWM, _QUEUE)
    socket.setsockopt(SocketOption.MAXMSGSIZE, MAX_MESSAGE_BYTES + _HEADER_BYTES)
    socket.setsockopt(SocketOption.SUBSCRIBE, b"")
    try:
        socket.connect(address)
    except ZMQError as error:
        socket.close()
        raise StorageError(f"feed {address}: not an address to listen to: {error}") from error
    return socket


def _is_header(parts: list[bytes]) -> bool:
    """Whether a message begins with the header of a journal line."""
    if len(parts) != 2 or len(parts[0]) > _HEADER_BYTES:
        return False
    try:
        header = json.loads(parts[0])
        name, offset, end = header["file"], header["offset"], header["end"]
    except (ValueError, TypeError, KeyError):
        return False
    numbers = isinstance(offset, int) and isinstance(end, int) and 0 <= offset < end
    return numbers and isinstance(name, str) and FILE_NAME.fullmatch(name) is not None
