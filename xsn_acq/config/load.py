"""Find and read a beamline file."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from xsn_acq.config.beamline import Beamline
from xsn_acq.config.speckle import SpeckleBeamline
from xsn_acq.config.stored import newest_calibrations, read_calibration
from xsn_acq.config.structured import StructuredBeamline
from xsn_acq.config.toml import lists_as_tuples, read_toml
from xsn_acq.errors import ConfigError
from xsn_acq.validation import faults_of

AnyBeamline = Beamline | StructuredBeamline | SpeckleBeamline
TurningBeamline = Beamline | SpeckleBeamline
"""A file whose rotation axis is known."""
_KINDS: Mapping[str, type[AnyBeamline]] = MappingProxyType(
    {"xsn": Beamline, "nxsci": StructuredBeamline, "pwf": SpeckleBeamline}
)


def beamline_path(name_or_path: str) -> Path:
    """Path of a beamline file: a shipped name or a path of yours."""
    shipped = Path(str(files("xsn_acq") / "beamlines")) / f"{name_or_path}.toml"
    path = shipped if shipped.is_file() else Path(name_or_path)
    if not path.is_file():
        folder = Path(str(files("xsn_acq") / "beamlines"))
        known = ", ".join(sorted(p.stem for p in folder.glob("*.toml")))
        raise ConfigError(
            f"beamline {name_or_path}", [f"no such file, and no shipped beamline of that name ({known})"]
        )
    return path


def load_beamline(name_or_path: str, *, calibrations: Path | None = None) -> Beamline:
    """Read and check the file of a schlieren microscope: as `load_microscope`.

    Raises
    ------
    ConfigError
        With every fault; the file is another technique's.
    """
    file = load_microscope(name_or_path, calibrations=calibrations)
    if not isinstance(file, Beamline):
        found = f"wanted a beamline file of technique xsn, found {file.technique}; choose another"
        raise ConfigError(f"beamline {name_or_path}", [found])
    return file


def load_microscope(name_or_path: str, *, calibrations: Path | None = None) -> AnyBeamline:
    """Read and check a beamline file, of whatever technique.

    Parameters
    ----------
    name_or_path : str
        See `beamline_path`.
    calibrations : Path, optional
        Folder of measured calibrations: the newest of each kind takes the place of the file's own.

    Raises
    ------
    ConfigError
        With every fault: field, value, limit.
    """
    path = beamline_path(name_or_path)
    raw = read_toml(path, "beamline file")
    where = f"beamline file {path}"
    if calibrations is not None and isinstance(raw.get("calibration"), dict):
        newest = newest_calibrations(calibrations, str(raw.get("name")))
        raw["calibration"] |= {kind: read_calibration(stored)[1] for kind, stored in newest.items()}
        where += f" with the calibrations of {calibrations}" if newest else ""
    kind = _KINDS.get(str(raw.get("technique")))
    if kind is None:
        fault = f"technique: wanted one of {', '.join(_KINDS)}, found {raw.get('technique')!r}"
        raise ConfigError(where, [fault])
    try:
        return kind.model_validate(lists_as_tuples(raw))
    except ValidationError as error:
        raise ConfigError(where, faults_of(error, kind, raw)) from error
