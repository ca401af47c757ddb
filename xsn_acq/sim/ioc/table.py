"""Sets of records read from the tables in ``records/``: facts of the public templates, one record a line."""

import csv
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from xsn_acq.sim.ioc.channels import CharArray, Double, Enum, Long, Now, Put, Served, Text, enum

_INPUTS = frozenset({"ai", "bi", "longin", "stringin", "mbbi", "subArray", "calc"})
_ENUMS = frozenset({"bo", "bi", "busy", "mbbo", "mbbi"})
_TEXTS = frozenset({"stringin", "stringout"})
_NUMBERS = frozenset({"ai", "ao", "calc", "calcout"})


def read_table(name: str) -> list[dict[str, str]]:
    """Rows of ``records/<name>.csv``."""
    text = (files("xsn_acq.sim.ioc") / "records" / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def make_record(row: Mapping[str, str], now: Now) -> Served:
    """Make the process variable of one table row."""
    record, default = row["record"], row["default"]
    common: dict[str, Any] = {"now": now, "record": record, "read_only": record in _INPUTS}
    if record in _ENUMS:
        states = row["states"].split("|")
        return enum(states, value=int(default or 0), **common)
    if record in _TEXTS:
        return Text(value=default, **common)
    if record == "waveform" and row["type"] == "CHAR":
        return CharArray(value=default, max_length=int(row["length"]), **common)
    if record in _NUMBERS:
        precision = int(row["precision"] or 0)
        return Double(value=float(default or 0.0), precision=precision, units=row["unit"], **common)
    length = int(row["length"] or 1)
    value = int(default or 0)
    values = value if length == 1 else [value] * length
    return Long(value=values, max_length=length, units=row["unit"], **common)


class Records(Mapping[str, Served]):
    """Records under one prefix, by suffix. A put to ``X`` shows in ``X_RBV`` when there is one.

    Parameters
    ----------
    prefix : str
        In front of every suffix.
    now : callable
        Simulated epoch seconds.
    table : str, optional
        Name of a table in ``records/``.
    """

    def __init__(self, prefix: str, now: Now, table: str | None = None) -> None:
        self.prefix = prefix
        self.now = now
        rows = read_table(table) if table else []
        self._records = {row["suffix"]: make_record(row, now) for row in rows}
        for suffix, pv in self._records.items():
            if f"{suffix}_RBV" in self._records:
                pv.on_put = self._echo(suffix, None)

    def __getitem__(self, suffix: str) -> Served:
        return self._records[suffix]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def add(self, suffix: str, pv: Served) -> Served:
        """Serve one more record."""
        self._records[suffix] = pv
        return pv

    def on_put(self, suffix: str, hook: Put) -> None:
        """Call ``hook`` for each put to ``suffix``; what it makes of the value shows in ``_RBV``."""
        has_readback = f"{suffix}_RBV" in self._records
        self._records[suffix].on_put = self._echo(suffix, hook) if has_readback else hook

    def value(self, suffix: str) -> Any:
        """Present value: a string for enumerations."""
        return self._records[suffix].value

    async def post(self, suffix: str, value: Any, **metadata: Any) -> None:
        """Publish a value of our own."""
        await self._records[suffix].post(value, **metadata)

    async def set(self, suffix: str, value: Any) -> None:
        """Publish a value of our own on a record and on its ``_RBV``."""
        await self.post(suffix, value)
        if f"{suffix}_RBV" in self._records:
            await self.post(f"{suffix}_RBV", value)

    def channels(self) -> dict[str, Served]:
        """All of them, by full name."""
        return {self.prefix + suffix: pv for suffix, pv in self._records.items()}

    def _echo(self, suffix: str, hook: Put | None) -> Put:
        async def put(value: Any) -> Any:
            made = value if hook is None else await hook(value)
            made = value if made is None else made
            await self._records[f"{suffix}_RBV"].post(self._shown(suffix, made))
            return made

        return put

    def _shown(self, suffix: str, value: Any) -> Any:
        """Return what the readback says: some have words of their own, in the same order."""
        pv, readback = self._records[suffix], self._records[f"{suffix}_RBV"]
        if isinstance(pv, Enum) and isinstance(readback, Enum) and value not in readback.enum_strings:
            return pv.enum_strings.index(value)
        return value
