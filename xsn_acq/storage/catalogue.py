"""The catalogue: a Tiled catalogue of runs in the data folder, opened in process, or a Tiled server.

databroker's client and queries (`databroker.queries`) read it. It holds no truth of its own: delete its
folder, and ``xsn-acq catalogue --once`` makes it again from the journal.

The embedded catalogue is two SQLite files (nodes and tables); frames stay where the camera wrote them.
"""

import contextlib
import fcntl
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid4, uuid5

from xsn_acq.errors import StorageError
from xsn_acq.storage.journal import read_journal
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.lines import JournalLine

INTERRUPTED: Final = "interrupted: the journal has no stop document"
"""Reason given in the catalogue, and only there, for a run whose session died."""

_BATCH: Final = 200
_SPECS: Final = [{"name": "CatalogOfBlueskyRuns", "version": "3.0"}]


def open_catalogue(place: Path | str) -> Any:
    """Open the catalogue of a data folder, made when there is none, or a Tiled server.

    Parameters
    ----------
    place : Path or str
        The data folder, or the address of a Tiled server (``http://...``): its API key is taken from the
        environment (``TILED_API_KEY``), and it must be allowed to read the folder of frames.

    Returns
    -------
    tiled.client.container.Container
        ``catalogue[-1]`` is the last run, ``catalogue.search(PartialUID("1a2b"))`` finds some. Close it with
        `close_catalogue`.

    Raises
    ------
    StorageError
        When it cannot be opened.
    """
    address = str(place)
    if address.startswith(("http://", "https://")):
        return _served(address)
    return _embedded(DataFolder(Path(place)))


def _served(address: str) -> Any:
    from tiled.client import from_context
    from tiled.client.context import Context

    with contextlib.ExitStack() as undo:
        try:
            context, path = Context.from_any_uri(address)
            undo.callback(context.close)
            catalogue = from_context(context, node_path_parts=path)
        except Exception as error:
            reason = str(error).strip().partition("\n")[0]
            raise StorageError(
                f"catalogue {address}: cannot be opened: {reason}; "
                "wanted a running Tiled server, and its API key in TILED_API_KEY"
            ) from error
        undo.pop_all()
    return catalogue


def close_catalogue(catalogue: Any) -> None:
    """Close what `open_catalogue` opened."""
    catalogue.context.close()


@contextmanager
def opened_catalogue(place: Path | str) -> Iterator[Any]:
    """Open a catalogue for the length of a ``with`` block."""
    catalogue = open_catalogue(place)
    try:
        yield catalogue
    finally:
        close_catalogue(catalogue)


def _embedded(data: DataFolder) -> Any:
    from bluesky_tiled_plugins.exporters import json_seq_exporter
    from tiled.catalog import from_uri
    from tiled.client import from_context
    from tiled.client.context import Context
    from tiled.media_type_registration import default_serialization_registry
    from tiled.server.app import build_app

    folder = data.catalogue
    database = folder / "runs.db"
    try:
        _initialise(database)
        tree = from_uri(
            _unshared(database),
            specs=_SPECS,
            writable_storage=[str(folder / "arrays"), f"sqlite:///{folder / 'tables.db'}"],
            readable_storage=[str(data.frames_root)],
        )
        default_serialization_registry.register("BlueskyRun", "application/json-seq", json_seq_exporter)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the in-process client of starlette announces its successor
            return from_context(Context.from_app(build_app(tree)))
    except Exception as error:
        raise StorageError(
            f"catalogue {folder}: cannot be opened: {error}; delete the folder and make it again from the "
            "journal: xsn-acq catalogue --once"
        ) from error


def _unshared(database: Path) -> str:
    """Return an address of the database that none had before; SQLite ignores the parameter ``opened``.

    Tiled shares connections by address, also between the event loops of two catalogues that one process has
    open: they hang on them now and then.
    """
    return f"sqlite:///file:{quote(str(database.absolute()))}?uri=true&opened={uuid4().hex}"


def _initialise(database: Path) -> None:
    """Make the database once, whole or not at all, also when two processes begin at the same time."""
    from tiled.commandline._catalog import init

    with database.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if database.exists():
            return
        draft = database.with_suffix(".draft")
        for leftover in draft.parent.glob(draft.name + "*"):
            leftover.unlink()
        with contextlib.redirect_stderr(io.StringIO()):
            init(f"sqlite:///{draft}", if_not_exists=False)
        draft.replace(database)


def is_catalogued(catalogue: Any, uid: str, *, stopped: bool) -> bool:
    """Whether a run stands whole in the catalogue.

    Parameters
    ----------
    uid : str
        The run's uid.
    stopped : bool
        Whether the journal has its stop document: then a catalogue that calls the run interrupted is wrong.
    """
    if uid not in catalogue:
        return False
    stop = catalogue[uid].metadata.get("stop")
    return stop is not None and not (stopped and stop.get("reason") == INTERRUPTED)


def remove(catalogue: Any, uid: str) -> None:
    """Take a run out of the catalogue; frame files are never touched."""
    if uid in catalogue:
        catalogue.delete_contents(keys=[uid], recursive=True, external_only=False)


class RunWriter:
    """Writes one run to the catalogue as its documents come; what is there of it already is replaced."""

    def __init__(self, catalogue: Any, uid: str) -> None:
        from bluesky_tiled_plugins import TiledWriter

        self.uid = uid
        self._writer = TiledWriter(catalogue, batch_size=_BATCH)
        self._time = 0.0
        remove(catalogue, uid)

    def add(self, line: JournalLine) -> None:
        """Take one document."""
        self._time = _time_of(line.doc, self._time)
        self._writer(line.name, line.doc)

    def interrupt(self) -> None:
        """End a run that has no stop document: the catalogue, and only it, gets one that says so."""
        stop = {
            "uid": str(uuid5(NAMESPACE_URL, self.uid)),
            "run_start": self.uid,
            "time": self._time,
            "exit_status": "fail",
            "reason": INTERRUPTED,
            "num_events": {},
        }
        self._writer("stop", stop)


def _time_of(doc: dict[str, Any], otherwise: float) -> float:
    time = doc.get("time", otherwise)
    return float(max(time) if isinstance(time, list) and time else time or otherwise)


def insert(catalogue: Any, journal: Path) -> bool:
    """Bring one run, from its journal file, into the catalogue; False when it stood there whole already.

    A run without a stop document is entered as interrupted: ask `is_being_written` first.

    Raises
    ------
    StorageError
        When the journal cannot be read or the catalogue refuses a document.
    """
    lines = list(read_journal(journal))
    if not lines or lines[0].name != "start":
        raise StorageError(f"journal {journal}: wanted a start document, found none")
    uid, stopped = lines[0].doc["uid"], lines[-1].name == "stop"
    if is_catalogued(catalogue, uid, stopped=stopped):
        return False
    try:
        writer = RunWriter(catalogue, uid)
        for line in lines:
            writer.add(line)
        if not stopped:
            writer.interrupt()
    except Exception as error:
        raise StorageError(f"catalogue: run {uid[:8]} of {journal} cannot be entered: {error}") from error
    return True
