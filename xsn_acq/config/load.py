"""Find and read a beamline file."""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xsn_acq.config.beamline import Beamline
from xsn_acq.errors import ConfigError
from xsn_acq.validation import faults_of


def beamline_path(name_or_path: str) -> Path:
    """Path of a beamline file: a shipped name or a path of yours."""
    shipped = Path(str(files("xsn_acq") / "beamlines")) / f"{name_or_path}.toml"
    path = shipped if shipped.is_file() else Path(name_or_path)
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in shipped.parent.glob("*.toml")))
        raise ConfigError(
            f"beamline {name_or_path}", [f"no such file, and no shipped beamline of that name ({known})"]
        )
    return path


def load_beamline(name_or_path: str) -> Beamline:
    """Read and check a beamline file.

    Raises
    ------
    ConfigError
        With every fault: field, value, limit.
    """
    path = beamline_path(name_or_path)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"beamline file {path}", [f"not TOML: {error}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"beamline file {path}", [f"not UTF-8 text: {error.reason}"]) from error
    try:
        return Beamline.model_validate(_lists_as_tuples(raw))
    except ValidationError as error:
        raise ConfigError(f"beamline file {path}", faults_of(error, Beamline, raw)) from error


def _lists_as_tuples(value: Any) -> Any:
    """TOML arrays become tuples, as strict validation wants them."""
    if isinstance(value, dict):
        return {key: _lists_as_tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_lists_as_tuples(item) for item in value)
    return value
