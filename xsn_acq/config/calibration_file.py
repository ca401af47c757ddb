"""Calibrations of a file of their own in the place of those of the beamline file."""

import json
from pathlib import Path

from pydantic import ValidationError

from xsn_acq.config.beamline import Beamline
from xsn_acq.config.calibration import Calibration
from xsn_acq.config.toml import read_toml
from xsn_acq.errors import ConfigError
from xsn_acq.validation import faults_of


def with_calibration(beamline: Beamline, path: Path) -> tuple[Beamline, frozenset[str]]:
    """Put the sections of a calibration file in the place of the beamline's.

    Parameters
    ----------
    beamline : Beamline
    path : Path
        TOML with some of the sections ``[calibration.*]`` of a beamline file, or the same sections without
        that prefix, as ``[knife_edge]``.

    Returns
    -------
    Beamline, frozenset of str
        The beamline with them, and their names.

    Raises
    ------
    ConfigError
        When the file cannot be read, holds no calibration, or a wrong one: every fault.
    """
    where = f"calibration file {path}"
    raw = read_toml(path, "calibration file")
    sections = raw.get("calibration", raw)
    if not isinstance(sections, dict) or not sections:
        known = ", ".join(f"[calibration.{name}]" for name in Calibration.model_fields)
        raise ConfigError(where, [f"wanted one or more of {known}, found none"])
    known_sections = beamline.calibration.model_dump(mode="json")
    merged = json.dumps({**known_sections, **sections}, default=str)  # dates
    try:
        calibration = Calibration.model_validate_json(merged)
    except ValidationError as error:
        raise ConfigError(where, faults_of(error, Calibration, sections)) from error
    return beamline.model_copy(update={"calibration": calibration}), frozenset(sections)


def recorded_beamline(document: dict[str, object], where: str, advice: str = "give --beamline") -> Beamline:
    """Beamline as the start document of a run has it.

    Raises
    ------
    ConfigError
        When it is another version's; ``where`` says what holds it, ``advice`` what to do.
    """
    try:
        return Beamline.model_validate_json(json.dumps(document))
    except ValidationError as error:
        faults = faults_of(error, Beamline, document)
        raise ConfigError(f"{where}: its beamline", [*faults[:-1], f"{faults[-1]}; {advice}"]) from error
