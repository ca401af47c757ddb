"""What a failed validation says to a person: one line for each fault, with field, value, unit and limit."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from inspect import isclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

_WANTED = {
    "greater_than": "more than {gt:g}{unit}",
    "greater_than_equal": "{ge:g}{unit} or more",
    "less_than": "less than {lt:g}{unit}",
    "less_than_equal": "{le:g}{unit} or less",
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "text",
    "string_pattern_mismatch": "text that matches {pattern}",
    "string_too_short": "{min_length} characters or more",
    "string_too_long": "{max_length} characters or less",
    "literal_error": "{expected}",
    "tuple_type": "a list",
    "too_short": "a list of {min_length} or more",
    "too_long": "a list of {max_length} or fewer",
    "dict_type": "a table of keys and values",
    "model_type": "a table of keys and values",
    "date_type": "a date, as 2026-11-02",
}
"""What was wanted, by pydantic's name of the fault."""

_UNITS = {
    **dict.fromkeys(("m", "mm", "um", "nm", "angstrom", "deg", "urad", "s"), ""),
    "ev": "eV",
    "gev": "GeV",
    "ma": "mA",
    "per_um": "1/um",
    "mm_s": "mm/s",
}
"""Unit by the ending of a name; empty: the ending itself."""

_PIXELS = ("min_x", "min_y", "size_x", "size_y", "column", "sensor_columns", "sensor_rows")
"""Names that do not carry their unit, px."""


def faults_of(error: ValidationError, model: type[BaseModel], raw: object) -> list[str]:
    """One line for each fault.

    Parameters
    ----------
    error : ValidationError
        What pydantic found.
    model : type
        What was validated: its keys tell what a misspelt one may mean.
    raw : object
        The data: a table with a ``unit`` tells that of its numbers.
    """
    return [line for item in error.errors() for line in _lines(item, model, raw)]


def _lines(error: Any, model: type[BaseModel], raw: object) -> list[str]:
    path = [part for part in error["loc"] if part != "[key]"]
    where = ".".join(str(part) for part in path)
    kind, found = error["type"], error["input"]
    if kind == "value_error":  # ours: one fault a line
        faults = str(error["ctx"]["error"]).splitlines()
        return [f"{where}: {fault}" if where else fault for fault in faults]
    if kind == "missing":
        return [f"{where}: missing"]
    if kind == "too_short" and len(found) >= error["ctx"]["min_length"]:
        return []  # only good items were counted, and each bad one is told
    if kind == "extra_forbidden":
        return [f"{where}: no such key{_hint(path[-1], _keys(model, path[:-1]))}"]
    context, unit = error.get("ctx", {}), _unit(path, raw)
    wanted = _WANTED[kind].format(**context, unit=unit) if kind in _WANTED else error["msg"]
    hint = _hint(found, re.findall(r"'[^']*'", context.get("expected", "")))
    return [f"{where or 'file'}: wanted {wanted}, found {found!r}{unit if _is_number(found) else ''}{hint}"]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _hint(found: object, known: Sequence[str]) -> str:
    """The known word that a misspelt one is near to, as a question."""
    near = get_close_matches(str(found).lower(), known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _keys(model: type[BaseModel], path: Sequence[Any]) -> list[str]:
    """Keys of the table at ``path``; none where that is not known."""
    for part in path:
        if isinstance(part, int):  # an item of a list of such tables
            continue
        field = model.model_fields.get(part)
        annotation = field.annotation if field else None
        models = [kind for kind in (annotation, *get_args(annotation)) if _is_model(kind)]
        if not models:
            return []
        model = models[0]
    return list(model.model_fields)


def _is_model(kind: Any) -> bool:
    return isclass(kind) and issubclass(kind, BaseModel)


def _unit(path: Sequence[Any], raw: object) -> str:
    """Unit of the value at ``path`` after a space; empty when it has none."""
    unit = next((unit for part in reversed(path) if (unit := _named_unit(str(part)))), "")
    if not unit and path:
        unit = _unit_beside(path, raw)
    return f" {unit}" if unit else ""


def _named_unit(name: str) -> str:
    """Unit that a name carries.

    >>> _named_unit("gap_speed_mm_s"), _named_unit("exposure_s"), _named_unit("min_x"), _named_unit("note")
    ('mm/s', 's', 'px', '')
    """
    endings = [ending for ending in _UNITS if name.endswith(f"_{ending}")]
    if not endings:
        return "px" if name in _PIXELS else ""
    longest = max(endings, key=len)
    return _UNITS[longest] or longest


def _unit_beside(path: Sequence[Any], raw: object) -> str:
    """Unit that the table says in which a value stands; a velocity is in so much a second."""
    for part in path[:-1]:
        raw = raw.get(part) if isinstance(raw, Mapping) else None
    unit = raw.get("unit", "") if isinstance(raw, Mapping) else ""
    return f"{unit}/s" if unit and "velocity" in str(path[-1]) else str(unit)
