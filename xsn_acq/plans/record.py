"""Rows that a plan itself makes, as a stream of the run."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from bluesky import plan_stubs as bps

from xsn_acq.plans.rows import Row, Summary
from xsn_acq.plans.steps import Plan

_KINDS: Mapping[str, tuple[str, str]] = {
    "int": ("integer", "<i8"),
    "float": ("number", "<f8"),
    "str": ("string", "<U16"),
}


class Rows:
    """A stream of rows, all of one dataclass, emitted as event pages by ``collect``.

    Parameters
    ----------
    name : str
        Name of the stream.
    kind : type
        The dataclass; its fields are integers, floats and strings.
    """

    parent = None

    def __init__(self, name: str, kind: type) -> None:
        self.name = name
        self._keys = {
            f.name: _KINDS.get(getattr(f.type, "__name__", ""), _KINDS["str"]) for f in fields(kind)
        }
        self._waiting: list[Any] = []

    def push(self, rows: Sequence[Any]) -> None:
        """Keep rows for the next page."""
        self._waiting += rows

    def declare(self) -> Plan:
        """Declare the stream."""
        yield from bps.declare_stream(self, name=self.name, collect=True)

    def emit(self) -> Plan:
        """Emit the rows that wait, as one page."""
        if self._waiting:
            yield from bps.collect(self, name=self.name, return_payload=False)

    def describe_collect(self) -> dict[str, dict[str, Any]]:
        """Describe the columns."""
        return {
            key: {"source": f"plan:{self.name}", "dtype": dtype, "shape": [], "dtype_numpy": numpy}
            for key, (dtype, numpy) in self._keys.items()
        }

    def collect_pages(self) -> Iterator[dict[str, Any]]:
        """Hand the waiting rows over, once."""
        rows, self._waiting = self._waiting, []
        if rows:
            now = time.time()
            data = {key: [getattr(row, key) for row in rows] for key in self._keys}
            stamps = {key: [now] * len(rows) for key in self._keys}
            yield {"data": data, "timestamps": stamps, "time": [now] * len(rows)}


def ledger_rows() -> Rows:
    """Make the stream of ledger rows."""
    return Rows("ledger", Row)


def summary_rows() -> Rows:
    """Make the stream of the ledger's summary."""
    return Rows("ledger_summary", Summary)
