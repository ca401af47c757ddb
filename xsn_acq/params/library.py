"""Whether the sample-out images of an earlier sweep show the patterns of another one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xsn_acq.params.structured import StructuredIllumination

_SAME = ("sheets", "per_line", "mode", "binning", "roi")
_MOST_APART = {"energy_ev": 1.0, "detector_z_mm": 1.0}
"""Energies move the focus, the detector moves the image: both change its size by less than a thousandth."""
_MOST_SCALE = 1e-3
"""Of the pixel size: a pixel between the corners of 1024 x 1024."""
_MOST_LACKING = 0.05
"""Of a sweep's patterns. So few are left out, and told, when the maps are made."""
_NAMES = {"energy_ev": "energy", "detector_z_mm": "detector z", "pixel_size_m": "pixel size"}


@dataclass(frozen=True)
class Library:
    """A run whose sample-out images are used: its start document, and which patterns have a sound one."""

    start: Mapping[str, Any]
    patterns: frozenset[int]


def library_refusals(
    params: StructuredIllumination, acquisition: Mapping[str, Any], library: Library
) -> list[str]:
    """What speaks against a library before a sweep is taken: other patterns, or images that it lacks.

    Parameters
    ----------
    params : StructuredIllumination
        Of the sweep.
    acquisition : mapping
        See `library_faults`.
    library : Library
    """
    others = library_faults(params.model_dump(mode="json"), acquisition, library.start)
    return others or _lacking(params, library)


def _lacking(params: StructuredIllumination, library: Library) -> list[str]:
    """Patterns of a sweep of which the library has no sound image, if they are many."""
    lacking = [pattern for pattern in params.numbers if pattern not in library.patterns]
    if len(lacking) <= _MOST_LACKING * params.patterns:
        return []
    uid = str(library.start.get("uid", ""))[:8]
    return [
        f"library: wanted a sound image of each of {params.patterns} patterns, found {uid} without "
        f"{len(lacking)} of them, as {lacking[0]}; name another one, or take it again"
    ]


def library_faults(
    params: Mapping[str, Any], acquisition: Mapping[str, Any], library: Mapping[str, Any]
) -> list[str]:
    """What speaks against using a run's images as a sweep's patterns: a line, or nothing.

    Parameters
    ----------
    params : mapping
        Of the sweep, as they are in a start document.
    acquisition : mapping
        Of the sweep, as in a start document; what is not known yet is left out and not compared.
    library : mapping
        Start document of the run that has the images.
    """
    other = _other(params, acquisition, library)
    if not other:
        return []
    uid = str(library.get("uid", ""))[:8]
    return [
        f"library: wanted a run of the same patterns without the sample, found {uid} with other "
        f"{', '.join(other)}; name another one"
    ]


def _other(
    params: Mapping[str, Any], acquisition: Mapping[str, Any], library: Mapping[str, Any]
) -> list[str]:
    """What differs, by name."""
    theirs, seen = library.get("params", {}), library.get("acquisition", {})
    if library.get("plan_name") != "structured_illumination":
        return ["plan"]
    other = [name for name in _SAME if params[name] != theirs[name]]
    if theirs["passes"] == "in":
        other.append("passes")
    settings, known = params["settings"], theirs["settings"]
    if known[: len(settings)] != settings:
        other.append("settings")
    fewer = len(settings) == 1 and params["lines"] < theirs["lines"]  # patterns keep their numbers
    if params["lines"] != theirs["lines"] and not fewer:
        other.append("lines")
    return other + [_NAMES[name] for name in _NAMES if _is_apart(name, acquisition, seen)]


def _is_apart(name: str, acquisition: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
    if name not in acquisition:
        return False
    mine = float(acquisition[name])
    most = _MOST_APART.get(name, _MOST_SCALE * mine)
    return not abs(mine - float(seen.get(name, "nan"))) <= most
