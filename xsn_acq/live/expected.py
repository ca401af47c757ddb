"""How many frames each stream of a run will have, by its start document."""

import math
from collections.abc import Mapping
from typing import Any


def frames_expected(start: Mapping[str, Any]) -> dict[str, int]:
    """Frames by stream, where none is lost.

    A run that goes on with an earlier one takes the projections that are missing alone; references between
    projections lie in the stream of these.

    >>> acquisition = {"expected": {"references": 5, "projections": 40}, "references_between": 15}
    >>> start = {"acquisition": acquisition, "params": {"references_every": 10}}
    >>> frames_expected(start)
    {'references': 5, 'projections': 55}
    >>> frames_expected({**start, "speckle": {"taken": [[0, 24]]}})
    {'references': 5, 'projections': 20}
    """
    acquisition = start.get("acquisition", {})
    expected = {stream: int(frames) for stream, frames in acquisition.get("expected", {}).items()}
    if "projections" in expected:
        left = max(0, expected["projections"] - _taken(start))
        expected["projections"] = left + _between(start, left)
    return expected


def _taken(start: Mapping[str, Any]) -> int:
    """Projections that earlier runs have."""
    part = start.get("speckle") or start.get("hyperspectral") or {}
    return sum(last - first + 1 for first, last in part.get("taken", []))


def _between(start: Mapping[str, Any], left: int) -> int:
    """References between so many projections."""
    acquisition = start["acquisition"]
    frames = int(acquisition.get("references_between", 0))
    if not frames or not left:
        return 0
    every = int(start["params"]["references_every"])
    return min(frames, int(acquisition["expected"]["references"]) * (math.ceil(left / every) - 1))
