"""What every set of parameters has in common: frozen, strict, YAML both ways, every fault listed at once."""

from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from xsn_acq.errors import ConfigError
from xsn_acq.validation import faults_of


class Params(BaseModel):
    """What is acquired, as a frozen value with units and bounds.

    Unknown keys and wrong types are refused. The docstring under a field describes it, with unit and bounds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    @classmethod
    def from_yaml(cls, source: str | Path) -> Self:
        """Read from YAML (or JSON, which is YAML): a ``Path`` names a file, a ``str`` is the text itself.

        Raises
        ------
        ConfigError
            With every fault: field, what is wrong, what was found.
        """
        where = f"parameter file {source}" if isinstance(source, Path) else f"{cls.__name__} parameters"
        try:
            text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
            raw = yaml.safe_load(text)
        except OSError as error:
            raise ConfigError(where, [f"cannot be read: {error.strerror}"]) from error
        except UnicodeDecodeError as error:
            raise ConfigError(where, [f"not UTF-8 text: {error.reason}"]) from error
        except yaml.YAMLError as error:
            raise ConfigError(where, ["not YAML: " + " ".join(str(error).split())]) from error
        return cls.checked({} if raw is None else raw, where)

    @classmethod
    def checked(cls, raw: object, where: str = "parameters") -> Self:
        """Make the value from plain data; ``where`` names its origin in the error.

        Raises
        ------
        ConfigError
            With every fault.
        """
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            raise ConfigError(where, faults_of(error, cls, raw)) from error

    def to_yaml(self) -> str:
        """Write the value as YAML text; ``from_yaml`` gives it back unchanged."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
