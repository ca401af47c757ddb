"""One run, put together from its documents as they come or from its journal."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from xsn_acq.errors import StorageError
from xsn_acq.storage.journal import JournalLine, read_journal

Row = dict[str, Any]


@dataclass
class StreamInfo:
    """One stream of a run.

    Attributes
    ----------
    name : str
        Its name: ``projections``, ``ledger``, ...
    descriptors : list of dict
        Its descriptor documents, first one first.
    resources : list of dict
        Its stream_resource documents: the files its frames lie in.
    """

    name: str
    descriptors: list[Row] = field(default_factory=list)
    resources: list[Row] = field(default_factory=list)
    _frames: dict[str, int] = field(default_factory=dict)

    @property
    def descriptor(self) -> Row:
        """The first descriptor document."""
        return self.descriptors[0]

    @property
    def n_frames(self) -> int:
        """Frames announced by stream_datum documents; a spectrum and its scalers are one frame."""
        of_key: dict[str, int] = {}
        for resource in self.resources:
            key = str(resource.get("data_key", ""))
            of_key[key] = of_key.get(key, 0) + self._frames[resource["uid"]]
        return max(of_key.values(), default=0)

    @property
    def resource(self) -> Row:
        """The one stream_resource of a camera stream.

        Raises
        ------
        StorageError
            When there is none, or more than one.
        """
        if len(self.resources) != 1:
            raise StorageError(f"stream {self.name}: wanted one frame file, found {len(self.resources)}")
        return self.resources[0]


class RunRecord:
    """A run as far as it is known.

    Attributes
    ----------
    start : dict
        The start document; empty until it has come.
    stop : dict or None
        The stop document; None while the run goes on, or when it was interrupted.
    streams : dict of str to StreamInfo
        Streams in the order in which they were declared.
    """

    def __init__(self) -> None:
        self.start: Row = {}
        self.stop: Row | None = None
        self.streams: dict[str, StreamInfo] = {}
        self._stream_of: dict[str, StreamInfo] = {}
        self._resources: dict[str, Row] = {}
        self._rows: dict[str, list[Row]] = {}

    @classmethod
    def from_journal(cls, path: Path) -> Self:
        """Read a whole journal file; an interrupted run is read as far as it goes.

        Raises
        ------
        StorageError
            When the file cannot be read or has no start document.
        """
        record = cls()
        for line in read_journal(path):
            record.add(line.name, line.doc)
        if not record.start:
            raise StorageError(
                f"journal {path}: wanted a start document first, found none; nothing was recorded"
            )
        return record

    @classmethod
    def from_documents(cls, documents: Iterable[tuple[str, Row]]) -> Self:
        """Put together ``(name, document)`` pairs."""
        record = cls()
        for name, doc in documents:
            record.add(name, doc)
        return record

    @property
    def uid(self) -> str:
        """The run's uid."""
        return str(self.start["uid"])

    @property
    def complete(self) -> bool:
        """Whether the stop document has come."""
        return self.stop is not None

    def add(self, name: str, doc: Row) -> None:
        """Take in one document."""
        match name:
            case "start":
                self.start = doc
            case "stop":
                self.stop = doc
            case "descriptor":
                stream = self.streams.setdefault(doc["name"], StreamInfo(doc["name"]))
                stream.descriptors.append(doc)
                self._stream_of[doc["uid"]] = stream
            case "stream_resource":
                self._resources[doc["uid"]] = doc
            case "stream_datum":
                self._add_frames(doc)
            case "event" | "event_page":
                self._rows.setdefault(self.stream_name(doc), []).extend(rows_of(name, doc))

    def add_line(self, line: JournalLine) -> None:
        """Take in one line of the journal or the feed."""
        self.add(line.name, line.doc)

    def _add_frames(self, doc: Row) -> None:
        stream, uid = self._stream_of[doc["descriptor"]], doc["stream_resource"]
        if uid not in stream._frames:
            stream.resources.append(self._resources[uid])
        stream._frames[uid] = max(stream._frames.get(uid, 0), doc["indices"]["stop"])

    def correct(self, stream: str, frames: int, ledger: list[Row]) -> None:
        """Put what a stream's one file really holds, and its ledger, in the place of what was told."""
        info = self.streams[stream]
        info._frames = {info.resource["uid"]: frames}
        self._rows["ledger"] = ledger

    def stream_name(self, doc: Row) -> str:
        """Name of the stream that an event, event_page or stream_datum belongs to; empty when unknown."""
        stream = self._stream_of.get(doc["descriptor"])
        return stream.name if stream else ""

    def rows(self, stream: str) -> list[Row]:
        """Events of a stream: the data of each with its ``time`` and ``seq_num``; empty when none."""
        return list(self._rows.get(stream, ()))

    def events(self, stream: str) -> dict[str, np.ndarray]:
        """Events of a stream as columns of n values, ``time`` and ``seq_num`` included; empty when none."""
        rows = self._rows.get(stream, [])
        return {key: _column([row.get(key) for row in rows]) for key in (rows[0] if rows else {})}

    @property
    def spoilt(self) -> frozenset[str]:
        """Streams whose frames were interrupted and count for nothing."""
        return frozenset(str(row["stream"]) for row in self.rows("spoilt"))

    @property
    def ledger(self) -> list[Row]:
        """Rows of the frame-angle ledger, in the order in which they were written."""
        return self.rows("ledger")

    def ledger_summary(self) -> Row:
        """Last event of the ledger's summary; empty when it was not written."""
        rows = self._rows.get("ledger_summary", [])
        return dict(rows[-1]) if rows else {}


def _column(values: list[Any]) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError:  # ragged
        column = np.empty(len(values), dtype=object)
        column[:] = values
        return column


def rows_of(name: str, doc: Row) -> Iterator[Row]:
    """Events of an ``event`` or ``event_page`` document, each its data with ``time`` and ``seq_num``.

    >>> page = {"time": [1.0, 2.0], "seq_num": [1, 2], "data": {"theta_deg": [0.0, 0.5]}}
    >>> [row["theta_deg"] for row in rows_of("event_page", page)]
    [0.0, 0.5]
    """
    if name == "event":
        yield {**doc["data"], "time": doc["time"], "seq_num": doc["seq_num"]}
        return
    columns = {**doc["data"], "time": doc["time"], "seq_num": doc["seq_num"]}
    for index in range(len(doc["time"])):
        yield {key: column[index] for key, column in columns.items()}
