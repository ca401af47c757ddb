"""Calibrations that runs have measured: one dated file for each, the newest of each kind counts.

::

    <folder>/<beamline>/20261102T093000Z-knife_edge.toml      holds the section [knife_edge] and nothing else

To go back to the calibration before, delete the file.
"""

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from xsn_acq.config.base import Frozen
from xsn_acq.config.calibration import (
    Calibration,
    FocusCalibration,
    GapCalibration,
    KnifeEdgeCalibration,
    MicroscopeCalibration,
    MonoCalibration,
    PixelSizeCalibration,
    PupilPlaneCalibration,
    RotationAxisCalibration,
)
from xsn_acq.config.toml import lists_as_tuples, read_toml, table_text
from xsn_acq.errors import ConfigError, StorageError
from xsn_acq.validation import faults_of

_STAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"(\d{8}T\d{6}Z)-(\w+)\.toml")


class _Stored(Frozen):
    """One file: a single section of `Calibration`."""

    knife_edge: KnifeEdgeCalibration | None = None
    rotation_axis: RotationAxisCalibration | None = None
    pupil_plane: PupilPlaneCalibration | None = None
    focus: tuple[FocusCalibration, ...] | None = None
    pixel_size: PixelSizeCalibration | None = None
    gap: tuple[GapCalibration, ...] | None = None
    mono: MonoCalibration | None = None


KINDS = tuple(Calibration.model_fields)
"""Every kind of calibration."""
_NAMES: Mapping[str, str] = MappingProxyType({kind: kind.replace("_", " ") for kind in KINDS})


def calibration_folder(folder: Path, beamline: str) -> Path:
    """Folder of one beamline's calibrations.

    >>> calibration_folder(Path("data"), "../7C").as_posix()
    'data/.._7C'
    """
    return folder / re.sub(r"[^A-Za-z0-9._-]", "_", beamline)


def newest_calibrations(folder: Path, beamline: str) -> dict[str, Path]:
    """File of the newest calibration of each kind there is.

    Raises
    ------
    ConfigError
        A file is not named as calibrations are: nobody could tell whether it counts.
    """
    newest: dict[str, Path] = {}
    for path in sorted(calibration_folder(folder, beamline).glob("*.toml")):
        match = _NAME.fullmatch(path.name)
        if match is None or match[2] not in KINDS:
            wanted = f"a name as 20261102T093000Z-knife_edge.toml, of {', '.join(KINDS)}"
            raise ConfigError(f"calibration file {path}", [f"wanted {wanted}; rename or delete it"])
        newest[match[2]] = path
    return {kind: newest[kind] for kind in KINDS if kind in newest}


def read_calibration(path: Path) -> tuple[str, Any]:
    """Kind and section of a calibration file, checked.

    Raises
    ------
    ConfigError
        It is damaged: with every fault, and what to do.
    """
    kind = path.stem.partition("-")[2]
    where, todo = f"calibration file {path}", "mend it, or delete it to go back to the calibration before"
    try:
        raw = read_toml(path, "calibration file")
        _Stored.model_validate(lists_as_tuples(raw))
    except ConfigError as error:
        raise ConfigError(where, [*error.faults[:-1], f"{error.faults[-1]}; {todo}"]) from error
    except ValidationError as error:
        faults = faults_of(error, _Stored, raw)
        raise ConfigError(where, [*faults[:-1], f"{faults[-1]}; {todo}"]) from error
    if list(raw) != [kind]:
        found = ", ".join(raw) or "nothing"
        raise ConfigError(where, [f"wanted one section, {kind}, found {found}; {todo}"])
    return kind, raw[kind]


def write_calibration(
    folder: Path, beamline: str, kind: str, section: dict[str, Any] | list[dict[str, Any]], time_s: float
) -> Path:
    """Write a calibration measured at a time (Unix seconds); one of the same time and kind is replaced.

    Raises
    ------
    ConfigError
        The section is not one.
    StorageError
        It cannot be written.
    """
    try:
        _Stored.model_validate(lists_as_tuples({kind: section}))
    except ValidationError as error:
        faults = faults_of(error, _Stored, {kind: section})
        raise ConfigError(f"{_NAMES[kind]} calibration", faults) from error
    stamp = datetime.fromtimestamp(time_s, UTC).strftime(_STAMP)
    path = calibration_folder(folder, beamline) / f"{stamp}-{kind}.toml"
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(table_text(kind, section), encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise StorageError(f"calibration file {path}: cannot be written: {error.strerror}") from error
    return path


def calibrations_in_use(calibration: MicroscopeCalibration, newest: Mapping[str, Path]) -> list[str]:
    """Say in a line each which calibration is used and from when.

    Parameters
    ----------
    calibration : MicroscopeCalibration
        In use.
    newest : mapping of str to Path
        From `newest_calibrations`: what of it a run has measured; all else is the beamline file's.
    """
    lines = []
    for kind in type(calibration).model_fields:
        section = getattr(calibration, kind)
        entries = section if isinstance(section, tuple) else (section,) if section is not None else ()
        for entry in entries:
            run = f", run {entry.run[:8]}" if entry.run else ""
            origin = _when(newest[kind]) if kind in newest else f"{entry.date}, beamline file"
            lines.append(f"{_NAMES[kind]} of {origin}, {entry.energy_ev:.1f} eV{run}")
    return lines


def _when(path: Path) -> str:
    time = datetime.strptime(path.name.partition("-")[0], _STAMP).replace(tzinfo=UTC)
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"
