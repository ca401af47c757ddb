"""What a failed validation says to a person: one line for each fault."""

from typing import Any

from pydantic import ValidationError


def _lines(error: Any) -> list[str]:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "value_error":  # ours: one fault a line
        faults = str(error["ctx"]["error"]).splitlines()
        return [f"{where}: {fault}" if where else fault for fault in faults]
    found = "" if error["type"] == "missing" else f", found {error['input']!r}"
    return [f"{where or 'file'}: {error['msg']}{found}"]


def faults_of(error: ValidationError) -> list[str]:
    """One line for each fault pydantic found: field, what is wrong, what was found."""
    return [line for item in error.errors() for line in _lines(item)]
