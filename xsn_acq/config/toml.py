"""TOML both ways: read into what strict validation wants, written for tables of plain values."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from xsn_acq.errors import ConfigError


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Read a file; ``what`` names it in errors.

    Raises
    ------
    ConfigError
        It cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{what} {path}", [f"cannot be read: {error.strerror}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{what} {path}", [f"not TOML: {error}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{what} {path}", [f"not UTF-8 text: {error.reason}"]) from error


def lists_as_tuples(value: Any) -> Any:
    """TOML arrays become tuples, as strict validation wants them."""
    if isinstance(value, dict):
        return {key: lists_as_tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(lists_as_tuples(item) for item in value)
    return value


def table_text(name: str, content: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    """Text of a table, or of a list of tables, of dates, numbers, texts and lists; None is left out.

    >>> print(table_text("focus", [{"date": date(2026, 11, 2), "offset_mm": 0.01, "run": "1a2b"}]), end="")
    [[focus]]
    date = 2026-11-02
    offset_mm = 0.01
    run = "1a2b"
    """
    if not isinstance(content, Mapping):
        return "\n".join(_lines(f"[[{name}]]", item) for item in content)
    return _lines(f"[{name}]", content)


def _lines(head: str, content: Mapping[str, Any]) -> str:
    lines = [f"{key} = {_value(value)}" for key, value in content.items() if value is not None]
    return "\n".join([head, *lines]) + "\n"


def _value(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
