"""Truths as they are told on the command line, ``name=value``."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from xsn_acq.errors import ConfigError
from xsn_acq.sim.microscope_truth import FullFieldTruth

Hidden = TypeVar("Hidden", bound=FullFieldTruth)


def hidden_truth(texts: Sequence[str], usual: Hidden) -> Hidden:
    """Return a truth with some values changed, each written ``name=value``; those of its parts too.

    Raises
    ------
    ConfigError
        No number of that name is hidden, or the value is not a finite number: all faults are listed.

    Examples
    --------
    >>> from xsn_acq.sim.truth import Truth
    >>> hidden_truth(["focus_offset_um=18"], Truth()).focus_offset_um
    18.0
    """
    known = sorted(hidden_numbers(usual))
    values: dict[str, float] = {}
    faults: list[str] = []
    for text in texts:
        name, _, value = text.partition("=")
        if name not in known:
            faults.append(f"no truth {name!r} on this beamline; known: {', '.join(known)}")
            continue
        try:
            values[name] = float(value)
        except ValueError:
            values[name] = math.nan
        if not math.isfinite(values[name]):
            faults.append(f"{name}={value!r}: wanted a finite number")
    if faults:
        raise ConfigError("hidden truths", faults)
    return _changed(usual, values)


def hidden_numbers(truth: Any) -> dict[str, float]:
    """Return all numbers of a truth and its parts, by name."""
    found: dict[str, float] = {}
    for name, value in _values(truth).items():
        if is_dataclass(value):
            found |= hidden_numbers(value)
        elif isinstance(value, float):
            found[name] = value
    return found


def _changed(truth: Any, values: Mapping[str, float]) -> Any:
    parts = {name: _changed(part, values) for name, part in _values(truth).items() if is_dataclass(part)}
    own = {name: values[name] for name in _values(truth).keys() & values.keys()}
    return replace(truth, **parts, **own)


def _values(truth: Any) -> dict[str, Any]:
    return {each.name: getattr(truth, each.name) for each in fields(truth)}
