"""One document as one line of JSON, and back."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class JournalLine:
    """One document where it stands in its journal.

    Parameters
    ----------
    path : Path
        The journal file of the run.
    offset, end : int
        Bytes of the file the line covers, its newline included.
    name : str
        Kind of document: ``start``, ``descriptor``, ``event_page``, ...
    doc : dict
        The document.
    line : bytes
        The line as written, newline included.
    """

    path: Path
    offset: int
    end: int
    name: str
    doc: dict[str, Any] = field(repr=False)
    line: bytes = field(repr=False)


def encode(name: str, doc: dict[str, Any]) -> bytes:
    """One document as one line of JSON with its newline; NaN and infinities are kept (Python's spelling)."""
    try:
        text = json.dumps({"name": name, "doc": doc}, default=_plain, separators=(",", ":"))
    except (TypeError, ValueError):  # a key that is no string
        text = json.dumps({"name": name, "doc": _with_text_keys(doc)}, default=_plain, separators=(",", ":"))
    return text.encode() + b"\n"


def _plain(value: object) -> Any:
    """Make of what json does not know something it does."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _with_text_keys(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_text_keys(item) for item in value]
    return value


def decode(path: Path, offset: int, raw: bytes) -> JournalLine | None:
    """Read back the line that stands at ``offset`` of a journal file; None when it is no document."""
    try:
        content = json.loads(raw)
        name, doc = content["name"], content["doc"]
    except (ValueError, TypeError, KeyError):
        return None
    if not isinstance(name, str) or not isinstance(doc, dict):
        return None
    return JournalLine(path, offset, offset + len(raw), name, doc, raw)
