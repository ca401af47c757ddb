"""What a failed validation says to a person: one line for each fault."""

from typing import Any

from pydantic import ValidationError


def _fault_line(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "file"
    found = "" if error["type"] in {"missing", "value_error"} else f", found {error['input']!r}"
    return f"{where}: {error['msg']}{found}"


def faults_of(error: ValidationError) -> list[str]:
    """One line for each fault pydantic found: field, what is wrong, what was found."""
    return [_fault_line(item) for item in error.errors()]
